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
    let unseen = all
        .iter()
        .any(|one| matches!(one.outcome, Outcome::Unseen(_)));
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

/// What is not as it should be yet, for `--wait`.
pub(super) fn waiting(all: &[Checked]) -> String {
    let open = all
        .iter()
        .filter(|one| matches!(one.outcome, Outcome::Found(_)));
    let words: Vec<_> = open.map(|one| one.check.word()).collect();
    format!("waiting: {}\n", words.join(", "))
}

fn block(one: &Checked) -> String {
    let line = |state: &str, text: &str| {
        format!("{state:<7}{:WIDTH$} {}\n", one.check.word(), plain(text))
    };
    match &one.outcome {
        Outcome::Fine(detail) => line("ok", detail),
        Outcome::Unseen(why) => line("UNSEEN", why),
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
        Outcome::Unseen(why) => format!("unseen {word}: {}\n", plain(why)),
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
        Outcome::Unseen(why) => {
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
        Outcome::Unseen(why) => (Vec::new(), Some(why.clone())),
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
    let unseen = number(|outcome| matches!(outcome, Outcome::Unseen(_)));
    let mut text = format!("{} checks: {fine} fine, {found} found something", all.len());
    if unseen > 0 {
        let _ = write!(
            text,
            ", {unseen} not seen: run it as a user who may read them"
        );
    }
    text
}
