//! The outcome of all checks in each format. Pure.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::checks::{Checked, Outcome};
use crate::answer::exit_status::ExitStatus;
use crate::answer::text::{count, plain};
use crate::answer::{Answer, Case};

/// Width of the columns with the state and the word.
const WIDTH: usize = 25;

pub(super) fn answer(all: &[Checked]) -> Answer {
    let found = all.iter().any(|one| !one.outcome.findings().is_empty());
    let unseen = all.iter().any(|one| one.outcome.unseen().is_some());
    let mut text: String = all.iter().map(block).collect();
    let _ = write!(text, "\n{}", summary(all));
    Answer {
        text,
        short: all.iter().map(lines).collect(),
        json: json!({"checks": all.iter().map(value).collect::<Vec<_>>()}),
        cases: all.iter().flat_map(cases).collect(),
        status: ExitStatus::of(found, !unseen),
    }
}

/// The words of the checks whose outcome may soon be another one, for `--wait`. Rights that are missing do not come by waiting.
pub(super) fn unsettled(all: &[Checked]) -> Vec<&'static str> {
    let unsettled = all.iter().filter(|one| {
        matches!(one.outcome, Outcome::NotYet(_)) || !one.outcome.findings().is_empty()
    });
    unsettled.map(|one| one.check.word()).collect()
}

fn block(one: &Checked) -> String {
    let line = |state: &str, text: &str| {
        let begin = format!("{state:<6} {}", one.check.word());
        format!("{begin:<WIDTH$} {}\n", plain(text))
    };
    let indent = " ".repeat(WIDTH);
    let rest = |name: &str, text: &str| format!("{indent} {name}: {}\n", plain(text));
    let findings = one.outcome.findings().iter();
    let findings: String = findings
        .map(|finding| {
            line("FOUND", &with_code(one, &finding.what))
                + &rest("where", &finding.place)
                + &rest("to do", &finding.command)
        })
        .collect();
    let unseen = one.outcome.unseen().map(|why| line("NOT SEEN", why));
    match &one.outcome {
        Outcome::Fine(detail) => line("ok", detail),
        _ => findings + &unseen.unwrap_or_default(),
    }
}

fn with_code(one: &Checked, what: &str) -> String {
    format!("{what} ({})", one.check.reason().code())
}

fn lines(one: &Checked) -> String {
    let (word, code) = (one.check.word(), one.check.reason().code());
    if matches!(one.outcome, Outcome::Fine(_)) {
        return format!("ok {word}\n");
    }
    let findings = one.outcome.findings().iter().map(|finding| {
        let (place, what) = (plain(&finding.place), plain(&finding.what));
        format!("found {word}: {place}: {what} ({code})\n")
    });
    let unseen = one.outcome.unseen();
    let unseen = unseen.map(|why| format!("not seen {word}: {}\n", plain(why)));
    findings.chain(unseen).collect()
}

fn value(one: &Checked) -> Value {
    let (check, meaning) = (one.check.word(), one.check.meaning());
    match &one.outcome {
        Outcome::Fine(detail) => {
            json!({"check": check, "meaning": meaning, "state": "ok", "detail": detail})
        }
        Outcome::Unseen(why) | Outcome::NotYet(why) => {
            json!({"check": check, "meaning": meaning, "state": "unseen", "detail": why})
        }
        Outcome::Found(findings) | Outcome::FoundInPart(findings, _) => {
            let findings: Vec<_> = findings
                .iter()
                .map(|one| json!({"where": one.place, "what": one.what, "toDo": one.command}))
                .collect();
            let code = one.check.reason().code();
            json!({
                "check": check, "code": code, "meaning": meaning, "state": "found", "findings": findings,
                "notSeen": one.outcome.unseen(),
            })
        }
    }
}

/// What was found, and what was not seen: JUnit has no case that is both a failure and skipped.
fn cases(one: &Checked) -> Vec<Case> {
    let (word, code) = (one.check.word(), one.check.reason().code());
    let findings = one.outcome.findings().iter();
    let found = findings.map(|one| {
        format!(
            "{}: {} ({code}; to do: {})",
            one.place, one.what, one.command
        )
    });
    let case = Case {
        name: word.to_owned(),
        found: found.collect(),
        skipped: None,
    };
    match (&one.outcome, one.outcome.unseen()) {
        (Outcome::FoundInPart(..), Some(why)) => {
            let rest = Case {
                name: format!("{word}, not seen"),
                found: Vec::new(),
                skipped: Some(why.to_owned()),
            };
            vec![case, rest]
        }
        (_, why) => vec![Case {
            skipped: why.map(str::to_owned),
            ..case
        }],
    }
}

fn summary(all: &[Checked]) -> String {
    let number = |is: fn(&Outcome) -> bool| all.iter().filter(|one| is(&one.outcome)).count();
    let fine = number(|outcome| matches!(outcome, Outcome::Fine(_)));
    let found = number(|outcome| !outcome.findings().is_empty());
    let unseen = number(|outcome| outcome.unseen().is_some());
    let checks = count(all.len(), "check", "checks");
    let mut text = format!("{checks}: {fine} fine, {found} found something");
    if unseen > 0 {
        let _ = write!(text, ", {unseen} not seen");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::checks::Check;

    fn checked(check: Check, outcome: Outcome) -> Checked {
        Checked { check, outcome }
    }

    #[test]
    fn what_is_found_or_not_reported_yet_is_waited_for_also_beside_what_may_not_be_read() {
        let found = Check::Leader.finding("home", "Lease", "no broker holds it".to_owned());
        let no_right = checked(Check::Quota, Outcome::Unseen("no right".to_owned()));
        let all = [
            checked(Check::Rules, Outcome::Fine(String::new())),
            checked(Check::Leader, Outcome::Found(vec![found])),
            checked(Check::Rights, Outcome::NotYet("no report".to_owned())),
            no_right.clone(),
        ];
        assert_eq!(answer(&all).status, ExitStatus::Incomplete);
        assert_eq!(unsettled(&all), ["leader", "rights"]);
        assert!(unsettled(&[no_right]).is_empty());
    }
}
