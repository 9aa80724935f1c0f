//! Adds a user to a list of the rules, or removes one, in the text itself, so that comments and order stay. Pure.
//!
//! It knows the two usual forms of a list, `key: [a, b]` on one line and `- a` on lines of its own. Whoever calls it checks the
//! result by parsing it.

/// The text with the user in the list; `None` if the list is written in a form that is not known here.
pub(super) fn add(text: &str, key: &str, user: &str) -> Option<String> {
    let user = item(user);
    let Some((before, line, after)) = find(text, key) else {
        let end = if text.is_empty() || text.ends_with('\n') {
            ""
        } else {
            "\n"
        };
        return Some(format!("{text}{end}{key}: [{user}]\n"));
    };
    let value = value_of(line, key);
    if let Some(inside) = on_one_line(value) {
        let list = if inside.trim().is_empty() {
            user
        } else {
            format!("{}, {user}", inside.trim())
        };
        return Some(format!(
            "{before}{}{after}",
            line.replacen(value, &format!("[{list}]"), 1)
        ));
    }
    let first = after
        .lines()
        .find(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
    let first = first.filter(|first| first.trim_start().starts_with("- "))?;
    let indent = &first[..first.len() - first.trim_start().len()];
    value
        .is_empty()
        .then(|| format!("{before}{line}{indent}- {user}\n{after}"))
}

/// The text without the user in the list; unchanged if it is not found.
pub(super) fn remove(text: &str, key: &str, user: &str) -> String {
    let Some((before, line, after)) = find(text, key) else {
        return text.to_owned();
    };
    let is_user = |item: &str| item.trim().trim_matches(['"', '\'']) == user;
    let value = value_of(line, key);
    if let Some(inside) = on_one_line(value) {
        let rest: Vec<_> = inside
            .split(',')
            .map(str::trim)
            .filter(|item| !is_user(item))
            .collect();
        return format!(
            "{before}{}{after}",
            line.replacen(value, &format!("[{}]", rest.join(", ")), 1)
        );
    }
    let mut is_inside = true;
    let keep = |line: &&str| {
        let item = line.trim();
        is_inside &= item.is_empty() || item.starts_with(['-', '#']);
        let entry = item
            .strip_prefix("- ")
            .map(|item| item.split(" #").next().unwrap_or_default());
        !(is_inside && entry.is_some_and(is_user))
    };
    let kept: String = after.split_inclusive('\n').filter(keep).collect();
    let is_empty = !kept.trim_start().starts_with("- ") && !kept.trim_start().starts_with('#');
    let line = if value.is_empty() && is_empty && kept != after {
        line.replacen(&format!("{key}:"), &format!("{key}: []"), 1)
    } else {
        line.to_owned()
    };
    format!("{before}{line}{kept}")
}

/// What the line of a key says after it, without a comment.
fn value_of<'t>(line: &'t str, key: &str) -> &'t str {
    let value = line[key.len() + 1..].split(" #").next();
    value.unwrap_or_default().trim()
}

/// What is between the brackets of a list on one line.
fn on_one_line(value: &str) -> Option<&str> {
    value.strip_prefix('[')?.strip_suffix(']')
}

/// What is before the line of a top-level key, that line, and what follows.
fn find<'t>(text: &'t str, key: &str) -> Option<(&'t str, &'t str, &'t str)> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if line
            .strip_prefix(key)
            .is_some_and(|rest| rest.starts_with(':'))
        {
            let (before, from) = text.split_at(start);
            let (line, after) = from.split_at(line.len());
            return Some((before, line, after));
        }
        start += line.len();
    }
    None
}

/// A user as an item of a list.
fn item(user: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "@._-".contains(c);
    if user.starts_with(|c: char| c.is_ascii_alphabetic()) && user.chars().all(harmless) {
        return user.to_owned();
    }
    format!("\"{}\"", user.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOB: &str = "bob@acme.com";

    #[test]
    fn a_user_is_added_in_each_form_of_a_list_and_comments_stay() {
        for (text, expected) in [
            ("a: 1", "a: 1\noffboarded: [bob@acme.com]\n"),
            (
                "offboarded: []   # nobody\nb: 2\n",
                "offboarded: [bob@acme.com]   # nobody\nb: 2\n",
            ),
            (
                "offboarded: [x@y.z]\n",
                "offboarded: [x@y.z, bob@acme.com]\n",
            ),
            (
                "offboarded:\n# gone\n  - x@y.z\nb: 2\n",
                "offboarded:\n  - bob@acme.com\n# gone\n  - x@y.z\nb: 2\n",
            ),
            (
                "offboarded:\n- x@y.z\n",
                "offboarded:\n- bob@acme.com\n- x@y.z\n",
            ),
        ] {
            assert_eq!(add(text, "offboarded", BOB).as_deref(), Some(expected));
        }
        for odd in [
            "offboarded: [\n  x@y.z]\n",
            "offboarded: &a\n- x@y.z\n",
            "offboarded:\nb: 2\n",
        ] {
            assert_eq!(add(odd, "offboarded", BOB), None, "{odd}");
        }
    }

    #[test]
    fn a_user_is_removed_from_their_list_only() {
        for (text, expected) in [
            (
                "returned: [\"bob@acme.com\", x@y.z]\n",
                "returned: [x@y.z]\n",
            ),
            ("returned: [bob@acme.com]\n", "returned: []\n"),
            (
                "returned:\n- bob@acme.com # back\n- x@y.z\nothers:\n- bob@acme.com\n",
                "returned:\n- x@y.z\nothers:\n- bob@acme.com\n",
            ),
            ("returned:\n- bob@acme.com\nb: 2\n", "returned: []\nb: 2\n"),
            ("b: [bob@acme.com]\n", "b: [bob@acme.com]\n"),
        ] {
            assert_eq!(remove(text, "returned", BOB), expected);
        }
    }

    #[test]
    fn a_name_that_yaml_would_read_otherwise_is_quoted() {
        assert_eq!(item("a: b\"c"), "\"a: b\\\"c\"");
        assert_eq!(item("1e3@x"), "\"1e3@x\"");
    }
}
