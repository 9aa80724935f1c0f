//! `warm`: identities exist before the first run, so that nobody waits for Google. Creates nothing without `--yes`.
//!
//! Only the webhook may ask the broker for an identity, and it does when a Job is created, also for one that is suspended. So this
//! creates a suspended Job as each person, by impersonation, and deletes it. No pod is created, and the rules decide as always.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args as Flags;
use k8s_openapi::api::batch::v1::Job;
use kube::api::{DeleteParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use crate::answer::exit_status::ExitStatus;
use crate::answer::failure::Failure;
use crate::answer::text::{count, plain, table};
use crate::answer::{Answer, Case};
use crate::cluster::connect::Session;
use crate::cluster::flags::Global;
use crate::cluster::identities;
use crate::console::{Console, say};

/// Between the groups in a line of the file.
const GROUP_SEPARATOR: char = ';';
/// Beginning of the names of the Jobs.
pub(crate) const JOB_PREFIX: &str = "namesake-warm-";
/// Group of everybody whom the API server knows; impersonation gives only the groups that it names.
const AUTHENTICATED: &str = "system:authenticated";

/// Options of `warm`.
#[derive(Clone, Debug, Flags)]
pub struct Warm {
    /// File with one person in each line: the name by which the API server knows them, then a comma and their groups, separated
    /// by semicolons
    #[arg(long, short = 'f', value_name = "FILE")]
    pub file: PathBuf,
    /// Create the identities; without it, only print who gets one
    #[arg(long)]
    pub yes: bool,
}

/// A line of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Person {
    name: String,
    groups: Vec<String>,
}

/// What became of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Known,
    Missing,
    Created,
    Failed(String),
}

pub(crate) async fn run(
    global: &Global,
    options: &Warm,
    console: &mut Console<'_>,
) -> Result<Answer, Failure> {
    let people = read(&options.file)?;
    let session = Session::open(global).await?;
    let namespace = session.namespace.clone();
    let namespace = namespace.ok_or_else(|| {
        Failure::Usage("-n must name the namespace in which they will run".to_owned())
    })?;
    let known = identities::list(&session).await?;
    let known: BTreeSet<_> = known
        .into_iter()
        .map(|identity| identity.spec.user)
        .collect();
    let mut outcomes = Vec::new();
    for (at, person) in people.iter().enumerate() {
        let outcome = match (known.contains(&person.name), options.yes) {
            (true, _) => Outcome::Known,
            (false, false) => Outcome::Missing,
            (false, true) => {
                say(console.err, &format!("\r{}/{}", at + 1, people.len()));
                match create(global, &session.client, &namespace, person).await {
                    Ok(()) => Outcome::Created,
                    Err(failure) => Outcome::Failed(failure.to_string()),
                }
            }
        };
        outcomes.push((person.name.clone(), outcome));
    }
    if options.yes {
        say(console.err, "\n");
    }
    Ok(answer(&namespace, &outcomes))
}

fn read(file: &Path) -> Result<Vec<Person>, Failure> {
    let text = std::fs::read_to_string(file);
    let unreadable = |error| Failure::Usage(format!("failed to read {}: {error}", file.display()));
    parse(&text.map_err(unreadable)?)
}

/// The people in a file, without its head line, comments and empty lines.
fn parse(text: &str) -> Result<Vec<Person>, Failure> {
    let mut people: Vec<Person> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        let (name, groups) = line.split_once(',').unwrap_or((line, ""));
        let name = name.trim().trim_matches('"');
        let is_head = at == 0 && ["user", "name", "email"].contains(&name.to_lowercase().as_str());
        if name.starts_with('#') || line.is_empty() || is_head {
            continue;
        }
        if name.is_empty()
            || groups.contains(',')
            || people.iter().any(|person| person.name == name)
        {
            let what = "write NAME or NAME,GROUP;GROUP, and each name once";
            return Err(Failure::Usage(format!("line {}: {line:?}: {what}", at + 1)));
        }
        let groups = groups
            .split(GROUP_SEPARATOR)
            .map(|group| group.trim().trim_matches('"'));
        people.push(Person {
            name: name.to_owned(),
            groups: groups
                .filter(|group| !group.is_empty())
                .map(str::to_owned)
                .collect(),
        });
    }
    match people.as_slice() {
        [] => Err(Failure::Usage("the file names nobody".to_owned())),
        _ => Ok(people),
    }
}

/// Creates a suspended Job as the person, and deletes it.
async fn create(
    global: &Global,
    own: &Client,
    namespace: &str,
    person: &Person,
) -> Result<(), Failure> {
    let groups = person
        .groups
        .iter()
        .cloned()
        .chain([AUTHENTICATED.to_owned()]);
    let theirs = Session::client_as(global, &person.name, groups.collect()).await?;
    let jobs: Api<Job> = Api::namespaced(theirs, namespace);
    let what = || format!("create a Job in {namespace} as {}", plain(&person.name));
    let job = jobs
        .create(&PostParams::default(), &suspended())
        .await
        .map_err(Failure::to(what()))?;
    let jobs: Api<Job> = Api::namespaced(own.clone(), namespace);
    let name = job.name_any();
    let deleted = jobs.delete(&name, &DeleteParams::background()).await;
    deleted
        .map(drop)
        .map_err(Failure::to(format!("delete Job {namespace}/{name}")))
}

/// A Job that never creates a pod.
fn suspended() -> Job {
    let container = json!({"name": "main", "image": "none", "command": ["true"]});
    let job = json!({
        "metadata": {"generateName": JOB_PREFIX},
        "spec": {
            "suspend": true,
            "template": {"spec": {"restartPolicy": "Never", "containers": [container]}},
        },
    });
    serde_json::from_value(job).unwrap_or_default()
}

fn answer(namespace: &str, outcomes: &[(String, Outcome)]) -> Answer {
    let words = |outcome: &Outcome| match outcome {
        Outcome::Known => "has an identity".to_owned(),
        Outcome::Missing => "would get one".to_owned(),
        Outcome::Created => "requested".to_owned(),
        Outcome::Failed(why) => why.clone(),
    };
    let rows: Vec<_> = outcomes
        .iter()
        .map(|(user, outcome)| [user.clone(), words(outcome)])
        .collect();
    let number =
        |is: fn(&Outcome) -> bool| outcomes.iter().filter(|(_, outcome)| is(outcome)).count();
    let missing = number(|outcome| *outcome == Outcome::Missing);
    let created = number(|outcome| *outcome == Outcome::Created);
    let failed = number(|outcome| matches!(outcome, Outcome::Failed(_)));
    let mut text = table(["USER", "IDENTITY"], &rows);
    if missing > 0 {
        text += &format!(
            "\nNothing is created yet. --yes creates a suspended Job in {namespace} for each of them ({}), as that person by \
             impersonation, and deletes it.\n",
            count(missing, "person", "people")
        );
    }
    if created > 0 {
        text += &format!(
            "\nGoogle takes 2 to 7 minutes. What does not work yet: kubectl namesake list --not-ready -n {namespace}\n"
        );
    }
    let cases = outcomes.iter().map(|(user, outcome)| Case {
        name: user.clone(),
        found: match outcome {
            Outcome::Failed(why) => vec![why.clone()],
            _ => Vec::new(),
        },
        skipped: None,
    });
    let json: Vec<_> = rows
        .iter()
        .map(|[user, outcome]| json!({"user": user, "identity": outcome}))
        .collect();
    Answer {
        text,
        short: rows
            .iter()
            .map(|[user, outcome]| plain(&format!("{user}: {outcome}")) + "\n")
            .collect(),
        json: json.into(),
        cases: cases.collect(),
        status: ExitStatus::of(false, failed == 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::golden;

    #[test]
    fn each_line_is_a_person_with_groups() {
        let text = "user,groups\nalice@acme.com,ml@acme.com;research@acme.com\n\n# later\n\"bob@acme.com\"\n";
        let people = parse(text).unwrap();
        assert_eq!(people[0].groups, ["ml@acme.com", "research@acme.com"]);
        assert_eq!(
            (
                people[1].name.as_str(),
                people[1].groups.len(),
                people.len()
            ),
            ("bob@acme.com", 0, 2)
        );
    }

    #[test]
    fn a_line_that_is_not_a_person_is_a_usage_error_with_its_number() {
        for (text, part) in [
            ("", "nobody"),
            ("user\n", "nobody"),
            ("a@b.c\na@b.c\n", "line 2"),
            ("a@b.c,x,y\n", "line 1"),
            (",x\n", "line 1"),
        ] {
            let failure = parse(text).unwrap_err();
            assert!(failure.to_string().contains(part), "{failure}");
        }
    }

    #[test]
    fn the_plan_creates_nothing_and_says_what_would_be_created() {
        let outcome = |user: &str, outcome| (user.to_owned(), outcome);
        let plan = answer(
            "research",
            &[
                outcome("alice@acme.com", Outcome::Known),
                outcome("bob@acme.com", Outcome::Missing),
            ],
        );
        assert_eq!(plan.status, ExitStatus::Fine);
        golden::check_as("warm", "warm -f people.csv -n research", &plan);
        let failed = answer(
            "research",
            &[outcome(
                "bob@acme.com",
                Outcome::Failed("not allowed".to_owned()),
            )],
        );
        assert_eq!(failed.status, ExitStatus::Incomplete);
    }

    #[test]
    fn the_job_creates_no_pod() {
        assert_eq!(suspended().spec.and_then(|spec| spec.suspend), Some(true));
    }
}
