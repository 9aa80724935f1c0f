//! `lint`: the problems in files of rules, and the tests that they have about themselves and fail, each marked in its line. Needs no
//! cluster.

use std::io::BufRead;
use std::ops::Range;
use std::path::PathBuf;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use clap::Args as Flags;
use namesake_core::{Problem, Rules};
use namesake_service::{RulesRejection, parse_and_test_rules};
use serde_json::json;

use crate::answer::exit_status::ExitStatus;
use crate::answer::failure::Failure;
use crate::answer::text::{count, plain};
use crate::answer::{Answer, Case};
use crate::commands::rules::files::{File, read};

/// Options of `lint`.
#[derive(Clone, Debug, Flags)]
pub struct Lint {
    /// Files of the ConfigMap of rules, which are read together; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

pub(crate) fn run(options: &Lint, input: &mut dyn BufRead) -> Result<Answer, Failure> {
    Ok(answer(&read(&options.files, input)?))
}

fn answer(files: &[File]) -> Answer {
    let files_of_rules = files.iter().cloned().collect();
    let rejection = match parse_and_test_rules(&files_of_rules) {
        Ok(rules) => return fine(files, &rules),
        Err(rejection) => rejection,
    };
    let problems = rejection.problems();
    let end = match &rejection {
        RulesRejection::Invalid(_) => count(problems.len(), "problem", "problems"),
        RulesRejection::FailedTests { tests, .. } => {
            format!(
                "{} of {} failed",
                problems.len(),
                count(*tests, "test", "tests")
            )
        }
    };
    let snippets: Vec<_> = problems
        .iter()
        .map(|problem| snippet(problem, files))
        .collect();
    let json: Vec<_> = problems
        .iter()
        .map(|p| json!({"file": p.file, "line": p.line, "column": p.column, "key": p.key, "what": p.what, "toDo": p.remedy}))
        .collect();
    Answer {
        text: format!("{}\n\n{end}\n", snippets.join("\n\n")),
        short: problems
            .iter()
            .map(|problem| plain(&problem.to_string()) + "\n")
            .collect(),
        json: json!({"problems": json}),
        cases: files.iter().map(|(file, _)| case(file, problems)).collect(),
        status: ExitStatus::Found,
    }
}

fn fine(files: &[File], rules: &Rules) -> Answer {
    let (stack, revision) = (rules.stack(), rules.revision());
    let tests = rules.count_tests();
    let passed = count(tests, "test", "tests");
    let text = format!("valid: stack {stack}, revision {revision}, {passed} passed\n");
    Answer {
        short: text.clone(),
        text,
        json: json!({"stack": stack, "revision": revision, "tests": tests, "problems": []}),
        cases: files.iter().map(|(file, _)| case(file, &[])).collect(),
        status: ExitStatus::Fine,
    }
}

fn case(file: &str, problems: &[Problem]) -> Case {
    let in_it = problems.iter().filter(|problem| problem.file == file);
    Case {
        name: file.to_owned(),
        found: in_it.map(ToString::to_string).collect(),
        skipped: None,
    }
}

/// A problem with the line that it is in, as rustc shows errors.
fn snippet(problem: &Problem, files: &[File]) -> String {
    let text = files.iter().find(|(file, _)| *file == problem.file);
    let text = text.map(|(_, text)| text.as_str()).unwrap_or_default();
    let title = match problem.key.as_str() {
        "" => plain(&problem.what),
        key => format!("{}: {}", plain(key), plain(&problem.what)),
    };
    let remedy = plain(&problem.remedy);
    let place = AnnotationKind::Primary.span(place(problem, text));
    let source = Snippet::source(text)
        .path(problem.file.as_str())
        .annotation(place);
    let error = Level::ERROR.primary_title(title.as_str()).element(source);
    let report = [error.element(Level::HELP.message(remedy.as_str()))];
    Renderer::plain().render(&report)
}

/// The bytes from the place of a problem to the end of its line, without a comment.
fn place(problem: &Problem, text: &str) -> Range<usize> {
    let at = |number: u64| {
        usize::try_from(number)
            .unwrap_or(usize::MAX)
            .saturating_sub(1)
    };
    let mut start = 0;
    let mut lines = text.split_inclusive('\n');
    for line in lines.by_ref().take(at(problem.line)) {
        start += line.len();
    }
    let line = lines.next().unwrap_or_default();
    let line = line.split(" #").next().unwrap_or_default().trim_end();
    let column = line
        .char_indices()
        .nth(at(problem.column))
        .map_or(line.len(), |(byte, _)| byte);
    start + column..start + line.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::golden;

    const INVALID: &str = "apiVersion: namesake.dev/v1alpha1
kind: MappingRules
stack: prod
cluster: projects/acme/locations/us-central1/clusters/ml
users:
- {requester: \"*@acme.com\"}   # everybody
identities:
- name: research
  for: {users: [\"*@acme.com\"]}
  per: [user]
  project: acme-identities
rules:
- {name: everyone, match: {user: \"*@acme.com\"}, identity: reserch}
noMatch: keep
offboard: [bob@acme.com]
";

    fn file(text: &str) -> Vec<File> {
        vec![("rules.yaml".to_owned(), text.to_owned())]
    }

    #[test]
    fn every_problem_is_shown_in_its_line_with_what_to_do() {
        let found = answer(&file(INVALID));
        assert_eq!(found.status, ExitStatus::Found);
        assert_eq!(found.short.lines().count(), 2, "{}", found.short);
        assert_eq!(found.cases[0].found.len(), 2);
        golden::check_as("lint", "lint rules.yaml", &found);
    }

    #[test]
    fn valid_rules_have_a_revision_and_what_is_not_yaml_is_a_problem() {
        let valid = INVALID
            .replace("reserch", "research")
            .replace("offboard:", "offboarded:");
        let fine = answer(&file(&valid));
        assert!(
            fine.text.starts_with("valid: stack prod, revision "),
            "{}",
            fine.text
        );
        for text in ["", "\u{0}", ": :\n- [", "ü: {", "a\n\u{1b}[2J: b\n"] {
            let found = answer(&file(text));
            assert_eq!(found.status, ExitStatus::Found, "{text:?}");
            assert!(!found.text.contains('\u{1b}'), "{}", found.text);
        }
    }

    #[test]
    fn a_test_of_the_rules_that_fails_is_shown_in_its_line_with_what_the_pod_gets_instead() {
        let valid = INVALID
            .replace("reserch", "research")
            .replace("offboard: [bob@acme.com]\n", "");
        let tests = |of_bob: &str| {
            format!(
                "{valid}tests:\n- {{as: alice@acme.com, in: research, expect: {{identity: research}}}}\n\
                 - {{as: bob@acme.com, in: research, expect: {of_bob}}}\n"
            )
        };
        let failed = answer(&file(&tests("keep")));
        assert_eq!(failed.status, ExitStatus::Found);
        golden::check_as("lint-tests", "lint rules.yaml", &failed);
        let passed = answer(&file(&tests("{identity: research}")));
        assert_eq!(passed.status, ExitStatus::Fine);
        assert!(passed.text.ends_with("2 tests passed\n"), "{}", passed.text);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_a_usage_error() {
        let options = Lint {
            files: vec![PathBuf::from("/nonexistent/rules.yaml")],
        };
        let failure = run(&options, &mut std::io::empty()).unwrap_err();
        assert_eq!(failure.status(), ExitStatus::Usage);
    }
}
