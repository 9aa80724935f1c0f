//! Reasons: the stable words by which people and programs tell apart why a request is refused, a pod waits or a condition has its
//! status. docs/reasons.md explains each.

mod table;

use std::fmt;
use std::str::FromStr;

pub use table::Reason;

/// Whether something has to be done about a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing is wrong.
    Done,
    /// It may pass by itself; trying again is right.
    Passing,
    /// It stays as it is until a person changes something.
    Lasting,
}

impl Kind {
    const fn default_status(self) -> u16 {
        match self {
            Self::Done => 200,
            Self::Passing => 503,
            Self::Lasting => 403,
        }
    }
}

/// A word that is not one of the reasons of this version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a reason that this version of Namesake knows")]
pub struct UnknownReason(pub String);

impl Reason {
    /// Whether it does not pass by itself: a person has to do something first.
    #[must_use]
    pub const fn is_lasting(self) -> bool {
        matches!(self.kind(), Kind::Lasting)
    }

    /// The message, cut to this many bytes, with the code at its end: `message (NS1007)`, or `message (NS1007, decision 2b7c41)`.
    #[must_use]
    pub fn referenced(self, message: &str, decision: Option<&str>, bytes: usize) -> String {
        let decision = decision.map_or(String::new(), |id| format!(", decision {id}"));
        let reference = format!(" ({}{decision})", self.code());
        let room = bytes.saturating_sub(reference.len());
        let message = &message[..message.floor_char_boundary(room)];
        format!("{message}{reference}")
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub const fn is_done(self) -> bool {
        matches!(self.kind(), Kind::Done)
    }

    /// HTTP status code of an admission response that refuses for it: 400 and 403 are final for whoever asked, and controllers
    /// try again after 503.
    #[must_use]
    pub const fn admission_status(self) -> u16 {
        match (self.http_status(), self.is_lasting()) {
            (status @ (400 | 403), true) => status,
            _ => 503,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Reason {
    type Err = UnknownReason;

    fn from_str(word: &str) -> Result<Self, UnknownReason> {
        let known = Self::ALL.iter().find(|reason| reason.as_str() == word);
        known.copied().ok_or_else(|| UnknownReason(word.to_owned()))
    }
}

/// Defines [`Reason`] from groups of rows `CODE Word(Kind, HTTP status code) "meaning" => "remedy";`. Without a status code it
/// is the kind's. A row `CODE Name = "word" (Kind)` has a word of another form.
macro_rules! reasons {
    (@status $kind:ident) => { $crate::reason::Kind::$kind.default_status() };
    (@status $kind:ident $status:literal) => { $status };
    (@word $reason:ident) => { stringify!($reason) };
    (@word $reason:ident $word:literal) => { $word };
    ($($group:literal: $(
        $code:ident $reason:ident $(= $word:literal)? ($kind:ident $(, $status:literal)?) $meaning:literal => $remedy:literal;
    )+)+) => {
        /// Why a request is refused, a pod waits, or a condition, an Event or a finding of the check says what it says.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $($(#[doc = $meaning] $reason,)+)+
        }

        impl Reason {
            /// All of them, in the order of the table.
            pub const ALL: &'static [Reason] = &[$($(Reason::$reason,)+)+];

            /// `CamelCase`, as in reasons of Kubernetes conditions; of a finding of the check it is in lower case.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $($(Reason::$reason => $crate::reason::reasons!(@word $reason $($word)?),)+)+ }
            }

            /// `NS` and four digits: a short name that no version gives another meaning, and the anchor in docs/reasons.md.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $($(Reason::$reason => stringify!($code),)+)+ }
            }

            /// Heading of docs/reasons.md under which it stands.
            #[must_use]
            pub const fn group(self) -> &'static str {
                match self { $($(Reason::$reason => $group,)+)+ }
            }

            /// What it means.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $($(Reason::$reason => $meaning,)+)+ }
            }

            /// What to do about it; empty if there is nothing to do.
            #[must_use]
            pub const fn remedy(self) -> &'static str {
                match self { $($(Reason::$reason => $remedy,)+)+ }
            }

            /// HTTP status code of an answer that is refused for it: 403 if it lasts and 503 if it may pass by itself, unless the
            /// table has a more precise one.
            #[must_use]
            pub const fn http_status(self) -> u16 {
                match self { $($(Reason::$reason => $crate::reason::reasons!(@status $kind $($status)?),)+)+ }
            }

            pub(crate) const fn kind(self) -> $crate::reason::Kind {
                match self { $($(Reason::$reason => $crate::reason::Kind::$kind,)+)+ }
            }
        }
    };
}
use reasons;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_read_from_its_own_word_and_from_no_other() {
        for reason in Reason::ALL {
            assert_eq!(reason.as_str().parse(), Ok(*reason));
        }
        let unknown = "NoMatches".parse::<Reason>().unwrap_err();
        assert_eq!(
            unknown.to_string(),
            "\"NoMatches\" is not a reason that this version of Namesake knows"
        );
    }

    #[test]
    fn a_reference_is_at_the_end_of_a_message_that_is_cut_between_characters() {
        let at_most = |bytes| Reason::NoMatch.referenced("no rülé", Some("2b7c41"), bytes);
        assert_eq!(at_most(99), "no rülé (NS1001, decision 2b7c41)");
        assert_eq!(at_most(34), "no rül (NS1001, decision 2b7c41)");
        assert_eq!(
            Reason::NoMatch.referenced("no rule", None, 99),
            "no rule (NS1001)"
        );
    }

    #[test]
    fn every_reason_that_lasts_says_what_to_do() {
        for reason in Reason::ALL {
            assert!(!reason.meaning().is_empty(), "{reason}");
            assert!(reason.is_done() || !reason.remedy().is_empty(), "{reason}");
        }
    }

    #[test]
    fn the_status_follows_from_the_kind_unless_the_table_says_more() {
        let status = |reason: Reason| (reason.http_status(), reason.admission_status());
        assert_eq!(status(Reason::NoMatch), (403, 403));
        assert_eq!(status(Reason::BadRequest), (400, 400));
        assert_eq!(status(Reason::BrokerUnavailable), (503, 503));
        assert_eq!(status(Reason::Conflict), (409, 503));
        assert_eq!(status(Reason::NotTheWebhook), (403, 503));
    }

    /// The codes that every version had, one `CODE WORD` per line.
    fn every_code_ever() -> (std::path::PathBuf, String) {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/reasons.txt");
        (path.into(), std::fs::read_to_string(path).unwrap())
    }

    #[test]
    fn a_code_never_changes_its_word_and_is_never_used_again() {
        let (path, recorded) = every_code_ever();
        let words: std::collections::BTreeMap<_, _> = recorded
            .lines()
            .map(|line| line.split_once(' ').unwrap())
            .collect();
        assert_eq!(
            words.len(),
            recorded.lines().count(),
            "a code is listed twice"
        );
        let mut added = String::new();
        for reason in Reason::ALL {
            match words.get(reason.code()) {
                Some(word) => assert_eq!(*word, reason.as_str(), "{}", reason.code()),
                None => added += &format!("{} {reason}\n", reason.code()),
            }
        }
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            let mut lines: Vec<_> = recorded.lines().chain(added.lines()).collect();
            lines.sort_unstable();
            std::fs::write(path, lines.join("\n") + "\n").unwrap();
            return;
        }
        assert_eq!(added, "", "UPDATE_GOLDEN=1 adds them");
    }

    #[test]
    fn a_word_keeps_its_code() {
        let (_, recorded) = every_code_ever();
        for line in recorded.lines() {
            let (code, word) = line.split_once(' ').unwrap();
            if let Ok(reason) = word.parse::<Reason>() {
                assert_eq!(reason.code(), code, "{word}");
            }
        }
    }

    #[test]
    fn every_reason_has_a_code_of_its_own() {
        let mut codes: Vec<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Reason::ALL.len());
        assert!(codes.iter().all(|code| code.len() == "NS1007".len()));
    }
}
