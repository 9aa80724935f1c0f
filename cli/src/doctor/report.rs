//! The outcome of all checks in each format. Pure.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::checks::{Checked, Finding, Outcome};
use crate::answer::exit_status::ExitStatus;
use crate::answer::text::plain;
use crate::answer::{Answer, Case};

/// Width of the column with the words.
const WIDTH: usize = 18;

pub(super) fn answer(all: &[Checked]) -> Answer {
    let found = all
        .iter()
        .any(|one| matches!(one.outcome, Outcome::Found(_)));
    let unseen = all.iter().any(|one| one.outcome.unseen().is_some());
    let mut text: String = all.iter().map(block).collect();
    let _ = write!(text, "\n{}", summary(all));
    Answer {
        text,
        short: all.iter().map(lines).collect(),
        json: json!({"checks": all.iter().map(value).collect::<Vec<_>>()}),
        cases: all.iter().map(case).collect(),
        status: ExitStatus::of(found, !unseen),
    }
}

/// The words of the checks whose outcome may soon be another one, for `--wait`. Rights that are missing do not come by waiting.
pub(super) fn unsettled(all: &[Checked]) -> Vec<&'static str> {
    let unsettled = all
        .iter()
        .filter(|one| matches!(one.outcome, Outcome::Found(_) | Outcome::NotYet(_)));
    unsettled.map(|one| one.check.word()).collect()
}

fn block(one: &Checked) -> String {
    let line = |state: &str, text: &str| {
        format!("{state:<7}{:WIDTH$} {}\n", one.check.word(), plain(text))
    };
    match &one.outcome {
        Outcome::Fine(detail) => line("ok", detail),
        Outcome::Unseen(why) | Outcome::NotYet(why) => line("UNSEEN", why),
        Outcome::Found(findings) => {
            let each = findings.iter().map(
                |Finding {
                     place,
                     what,
                     command,
                 }| {
                    let indent = " ".repeat(7 + WIDTH);
                    let rest =
                        |name: &str, text: &str| format!("{indent} {name}: {}\n", plain(text));
                    line("FOUND", &with_code(one, what))
                        + &rest("where", place)
                        + &rest("to do", command)
                },
            );
            each.collect()
        }
    }
}

fn with_code(one: &Checked, what: &str) -> String {
    format!("{what} ({})", one.check.reason().code())
}

fn lines(one: &Checked) -> String {
    let (word, code) = (one.check.word(), one.check.reason().code());
    match &one.outcome {
        Outcome::Fine(_) => format!("ok {word}\n"),
        Outcome::Unseen(why) | Outcome::NotYet(why) => {
            format!("unseen {word}: {}\n", plain(why))
        }
        Outcome::Found(findings) => {
            let each = findings.iter();
            each.map(|one| {
                format!(
                    "found {word}: {}: {} ({code})\n",
                    plain(&one.place),
                    plain(&one.what)
                )
            })
            .collect()
        }
    }
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
        Outcome::Found(findings) => {
            let findings: Vec<_> = findings
                .iter()
                .map(|one| json!({"where": one.place, "what": one.what, "toDo": one.command}))
                .collect();
            let code = one.check.reason().code();
            json!({"check": check, "code": code, "meaning": meaning, "state": "found", "findings": findings})
        }
    }
}

fn case(one: &Checked) -> Case {
    let (found, skipped) = match &one.outcome {
        Outcome::Fine(_) => (Vec::new(), None),
        Outcome::Unseen(why) | Outcome::NotYet(why) => (Vec::new(), Some(why.clone())),
        Outcome::Found(findings) => {
            let code = one.check.reason().code();
            let each = findings.iter();
            let texts = each.map(|one| {
                format!(
                    "{}: {} ({code}; to do: {})",
                    one.place, one.what, one.command
                )
            });
            (texts.collect(), None)
        }
    };
    Case {
        name: one.check.word().to_owned(),
        found,
        skipped,
    }
}

fn summary(all: &[Checked]) -> String {
    let number = |is: fn(&Outcome) -> bool| all.iter().filter(|one| is(&one.outcome)).count();
    let fine = number(|outcome| matches!(outcome, Outcome::Fine(_)));
    let found = number(|outcome| matches!(outcome, Outcome::Found(_)));
    let unseen = number(|outcome| outcome.unseen().is_some());
    let mut text = format!("{} checks: {fine} fine, {found} found something", all.len());
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
