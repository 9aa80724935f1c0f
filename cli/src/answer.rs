//! What a command answers, in each format.

pub(crate) mod exit_status;
pub(crate) mod failure;
#[cfg(test)]
pub(crate) mod golden;
pub(crate) mod text;

use clap::ValueEnum;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use serde_json::Value;

use crate::answer::exit_status::ExitStatus;
use crate::answer::text::plain;

/// The format of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Text for people.
    #[default]
    Text,
    /// One line for each thing, without headings.
    Short,
    /// One JSON document.
    Json,
    /// JUnit's XML, for CI systems.
    Junit,
    /// Markdown, for a pull request; only `replay`.
    Markdown,
}

/// One test case of JUnit's format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    /// Its name.
    pub name: String,
    /// What was found, one text for each; nothing if it passed.
    pub found: Vec<String>,
    /// Why it was not tried.
    pub skipped: Option<String>,
}

/// What a command answers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    /// For people.
    pub text: String,
    /// One line for each thing.
    pub short: String,
    /// For programs.
    pub json: Value,
    /// For CI systems.
    pub cases: Vec<Case>,
    /// How the command ends.
    pub status: ExitStatus,
}

impl Answer {
    /// An answer that has only text: in every format it is the same.
    pub(crate) fn text(text: String, status: ExitStatus) -> Self {
        Self {
            short: text.clone(),
            json: Value::String(text.clone()),
            cases: Vec::new(),
            text,
            status,
        }
    }

    /// Its test cases. A suite without any would count as success, whatever was found: then the command is the only one.
    fn cases(&self, command: &str) -> Vec<Case> {
        if !self.cases.is_empty() {
            return self.cases.clone();
        }
        let all = || self.text.trim_end().to_owned();
        vec![Case {
            name: command.to_owned(),
            found: match self.status {
                ExitStatus::Found | ExitStatus::Usage => vec![all()],
                _ => Vec::new(),
            },
            skipped: (self.status >= ExitStatus::Incomplete).then(all),
        }]
    }

    /// The answer in a format, ending with a line break.
    #[must_use]
    pub(crate) fn print(&self, output: Output, command: &str) -> String {
        let text = match output {
            // Which of the two it is was decided when it was written.
            Output::Text | Output::Markdown => self.text.clone(),
            Output::Short => self.short.clone(),
            // It has strings, numbers and lists only, so serialization cannot fail.
            Output::Json => serde_json::to_string_pretty(&self.json).unwrap_or_default(),
            Output::Junit => junit(command, &self.cases(command)),
        };
        let end = if text.is_empty() || text.ends_with('\n') {
            ""
        } else {
            "\n"
        };
        text + end
    }
}

fn junit(command: &str, cases: &[Case]) -> String {
    let name = format!("kubectl namesake {command}");
    let mut suite = TestSuite::new(name.clone());
    suite.add_test_cases(cases.iter().map(|case| {
        let status = match (&case.skipped, case.found.as_slice()) {
            (Some(why), _) => {
                let mut status = TestCaseStatus::skipped();
                status.set_message(plain(why));
                status
            }
            (None, []) => TestCaseStatus::success(),
            (None, [first, ..]) => {
                let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                let all: Vec<_> = case.found.iter().map(|text| plain(text)).collect();
                status.set_message(plain(first));
                status.set_description(all.join("\n"));
                status
            }
        };
        TestCase::new(case.name.clone(), status)
    }));
    let mut report = Report::new(name);
    report.add_test_suite(suite);
    report.to_string().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_case_is_in_the_xml_with_what_was_found_or_why_it_was_skipped() {
        let case = |name: &str, found: &[&str], skipped: Option<&str>| Case {
            name: name.to_owned(),
            found: found.iter().map(|&text| text.to_owned()).collect(),
            skipped: skipped.map(str::to_owned),
        };
        let cases = [
            case("leader", &[], None),
            case("policies", &["a <b> is missing\u{1}", "c"], None),
            case("quota", &[], Some("not allowed")),
        ];
        let xml = junit("doctor", &cases);
        for part in [
            "name=\"kubectl namesake doctor\" tests=\"3\" skipped=\"1\" errors=\"0\" failures=\"1\"",
            "<testcase name=\"leader\"/>",
            "a &lt;b&gt; is missing\\u{1}",
            "<skipped message=\"not allowed\"/>",
        ] {
            assert!(xml.contains(part), "{part}\n{xml}");
        }
    }

    #[test]
    fn no_suite_is_empty_and_a_command_that_found_something_has_a_failure() {
        let xml =
            |status| Answer::text("2 are left\n".to_owned(), status).print(Output::Junit, "gc");
        for (status, part) in [
            (
                ExitStatus::Fine,
                "tests=\"1\" skipped=\"0\" errors=\"0\" failures=\"0\"",
            ),
            (ExitStatus::Found, "<failure message=\"2 are left\""),
            (ExitStatus::Incomplete, "<skipped message=\"2 are left\""),
        ] {
            assert!(xml(status).contains(part), "{part}\n{}", xml(status));
        }
    }
}
