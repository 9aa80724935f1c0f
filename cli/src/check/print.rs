//! The report in each format. Names are untrusted: they are escaped for terminals and shells. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::{Finding, Report, Severity, Trust};
use crate::answer::text::{plain, some};
use crate::answer::{Answer, Case};

/// The report in each format.
#[must_use]
pub(super) fn answer(report: &Report) -> Answer {
    let short = report.findings.iter().map(line);
    let unseen = report.not_looked_at.iter();
    let unseen = unseen.map(|one| format!("not seen {}: {}\n", one.what, plain(&one.why)));
    Answer {
        text: text(report),
        short: short.chain(unseen).collect(),
        // It has strings and lists only, so serialization cannot fail.
        json: serde_json::to_value(report).unwrap_or_default(),
        cases: cases(report),
        status: report.status(),
    }
}

/// One line of a finding.
fn line(finding: &Finding) -> String {
    let Finding {
        check, place, what, ..
    } = finding;
    let who = some(&finding.subjects);
    let colon = if who.is_empty() { "" } else { ": " };
    let severity = match finding.severity {
        Severity::Critical => "critical",
        Severity::Warning => "warning",
    };
    plain(&format!("{severity} {check}: {place}: {who}{colon}{what}")) + "\n"
}

/// One test case per check that found something, and per part that could not be read.
fn cases(report: &Report) -> Vec<Case> {
    let mut by_check = BTreeMap::<_, Vec<String>>::new();
    for finding in &report.findings {
        let text = format!(
            "{}(to do: {})",
            line(finding).replace('\n', " "),
            finding.remedy
        );
        by_check.entry(finding.check).or_default().push(text);
    }
    let found = by_check.into_iter().map(|(check, found)| Case {
        name: check.to_owned(),
        found,
        skipped: None,
    });
    let unseen = report.not_looked_at.iter().map(|one| Case {
        name: one.what.to_owned(),
        found: Vec::new(),
        skipped: Some(one.why.clone()),
    });
    let mut cases: Vec<_> = found.chain(unseen).collect();
    if cases.is_empty() {
        cases.push(Case {
            name: "nothing is open".to_owned(),
            found: Vec::new(),
            skipped: None,
        });
    }
    cases
}

/// For people.
#[must_use]
fn text(report: &Report) -> String {
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
            "{critical} critical, {warnings} warning{plural}, and {unseen} not seen: run it as a user who may list them"
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
