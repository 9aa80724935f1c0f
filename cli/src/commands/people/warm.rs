//! `warm`: identities exist before the first run, so that nobody waits for Google. Creates nothing without `--yes`.
//!
//! Only the webhook may ask the broker for an identity, and it does when a Job is created, also for one that is suspended. So this
//! creates a suspended Job as each person, by impersonation, and deletes it. No pod is created, and the rules decide as always.

mod file;

use std::path::PathBuf;

use clap::Args as Flags;
use k8s_openapi::api::batch::v1::Job;
use kube::api::{DeleteParams, PostParams};
use kube::{Api, ResourceExt};
use namesake_api::{Identity, Phase, names};
use namesake_core::{Rules, Stamp, User};
use serde_json::json;

use crate::answer::exit_status::ExitStatus;
use crate::answer::failure::Failure;
use crate::answer::text::{count, plain, table};
use crate::answer::{Answer, Case};
use crate::cluster::connect::Session;
use crate::cluster::flags::Global;
use crate::cluster::identities::{self, Which};
use crate::cluster::opt_in::why_not_asked;
use crate::cluster::rules_of_stack;
use crate::cluster::suspended_job::suspended_job;
use crate::commands::rules::bare_job::identity_of_bare_job;
use crate::console::Progress;
use file::Person;

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

/// What became of a person, with the name of their identity or the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    /// It works.
    Works(String),
    /// It exists, and does not work yet.
    Waits(String),
    /// A run would create it, or restore it.
    Missing(String),
    /// It was created or restored now, and does not work yet.
    Requested(String),
    /// The namespace, the rules or an admin give them none.
    NoIdentity(String),
    /// Nothing was created.
    Failed(String),
}

pub(crate) async fn run(global: &Global, options: &Warm) -> Result<Answer, Failure> {
    let people = file::read(&options.file)?;
    let session = Session::open(global).await?;
    let namespace = session.namespace.clone();
    let namespace = namespace.ok_or_else(|| {
        Failure::Usage("-n must name the namespace in which they will run".to_owned())
    })?;
    let rules = match rules_of_stack::rules(&session).await {
        // The webhook will decide.
        Err(Failure::Forbidden { .. }) if options.yes => None,
        rules => Some(rules?),
    };
    let (mut not_asked, mut unseen) = (None, None);
    if let Some(rules) = &rules {
        (not_asked, unseen) = why_not_asked(&session, &namespace, rules.stack()).await?;
    }
    let existing = identities::list(&session).await?;
    let mut outcomes = Vec::new();
    let mut progress = Progress::of("people", Some(people.len()));
    for person in &people {
        let planned = match (&not_asked, &rules) {
            (Some(why), _) => Some(Outcome::NoIdentity(why.clone())),
            (None, Some(rules)) => Some(planned(rules, &namespace, person, &existing)),
            (None, None) => None,
        };
        let outcome = match planned {
            Some(outcome) if !options.yes || !matches!(outcome, Outcome::Missing(_)) => outcome,
            expected => {
                let created = create(global, &session, &namespace, person).await;
                let created = created.map(|own| requested(own, expected.as_ref()));
                created.unwrap_or_else(|failure| Outcome::Failed(failure.to_string()))
            }
        };
        progress.add(1);
        outcomes.push((person.name.clone(), outcome));
    }
    Ok(answer(&namespace, &outcomes, unseen.as_deref()))
}

/// What a Job of the person would get.
fn planned(rules: &Rules, namespace: &str, person: &Person, existing: &[Identity]) -> Outcome {
    let who = (person.name.as_str(), person.groups.as_slice());
    match identity_of_bare_job(rules, who, namespace) {
        Ok(choice) => {
            let name = choice.name.to_string();
            let found = existing.iter().find(|one| one.name_any() == name);
            found.and_then(exists).unwrap_or(Outcome::Missing(name))
        }
        Err(why) => Outcome::NoIdentity(why),
    }
}

/// What an identity is for somebody who asks for it; nothing if asking creates or restores it.
fn exists(identity: &Identity) -> Option<Outcome> {
    let name = identity.name_any();
    match identity.phase() {
        Phase::Suspended => Some(Outcome::NoIdentity(format!("{name} is suspended"))),
        phase if !phase.accepts_new_pods() => None,
        _ if identity.is_ready() => Some(Outcome::Works(name)),
        _ => Some(Outcome::Waits(name)),
    }
}

/// Creates a suspended Job as the person, and deletes it. Returns the identities that its user has then, or why it has no user.
async fn create(
    global: &Global,
    session: &Session,
    namespace: &str,
    person: &Person,
) -> Result<Result<Vec<Identity>, String>, Failure> {
    let groups = person
        .groups
        .iter()
        .cloned()
        .chain([AUTHENTICATED.to_owned()]);
    let theirs = Session::client_as(global, &person.name, groups.collect()).await?;
    let jobs: Api<Job> = Api::namespaced(theirs, namespace);
    let what = || format!("create a Job in {namespace} as {}", plain(&person.name));
    let job = jobs
        .create(&PostParams::default(), &suspended_job(JOB_PREFIX))
        .await
        .map_err(Failure::to(what()))?;
    let jobs: Api<Job> = Api::namespaced(session.client.clone(), namespace);
    let name = job.name_any();
    let deleted = jobs.delete(&name, &DeleteParams::background()).await;
    deleted.map_err(Failure::to(format!("delete Job {namespace}/{name}")))?;
    let user = match stamped(&job) {
        Ok(user) => user,
        Err(why) => return Ok(Err(why)),
    };
    let own = identities::select(session, Which::OfUser(user.as_str())).await;
    own.map(Ok)
}

/// The user in the stamp of a Job that was just created, or why it has none.
fn stamped(job: &Job) -> Result<User, String> {
    let stamp = job.annotations().get(names::STAMP_ANNOTATION);
    let stamp = stamp.and_then(|text| Stamp::unverified(text));
    let stamp = stamp.ok_or(
        "the webhook did not stamp the Job: the namespace is not opted in, or is switched off",
    )?;
    stamp
        .user
        .ok_or_else(|| "the rules do not know them as a user".to_owned())
}

/// What a Job brought its user, who has these identities now. The broker creates an identity before the Job is admitted.
fn requested(own: Result<Vec<Identity>, String>, expected: Option<&Outcome>) -> Outcome {
    let own = match own {
        Ok(own) => own,
        Err(why) => return Outcome::NoIdentity(why),
    };
    let is_expected = |one: &&Identity| match expected {
        Some(Outcome::Missing(name)) => *name == one.name_any(),
        _ => true,
    };
    let active = own.iter().filter(|one| one.phase().accepts_new_pods());
    let newest = active
        .filter(is_expected)
        .max_by_key(|one| one.creation_timestamp().map(|time| time.0));
    match newest {
        Some(identity) if identity.is_ready() => Outcome::Works(identity.name_any()),
        Some(identity) => Outcome::Requested(identity.name_any()),
        None => Outcome::NoIdentity("the Job was created, and no identity: the namespace may be in shadow mode, or no rule gives this user an \
             identity".to_owned()),
    }
}

fn answer(namespace: &str, outcomes: &[(String, Outcome)], unseen: Option<&str>) -> Answer {
    let words = |outcome: &Outcome| match outcome {
        Outcome::Works(name) => [name.clone(), "works".to_owned()],
        Outcome::Waits(name) => [name.clone(), "does not work yet".to_owned()],
        Outcome::Missing(name) => [name.clone(), "would be created".to_owned()],
        Outcome::Requested(name) => [name.clone(), "created now, does not work yet".to_owned()],
        Outcome::NoIdentity(why) => ["none".to_owned(), why.clone()],
        Outcome::Failed(why) => ["unknown".to_owned(), why.clone()],
    };
    let rows: Vec<_> = outcomes
        .iter()
        .map(|(user, outcome)| {
            let [name, state] = words(outcome);
            [user.clone(), name, state]
        })
        .collect();
    let number =
        |is: fn(&Outcome) -> bool| outcomes.iter().filter(|(_, outcome)| is(outcome)).count();
    let missing = number(|outcome| matches!(outcome, Outcome::Missing(_)));
    let created = number(|outcome| matches!(outcome, Outcome::Requested(_)));
    let without = number(|outcome| matches!(outcome, Outcome::NoIdentity(_)));
    let failed = number(|outcome| matches!(outcome, Outcome::Failed(_)));
    let mut text = table(["REQUESTER", "IDENTITY", "STATE"], &rows);
    if missing > 0 {
        text += &format!(
            "\nNothing is created yet. --yes creates a suspended Job in {namespace} for each who would get one ({}), as that person by \
             impersonation, and deletes it.\n",
            count(missing, "person", "people")
        );
    }
    if created > 0 {
        text += &format!(
            "\nGoogle takes 2 to 7 minutes. What does not work yet: kubectl namesake list --not-ready -n {namespace}\n"
        );
    }
    text += &unseen.map_or_else(String::new, |what| format!("\nNOT SEEN {what}\n"));
    let cases = outcomes.iter().map(|(user, outcome)| Case {
        name: user.clone(),
        found: match outcome {
            Outcome::NoIdentity(why) | Outcome::Failed(why) => vec![why.clone()],
            _ => Vec::new(),
        },
        skipped: None,
    });
    let json: Vec<_> = rows
        .iter()
        .map(|[requester, name, state]| json!({"requester": requester, "identity": name, "state": state}))
        .collect();
    Answer {
        text,
        short: rows
            .iter()
            .map(|[user, name, state]| plain(&format!("{user}: {name}: {state}")) + "\n")
            .collect(),
        json: json.into(),
        cases: cases.collect(),
        status: ExitStatus::of(without > 0, failed == 0 && unseen.is_none()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::golden;
    use crate::cluster::identities::tests::identity;

    #[test]
    fn the_plan_creates_nothing_and_says_what_would_be_created() {
        let outcome = |user: &str, outcome| (user.to_owned(), outcome);
        let name = |user: &str| format!("mf-{user}-aaaaaaaaaaaaaa");
        let plan = [
            outcome("alice@acme.com", Outcome::Works(name("alice"))),
            outcome("bob@acme.com", Outcome::Missing(name("bob"))),
            outcome(
                "carl@contractor.example",
                Outcome::NoIdentity("DeniedByRule: Rule contractors refuses pods here".to_owned()),
            ),
        ];
        let all = answer("research", &plan, None);
        assert_eq!(all.status, ExitStatus::Found);
        golden::check_as("warm", "warm -f people.csv -n research", &all);
        assert_eq!(
            answer("research", &plan[..2], None).status,
            ExitStatus::Fine
        );
        let unseen = answer("research", &plan, Some("whether the namespace is opted in"));
        assert_eq!(unseen.status, ExitStatus::Incomplete);
        let why = Outcome::Failed("not allowed".to_owned());
        let failed = answer("research", &[outcome("bob@acme.com", why)], None);
        assert_eq!(failed.status, ExitStatus::Incomplete);
    }

    #[test]
    fn who_has_an_identity_that_is_gone_or_suspended_does_not_have_a_working_one() {
        let of = |phase: &str, ready: &str| exists(&identity("bob", phase, ready, "Ready"));
        let name = "mf-bob-aaaaaaaaaaaaaa".to_owned();
        assert_eq!(of("InUse", "True"), Some(Outcome::Works(name.clone())));
        assert_eq!(of("Verifying", "False"), Some(Outcome::Waits(name.clone())));
        assert!(matches!(
            of("Suspended", "False"),
            Some(Outcome::NoIdentity(_))
        ));
        assert_eq!(of("Gone", "False"), None);
        let bob = || Ok(vec![identity("bob", "Verifying", "False", "Propagating")]);
        let missing = |name: &str| Outcome::Missing(name.to_owned());
        let made = Outcome::Requested(name.clone());
        assert_eq!(requested(bob(), Some(&missing(&name))), made);
        assert_eq!(requested(bob(), None), made);
        let gone = identity("bob", "Gone", "False", "Offboarded");
        for (own, expected) in [
            (bob(), Some(missing("mf-other-aaaaaaaaaaaaaa"))),
            (Ok(vec![gone]), None),
            (Err("no stamp".to_owned()), None),
        ] {
            let none = requested(own, expected.as_ref());
            assert!(matches!(none, Outcome::NoIdentity(_)), "{none:?}");
        }
    }

    #[test]
    fn a_job_that_the_webhook_did_not_stamp_requested_nothing() {
        assert!(
            stamped(&suspended_job(JOB_PREFIX))
                .unwrap_err()
                .contains("not opted in")
        );
    }
}
