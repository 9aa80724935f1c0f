//! Names are untrusted: they are escaped for terminals and shells. Pure.

/// How many names of a longer list are printed.
pub(crate) const MAX_PRINTED: usize = 5;

/// The first of several names.
#[must_use]
pub(crate) fn some<'a, N: AsRef<str> + 'a>(names: impl IntoIterator<Item = &'a N>) -> String {
    let names: Vec<_> = names.into_iter().map(N::as_ref).collect();
    let first = names[..names.len().min(MAX_PRINTED)].join(", ");
    match names.len().saturating_sub(MAX_PRINTED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// A name, quoted as one word of a shell command.
#[must_use]
pub(crate) fn quoted(name: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "-_.:/@".contains(c);
    if !name.is_empty() && !name.starts_with('-') && name.chars().all(harmless) {
        return name.to_owned();
    }
    format!("'{}'", name.replace('\'', "'\\''"))
}

/// Escapes control sequences and invisible characters.
#[must_use]
pub(crate) fn plain(text: &str) -> String {
    let odd = |c: char| c.is_control() || (!c.is_ascii() && !c.is_alphanumeric());
    let each = text.chars().map(|c| {
        if odd(c) {
            c.escape_default().to_string()
        } else {
            c.to_string()
        }
    });
    each.collect()
}

/// Rows in columns, as kubectl prints them; each cell is escaped.
#[must_use]
pub(crate) fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let rows: Vec<_> = rows
        .iter()
        .map(|row| row.each_ref().map(|cell| plain(cell)))
        .collect();
    let width = |at: usize| {
        let cells = rows.iter().map(|row| row[at].chars().count());
        cells.chain([head[at].len()]).max().unwrap_or_default()
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |cells: [&str; N]| {
        let padded = cells.iter().zip(widths);
        let padded: Vec<_> = padded
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        padded.join("  ").trim_end().to_owned() + "\n"
    };
    let lines = rows
        .iter()
        .map(|row| line(row.each_ref().map(String::as_str)));
    [line(head)].into_iter().chain(lines).collect()
}

/// `1 identity`, `2 identities`.
#[must_use]
pub(crate) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_name_is_one_word_of_a_shell_command() {
        assert_eq!(
            quoted("system:controller:job-controller"),
            "system:controller:job-controller"
        );
        assert_eq!(quoted("$(reboot)"), "'$(reboot)'");
        assert_eq!(quoted("it's; a"), "'it'\\''s; a'");
        assert_eq!(quoted("--all"), "'--all'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn a_long_list_ends_with_the_number_of_the_rest() {
        assert_eq!(some(&["a", "b"]), "a, b");
        assert_eq!(
            some(&["a", "b", "c", "d", "e", "f", "g"]),
            "a, b, c, d, e and 2 more"
        );
    }

    #[test]
    fn control_sequences_in_a_name_are_escaped() {
        assert_eq!(plain("a\u{1b}[2Jb\u{202e}\nc"), "a\\u{1b}[2Jb\\u{202e}\\nc");
        assert_eq!(plain("müller@acme.com"), "müller@acme.com");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a", "long name"], ["müller", ""]].map(|row| row.map(str::to_owned));
        assert_eq!(
            table(["NAME", "WHAT"], &rows),
            "NAME    WHAT\na       long name\nmüller\n"
        );
    }
}
