//! The report of the demo. Pure.

use namesake_core::is_managed_name;
use serde::{Deserialize, Serialize};

/// What a task printed about itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Printed {
    pub(super) step: String,
    pub(super) me: String,
    pub(super) mine: String,
    pub(super) theirs: String,
}

/// One task, as the cluster and the task itself saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Task {
    /// Who started the flow.
    pub(super) user: String,
    pub(super) step: String,
    pub(super) pod: String,
    /// The pod's service account.
    pub(super) service_account: String,
    /// The Google service account to which it is linked.
    pub(super) google_service_account: String,
    /// The task's identity according to Google.
    pub(super) tokeninfo_email: String,
    /// `read`, or what happened instead.
    pub(super) own_data: String,
    /// `refused`, or what happened instead.
    pub(super) others_data: String,
    /// The user of its run at the metadata service.
    pub(super) recorded_as: String,
}

/// What the gateway did, and what it should have done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer {
    /// What was sent.
    pub(super) request: String,
    /// What came back.
    pub(super) answer: String,
    /// Whether this is as it should be.
    pub(super) as_expected: bool,
}

/// `target/demo/report.json`.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) tasks: Vec<Task>,
    pub(super) gateway: Vec<Answer>,
    pub(super) ok: bool,
    /// What was not as expected.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) problems: Vec<String>,
}

/// What is expected of a person's tasks.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) user: String,
    pub(super) identity: String,
    pub(super) steps: Vec<&'static str>,
}

impl Report {
    /// Checks the tasks, and what the gateway did.
    pub(super) fn new(
        tasks: Vec<Task>,
        gateway: Vec<Answer>,
        expected: &[Expected],
        mut problems: Vec<String>,
    ) -> Self {
        for person in expected {
            for step in &person.steps {
                let found = tasks
                    .iter()
                    .filter(|task| task.user == person.user && task.step == *step)
                    .count();
                if found != 1 {
                    problems.push(format!(
                        "{} has {found} tasks of step {step} instead of 1",
                        person.user
                    ));
                }
            }
            let theirs = tasks.iter().filter(|task| task.user == person.user);
            problems.extend(theirs.flat_map(|task| task.problems(&person.identity)));
        }
        let mut accounts: Vec<&str> = expected
            .iter()
            .map(|person| person.identity.as_str())
            .collect();
        accounts.sort_unstable();
        accounts.dedup();
        if accounts.len() != expected.len() {
            problems.push("two people share an identity".to_owned());
        }
        let wrong = gateway.iter().filter(|answer| !answer.as_expected);
        problems.extend(wrong.map(|it| format!("{}: {}", it.request, it.answer)));
        Self {
            tasks,
            gateway,
            ok: problems.is_empty(),
            problems,
        }
    }

    /// What the gateway did, one line each.
    pub(super) fn answers(&self) -> String {
        let requests = self.gateway.iter().map(|it| it.request.chars().count());
        let width = requests.max().unwrap_or(0);
        let line = |it: &Answer| format!("{:width$}  {}", it.request, it.answer);
        self.gateway.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// The tasks as a table.
    pub(super) fn table(&self) -> String {
        let head = [
            "user",
            "step",
            "pod",
            "Kubernetes account",
            "Google says it is",
            "own data",
            "other's data",
            "run recorded as",
        ];
        let mut rows = vec![head.map(str::to_owned)];
        rows.extend(self.tasks.iter().map(|task| {
            let cells = [
                &task.user,
                &task.step,
                &task.pod,
                &task.service_account,
                &task.tokeninfo_email,
                &task.own_data,
                &task.others_data,
                &task.recorded_as,
            ];
            cells.map(String::clone)
        }));
        let width = |column: usize| {
            rows.iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
        };
        let widths: Vec<usize> = (0..head.len())
            .map(|column| width(column).unwrap_or(0))
            .collect();
        let line = |row: &[String; 8]| {
            let cells: Vec<String> = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            cells.join("  ").trim_end().to_owned()
        };
        let rule: String = widths
            .iter()
            .map(|width| "-".repeat(*width))
            .collect::<Vec<_>>()
            .join("  ");
        let mut lines: Vec<String> = rows.iter().map(line).collect();
        lines.insert(1, rule);
        lines.join("\n")
    }
}

impl Task {
    /// What is wrong with a task that should have this identity.
    fn problems(&self, identity: &str) -> Vec<String> {
        let of = format!("{}, step {}", self.user, self.step);
        let mut problems = Vec::new();
        let mut check = |holds: bool, text: String| {
            if !holds {
                problems.push(format!("{of}: {text}"));
            }
        };
        check(
            is_managed_name(&self.service_account),
            format!("ran as {}", self.service_account),
        );
        check(
            self.service_account == identity,
            format!("ran as {} instead of {identity}", self.service_account),
        );
        let link = self.google_service_account.split('@').next() == Some(identity);
        check(
            link,
            format!("its account is linked to {:?}", self.google_service_account),
        );
        let is_itself = self.tokeninfo_email == self.google_service_account;
        check(
            is_itself,
            format!("Google says it is {:?}", self.tokeninfo_email),
        );
        check(
            self.own_data == "read",
            format!("its own data: {}", self.own_data),
        );
        check(
            self.others_data == "refused",
            format!("the other's data: {}", self.others_data),
        );
        check(
            self.recorded_as == self.user,
            format!("its run is recorded as {:?}", self.recorded_as),
        );
        problems
    }
}

/// The run id and what tasks printed, from the client's output.
pub(super) fn read_output(text: &str) -> (Option<String>, Vec<Printed>) {
    let run = text.lines().find_map(|line| {
        line.split("(run-id ")
            .nth(1)?
            .split(')')
            .next()
            .map(str::to_owned)
    });
    let printed = text
        .lines()
        .filter_map(|line| serde_json::from_str(line.split_once("WHOAMI ")?.1.trim()).ok());
    (run, printed.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: &str = "mf-alice-acme-abcdefghijklmn";

    fn task() -> Task {
        Task {
            user: "alice@acme.com".into(),
            step: "start".into(),
            pod: "t-1".into(),
            service_account: ALICE.into(),
            google_service_account: format!("{ALICE}@acme-identities.iam.gserviceaccount.com"),
            tokeninfo_email: format!("{ALICE}@acme-identities.iam.gserviceaccount.com"),
            own_data: "read".into(),
            others_data: "refused".into(),
            recorded_as: "alice@acme.com".into(),
        }
    }

    fn expected() -> Vec<Expected> {
        vec![Expected {
            user: "alice@acme.com".into(),
            identity: ALICE.into(),
            steps: vec!["start"],
        }]
    }

    #[test]
    fn a_report_is_ok_only_if_everything_is_as_expected() {
        let checked = |tasks, answers, problems| Report::new(tasks, answers, &expected(), problems);
        let answer = |as_expected| Answer {
            request: "without a token".into(),
            answer: "200".into(),
            as_expected,
        };
        let good = checked(vec![task()], vec![answer(true)], Vec::new());
        assert!(good.ok, "{:?}", good.problems);
        let spoil: [fn(&mut Task); 7] = [
            |task| task.service_account = "default".into(),
            |task| task.google_service_account = String::new(),
            |task| task.tokeninfo_email = "bob@x".into(),
            |task| task.own_data = "refused".into(),
            |task| task.others_data = "read: notes".into(),
            |task| task.step = "end".into(),
            |task| task.recorded_as = "bob@acme.com".into(),
        ];
        for (number, spoil) in spoil.iter().enumerate() {
            let mut task = task();
            spoil(&mut task);
            assert!(
                !checked(vec![task], Vec::new(), Vec::new()).ok,
                "case {number}"
            );
        }
        assert!(!checked(Vec::new(), Vec::new(), Vec::new()).ok);
        assert!(!checked(vec![task()], vec![answer(false)], Vec::new()).ok);
        let failed = vec!["the client failed".into()];
        assert!(!checked(vec![task()], Vec::new(), failed).ok);
    }

    #[test]
    fn the_clients_output_is_read() {
        let text = "2026-01-01 Workflow starting (run-id 17), see it\n\
                    2026-01-01 [17/start/1 (pid 3)] [pod t-x] WHOAMI {\"step\": \"start\", \"me\": \"a@b\", \"mine\": \"read: n\", \"theirs\": \"refused\"}\n\
                    WHOAMI not json\n";
        let (run, printed) = read_output(text);
        assert_eq!(run.as_deref(), Some("17"));
        assert_eq!(printed.len(), 1);
        assert_eq!(printed[0].me, "a@b");
        assert_eq!(read_output("nothing"), (None, Vec::new()));
    }

    #[test]
    fn the_table_has_a_line_per_task() {
        let table = Report::new(vec![task()], Vec::new(), &expected(), Vec::new()).table();
        assert_eq!(table.lines().count(), 3, "{table}");
        assert!(table.lines().last().unwrap().contains("refused"));
    }
}
