//! The report as text and as JSON. Names are untrusted: they are escaped for terminals and shells. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::{Finding, Report, Severity, Trust};

/// How many names of a longer list are printed.
const MAX_PRINTED: usize = 5;

/// The first of several names.
#[must_use]
pub(super) fn some<'a, N: AsRef<str> + 'a>(names: impl IntoIterator<Item = &'a N>) -> String {
    let names: Vec<_> = names.into_iter().map(N::as_ref).collect();
    let first = names[..names.len().min(MAX_PRINTED)].join(", ");
    match names.len().saturating_sub(MAX_PRINTED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// A name, quoted as one word of a shell command.
#[must_use]
pub(super) fn quoted(name: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "-_.:/@".contains(c);
    if !name.is_empty() && !name.starts_with('-') && name.chars().all(harmless) {
        return name.to_owned();
    }
    format!("'{}'", name.replace('\'', "'\\''"))
}

/// One JSON document.
#[must_use]
pub(super) fn json(report: &Report) -> String {
    // It has strings and lists only, so serialization cannot fail.
    serde_json::to_string_pretty(report).unwrap_or_default()
}

/// For people.
#[must_use]
pub(super) fn text(report: &Report) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        let _ = write!(text, "{}", block(finding));
    }
    for unseen in &report.not_looked_at {
        let _ = writeln!(
            text,
            "NOT SEEN  {}\n          {}\n",
            unseen.what,
            plain(&unseen.why)
        );
    }
    let _ = write!(text, "{}", trusted(report));
    let _ = writeln!(text, "This check cannot see:");
    for beyond in &report.cannot_see {
        let _ = writeln!(text, "  - {beyond}");
    }
    let _ = write!(text, "\n{}", summary(report));
    text
}

fn block(finding: &Finding) -> String {
    let severity = match finding.severity {
        Severity::Critical => "CRITICAL",
        Severity::Warning => "WARNING ",
    };
    let subjects = &finding.subjects;
    let (who, colon) = (some(subjects), if subjects.is_empty() { "" } else { ": " });
    let Finding {
        check,
        code,
        place,
        what,
        remedy,
        ..
    } = finding;
    let lines = [
        format!("{severity}  {check}: {who}{colon}{what} ({code})"),
        format!("          where: {place}"),
        format!("          to do: {remedy}"),
    ];
    lines.map(|line| plain(&line)).join("\n") + "\n\n"
}

fn trusted(report: &Report) -> String {
    let mut by_trust = BTreeMap::<Trust, BTreeSet<&str>>::new();
    for holder in &report.trusted {
        by_trust
            .entry(holder.trusted)
            .or_default()
            .insert(&holder.subject);
    }
    if by_trust.is_empty() {
        return String::new();
    }
    let mut text =
        "Expected to have such rights (all of them, and by which binding: -o json):\n".to_owned();
    for (trust, subjects) in by_trust {
        let _ = writeln!(text, "  {}: {}", trust.as_str(), plain(&some(&subjects)));
    }
    text + "\n"
}

fn summary(report: &Report) -> String {
    let count = |severity| {
        report
            .findings
            .iter()
            .filter(|f| f.severity == severity)
            .count()
    };
    let (critical, warnings) = (count(Severity::Critical), count(Severity::Warning));
    let server = report
        .server_version
        .as_deref()
        .unwrap_or("of unknown version");
    let places = match report.namespaces.len() {
        0 => "no namespace is opted in".to_owned(),
        count => format!("{count} opted in: {}", some(&report.namespaces)),
    };
    let plural = if warnings == 1 { "" } else { "s" };
    let summary = match (critical, warnings, report.not_looked_at.len()) {
        (0, 0, 0) => "nothing is open".to_owned(),
        (_, _, 0) => format!("{critical} critical, {warnings} warning{plural}"),
        (_, _, unseen) => format!(
            "{critical} critical, {warnings} warning{plural}, and {unseen} not checked: run it as a user who may list them"
        ),
    };
    let trust = match report
        .findings
        .iter()
        .any(|finding| !finding.subjects.is_empty())
    {
        true => "\nPass --trust NAME or --trust group:NAME for subjects whose rights are intended.",
        false => "",
    };
    format!(
        "API server {}; {}. {summary}.{trust}",
        plain(server),
        plain(&places)
    )
}

/// Escapes control sequences and invisible characters.
fn plain(text: &str) -> String {
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
}
