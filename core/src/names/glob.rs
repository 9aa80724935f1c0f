//! Globs: patterns that must match a whole text. `*` matches any number of characters, also none; nothing else is special.

use std::fmt;

use serde::Serialize;

/// A pattern that must match a whole text. Matching allocates nothing and does not backtrack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Glob(String);

impl Glob {
    /// Any text is a glob. The rules check whether it can match anything legal.
    #[must_use]
    pub fn new(text: &str) -> Glob {
        Glob(text.to_owned())
    }

    /// Whether the whole of `value` matches.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        self.match_pieces(value, |_| {})
    }

    /// What each `*` matches in `value`, as little as possible for the first one; `None` if the glob does not match.
    #[must_use]
    pub fn captures<'v>(&self, value: &'v str) -> Option<Vec<&'v str>> {
        let mut captured = Vec::new();
        self.match_pieces(value, |piece| captured.push(piece))
            .then_some(captured)
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is no `*`: only one value matches.
    pub(crate) fn is_exact(&self) -> bool {
        !self.0.contains('*')
    }

    /// What every value that matches begins with, if there is a `*` and something before it.
    pub(crate) fn prefix(&self) -> Option<&str> {
        let (prefix, _) = self.0.split_once('*')?;
        (!prefix.is_empty()).then_some(prefix)
    }

    /// Whether every value matches, so that the glob is not a condition.
    pub(crate) fn matches_everything(&self) -> bool {
        !self.0.is_empty() && self.0.bytes().all(|b| b == b'*')
    }

    /// One value that the glob matches: the pattern with an `x` for each `*`.
    pub(crate) fn example(&self) -> String {
        self.0.replace('*', "x")
    }

    /// How many `*` there are.
    pub(crate) fn count_stars(&self) -> usize {
        self.0.matches('*').count()
    }

    /// Matches piece by piece from the left, and calls `star` with what each `*` matches.
    fn match_pieces<'v>(&self, value: &'v str, mut star: impl FnMut(&'v str)) -> bool {
        let mut pieces = self.0.split('*');
        let first = pieces.next().unwrap_or_default();
        let Some(mut rest) = value.strip_prefix(first) else {
            return false;
        };
        let Some(last) = pieces.next_back() else {
            return rest.is_empty();
        };
        for piece in pieces {
            let Some((gap, after)) = rest.split_once(piece) else {
                return false;
            };
            star(gap);
            rest = after;
        }
        rest.strip_suffix(last).inspect(|gap| star(gap)).is_some()
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_matches_whole_values_only() {
        for (pattern, yes, no) in [
            (
                "*@acme.com",
                &["alice@acme.com", "@acme.com"][..],
                &["alice@acme.com.evil", "alice@xacme.com"][..],
            ),
            (
                "Billing*",
                &["Billing", "BillingFlow"],
                &["XBilling", "billing"],
            ),
            (
                "a*b*c",
                &["abc", "a1b2c", "abbc", "abcc"],
                &["ac", "acb", "abcd"],
            ),
            ("ab*ba", &["abba", "abxba"], &["aba", "ab"]),
            ("plain", &["plain"], &["plain ", "Plain", ""]),
            ("*", &["", "anything"], &[]),
        ] {
            let glob = Glob::new(pattern);
            yes.iter()
                .for_each(|v| assert!(glob.matches(v), "{pattern} {v}"));
            no.iter()
                .for_each(|v| assert!(!glob.matches(v), "{pattern} {v}"));
        }
    }

    #[test]
    fn each_star_captures_as_little_as_possible_from_the_left() {
        let glob = Glob::new("system:serviceaccount:*:jupyter-*");
        assert_eq!(
            glob.captures("system:serviceaccount:hub:jupyter-a-b"),
            Some(vec!["hub", "a-b"])
        );
        assert_eq!(Glob::new("*-*").captures("a-b-c"), Some(vec!["a", "b-c"]));
        assert_eq!(Glob::new("plain").captures("plain"), Some(vec![]));
        assert_eq!(Glob::new("*x").captures("y"), None);
    }
}
