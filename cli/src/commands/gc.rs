//! `gc --dry-run`: what is left over and nobody removes, each with the reason and the command that removes it. It only lists.

use std::collections::BTreeSet;

use clap::Args as Flags;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, ServiceAccount};
use kube::api::{ListParams, PartialObjectMeta};
use kube::{Api, ResourceExt};
use namesake_api::{Identity, Mark, Phase, names};
use namesake_core::Rules;
use serde_json::json;

use crate::answer::exit_status::ExitStatus;
use crate::answer::failure::Failure;
use crate::answer::text::{count, plain, quoted};
use crate::answer::{Answer, Case};
use crate::cluster::connect::Session;
use crate::cluster::{identities, rules_of_stack};
use crate::commands::warm::JOB_PREFIX;

/// How many objects the API server sends at once.
const PAGE: u32 = 500;
/// Younger objects may belong to something that is not finished.
const AGE: SignedDuration = SignedDuration::from_mins(10);

/// Options of `gc`.
#[derive(Clone, Debug, Default, Flags)]
pub struct Gc {
    /// Only list; there is no other mode
    #[arg(long)]
    pub dry_run: bool,
}

/// Something that is left over.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Leftover {
    place: String,
    why: String,
    command: String,
}

/// What is looked at. Metadata of service accounts and Jobs is enough.
#[derive(Default)]
struct Found {
    home: String,
    accounts: Vec<PartialObjectMeta<ServiceAccount>>,
    identities: Vec<Identity>,
    jobs: Vec<PartialObjectMeta<Job>>,
    /// The report that has an annotation of each replica of the webhook.
    report: Option<ConfigMap>,
    webhooks: Vec<String>,
    unseen: Vec<String>,
}

pub(crate) async fn run(session: &Session, options: &Gc) -> Result<Answer, Failure> {
    if !options.dry_run {
        let only =
            "gc only lists what is left over, with the command that removes each: gc --dry-run";
        return Err(Failure::Usage(only.to_owned()));
    }
    let rules = rules_of_stack::rules(session).await?;
    let found = read(session).await?;
    Ok(answer(
        &leftovers(&rules, &found, Timestamp::now()),
        &found.unseen,
    ))
}

async fn read(session: &Session) -> Result<Found, Failure> {
    let mut found = Found {
        home: session.home.clone(),
        ..Found::default()
    };
    let ours = format!("{}={}", names::MANAGED_BY, names::MANAGED_BY_VALUE);
    let ours = ListParams::default().labels(&ours);
    let accounts = list(session.objects(), ours, "list service accounts").await;
    found.accounts = found.seen(accounts)?.unwrap_or_default();
    // Without the Identities every account would seem to have none.
    match identities::list(session).await {
        Ok(all) => found.identities = all,
        Err(failure) => {
            found.seen::<()>(Err(failure))?;
            found.accounts.clear();
        }
    }
    let jobs = list(session.objects(), ListParams::default(), "list Jobs").await;
    found.jobs = found.seen(jobs)?.unwrap_or_default();
    let webhook = format!("app.kubernetes.io/name={}", names::WEBHOOK_SERVICE_ACCOUNT);
    let webhook = ListParams::default().labels(&webhook);
    let pods = list::<Pod>(session.at_home(), webhook, "list the pods of the webhook").await;
    if let Some(pods) = found.seen(pods)? {
        found.webhooks = pods.iter().map(ResourceExt::name_any).collect();
        let name = names::UNPROVEN_CONFIG_MAP;
        let map = session.at_home::<ConfigMap>().get_opt(name).await;
        let map = map.map_err(Failure::to(format!(
            "read ConfigMap {}/{name}",
            session.home
        )));
        found.report = found.seen(map)?.flatten();
    }
    Ok(found)
}

impl Found {
    /// What was read; a missing right is recorded.
    fn seen<T>(&mut self, read: Result<T, Failure>) -> Result<Option<T>, Failure> {
        match read {
            Ok(read) => Ok(Some(read)),
            Err(failure @ Failure::Forbidden { .. }) => {
                self.unseen.push(failure.to_string());
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }
}

/// The metadata of objects, page by page.
async fn list<K>(
    api: Api<K>,
    params: ListParams,
    what: &str,
) -> Result<Vec<PartialObjectMeta<K>>, Failure>
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let (mut found, mut params) = (Vec::new(), params.limit(PAGE));
    loop {
        let page = api
            .list_metadata(&params)
            .await
            .map_err(Failure::to(what))?;
        found.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(found),
        }
    }
}

fn leftovers(rules: &Rules, found: &Found, now: Timestamp) -> Vec<Leftover> {
    let mut all = accounts(rules, found, now);
    let ours = found.identities.iter();
    let ours = ours.filter(|one| one.spec.stack == rules.stack());
    all.extend(
        ours.flat_map(|one| [at_google(one), reserved(rules, one)])
            .flatten(),
    );
    all.extend(jobs(found, now));
    all.extend(replicas(found));
    all
}

fn place(namespace: Option<String>, name: &str) -> (String, String) {
    let namespace = namespace.unwrap_or_default();
    (
        format!("{namespace}/{name}"),
        format!("kubectl -n {}", quoted(&namespace)),
    )
}

fn is_old(created: Option<Timestamp>, now: Timestamp) -> bool {
    created.is_some_and(|created| created + AGE < now)
}

fn created<K>(object: &PartialObjectMeta<K>) -> Option<Timestamp> {
    object
        .metadata
        .creation_timestamp
        .as_ref()
        .map(|time| time.0)
}

/// Service accounts with the mark of this stack and cluster that belong to no Identity.
fn accounts(rules: &Rules, found: &Found, now: Timestamp) -> Vec<Leftover> {
    let known: BTreeSet<_> = found
        .identities
        .iter()
        .map(|one| (one.namespace(), one.name_any()))
        .collect();
    let is_left = |account: &&PartialObjectMeta<ServiceAccount>| {
        let mark = account.annotations().get(names::MARK_ANNOTATION);
        let mark = mark.and_then(|mark| mark.parse::<Mark>().ok());
        let is_ours = mark
            .is_some_and(|mark| mark.stack() == rules.stack() && mark.cluster() == rules.cluster());
        is_ours
            && is_old(created(account), now)
            && !known.contains(&(account.namespace(), account.name_any()))
    };
    let left = found.accounts.iter().filter(is_left);
    let left = left.map(|account| Leftover {
        place: format!("ServiceAccount {}", place(account.namespace(), &account.name_any()).0),
        why: "it belongs to no Identity; the broker deletes it, with what it was granted, if it may collect garbage".to_owned(),
        command: format!(
            "kubectl -n {} set env deployment/{} {}=true",
            found.home,
            names::BROKER_SERVICE_ACCOUNT,
            names::ENV_COLLECT
        ),
    });
    left.collect()
}

/// What the broker has written at Google for an identity, and could not remove.
fn at_google(identity: &Identity) -> Option<Leftover> {
    let (spec, status) = (&identity.spec, identity.status.as_ref()?);
    let is_gone = identity.phase() == Phase::Gone;
    let is_other =
        |account: &String| is_gone || Some(account) != spec.google_service_account.as_ref();
    let bindings = status
        .bindings
        .iter()
        .map(|one| &one.google_service_account);
    let bindings = bindings.filter(|account| is_other(account));
    let bindings = bindings.map(|account| format!("a binding on {account}"));
    let is_dropped =
        |one: &&namesake_api::WrittenGrant| is_gone || !spec.grants.contains(&one.grant);
    let grants = status.grants.iter().filter(is_dropped);
    let grants = grants.map(|one| format!("grant {} of {}", one.grant.role, one.member));
    let left: Vec<_> = bindings.chain(grants).collect();
    let (place, kubectl) = place(identity.namespace(), &identity.name_any());
    (!left.is_empty()).then(|| Leftover {
        place: format!("Identity {place}"),
        why: format!("Google still has {}", left.join(", ")),
        command: format!(
            "{kubectl} describe identity {name}; then {kubectl} annotate identity {name} {}=\"$(date)\" --overwrite",
            names::RETRY_ANNOTATION,
            name = identity.name_any()
        ),
    })
}

/// The Identity of an offboarded user keeps the name reserved, which nobody can get if the rules have no such class.
fn reserved(rules: &Rules, identity: &Identity) -> Option<Leftover> {
    let is_needless =
        identity.phase() == Phase::Gone && rules.lifecycle(&identity.spec.class).is_none();
    let (place, kubectl) = place(identity.namespace(), &identity.name_any());
    is_needless.then(|| Leftover {
        place: format!("Identity {place}"),
        why: format!(
            "it keeps the name of {} reserved, who is offboarded, and the rules have no class {} any more",
            identity.spec.user, identity.spec.class
        ),
        command: format!("{kubectl} delete identity {}", identity.name_any()),
    })
}

/// Jobs of `warm` that it did not delete.
fn jobs(found: &Found, now: Timestamp) -> Vec<Leftover> {
    let is_left = |job: &&PartialObjectMeta<Job>| {
        job.name_any().starts_with(JOB_PREFIX) && is_old(created(job), now)
    };
    let left = found.jobs.iter().filter(is_left).map(|job| {
        let (place, kubectl) = place(job.namespace(), &job.name_any());
        Leftover {
            place: format!("Job {place}"),
            why: "kubectl namesake warm created it, suspended, and did not delete it".to_owned(),
            command: format!("{kubectl} delete job {}", job.name_any()),
        }
    });
    left.collect()
}

/// Annotations of webhooks that are gone.
fn replicas(found: &Found) -> Vec<Leftover> {
    let Some(report) = &found.report else {
        return Vec::new();
    };
    let present: BTreeSet<_> = found
        .webhooks
        .iter()
        .map(|pod| names::replica_annotation(pod))
        .collect();
    let prefix = names::replica_annotation("");
    let keys = report.annotations().keys();
    let keys = keys.filter(|key| key.starts_with(&prefix) && !present.contains(*key));
    let left = keys.map(|key| Leftover {
        place: format!("ConfigMap {}/{}", found.home, names::UNPROVEN_CONFIG_MAP),
        why: format!("annotation {key} is of a replica of the webhook that is gone"),
        command: format!(
            "kubectl -n {} annotate configmap {} {key}-",
            found.home,
            names::UNPROVEN_CONFIG_MAP
        ),
    });
    left.collect()
}

fn answer(all: &[Leftover], unseen: &[String]) -> Answer {
    let mut text = String::new();
    for Leftover {
        place,
        why,
        command,
    } in all
    {
        text += &format!(
            "{}\n  why:   {}\n  to do: {}\n",
            plain(place),
            plain(why),
            plain(command)
        );
    }
    for what in unseen {
        text += &format!("not seen: {}\n", plain(what));
    }
    text += match all {
        [] => "Nothing is left over",
        _ => "\nNothing is deleted",
    };
    text += &format!(": {}.\n", count(all.len(), "leftover", "leftovers"));
    let short = all.iter().map(|one| plain(&one.command) + "\n");
    let cases = all.iter().map(|one| Case {
        name: one.place.clone(),
        found: vec![format!("{}; {}", one.why, one.command)],
        skipped: None,
    });
    let skipped = unseen.iter().map(|why| Case {
        name: "seen".to_owned(),
        found: Vec::new(),
        skipped: Some(why.clone()),
    });
    let json: Vec<_> = all
        .iter()
        .map(|one| json!({"place": one.place, "why": one.why, "toDo": one.command}))
        .collect();
    Answer {
        text,
        short: short.collect(),
        json: json!({"leftovers": json, "notSeen": unseen}),
        cases: cases.chain(skipped).collect(),
        status: ExitStatus::of(!all.is_empty(), unseen.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::golden;
    use crate::cluster::identities::tests::{NOW, identity};

    const RULES: &str = include_str!("../../../webhook/testdata/rules.yaml");

    fn metadata<K>(
        namespace: &str,
        name: &str,
        annotations: &[(&str, &str)],
    ) -> PartialObjectMeta<K> {
        let annotations: std::collections::BTreeMap<_, _> = annotations.iter().copied().collect();
        serde_json::from_value(json!({"metadata": {
            "namespace": namespace, "name": name, "annotations": annotations, "creationTimestamp": "2026-11-29T11:00:00Z",
        }}))
        .unwrap()
    }

    fn found() -> Found {
        let mark = |name: &str| {
            format!(
                "namesake stack=prod cluster=projects/acme/locations/us-central1/clusters/ml ksa=research/{name}"
            )
        };
        let account =
            |name: &str| metadata("research", name, &[(names::MARK_ANNOTATION, &mark(name))]);
        let mut old = identity("bob", "Gone", "False", "Offboarded");
        old.spec.class = "interns".to_owned();
        let mut moved = identity("carol", "InUse", "True", "Ready");
        moved.status.as_mut().unwrap().bindings = serde_json::from_value(
            json!([{"googleServiceAccount": "carol-ml@acme.iam.gserviceaccount.com", "member": "m"}]),
        )
        .unwrap();
        let mut report = ConfigMap::default();
        for pod in ["namesake-webhook-7d9f-k2x4q", "namesake-webhook-7d9f-zzzzz"] {
            report
                .annotations_mut()
                .insert(names::replica_annotation(pod), "52ed97ef1410".to_owned());
        }
        Found {
            home: "namesake-system".to_owned(),
            accounts: vec![
                account("mf-alice-aaaaaaaaaaaaaa"),
                account("mf-dora-aaaaaaaaaaaaaa"),
            ],
            identities: vec![identity("alice", "InUse", "True", "Ready"), old, moved],
            jobs: vec![
                metadata("research", "namesake-warm-x7k2p", &[]),
                metadata("research", "nightly", &[]),
            ],
            report: Some(report),
            webhooks: vec!["namesake-webhook-7d9f-k2x4q".to_owned()],
            unseen: Vec::new(),
        }
    }

    fn left(found: &Found) -> Vec<Leftover> {
        let files = [("rules.yaml".to_owned(), RULES.to_owned())].into();
        let rules = namesake_service::parse_rules(&files).unwrap();
        leftovers(&rules, found, NOW.parse().unwrap())
    }

    #[test]
    fn each_leftover_has_its_reason_and_the_command_that_removes_it() {
        let left = left(&found());
        assert_eq!(left.len(), 5, "{left:#?}");
        golden::check_as("gc", "gc --dry-run", &answer(&left, &[]));
    }

    #[test]
    fn what_belongs_to_somebody_or_is_young_or_not_seen_is_not_left_over() {
        let mut found = found();
        found.accounts.truncate(1);
        found.identities.truncate(1);
        found.jobs.truncate(1);
        found.jobs[0].metadata.creation_timestamp = None;
        found
            .webhooks
            .push("namesake-webhook-7d9f-zzzzz".to_owned());
        assert_eq!(left(&found), []);
        let fine = answer(&[], &[]);
        assert_eq!(fine.status, ExitStatus::Fine);
        let half = answer(&[], &["not allowed to list Jobs".to_owned()]);
        assert_eq!(half.status, ExitStatus::Incomplete);
    }

    #[test]
    fn an_account_of_another_stack_or_cluster_is_not_ours() {
        let mut other = found();
        let mark = "namesake stack=dev cluster=projects/acme/locations/us-central1/clusters/ml ksa=research/mf-dora-aaaaaaaaaaaaaa";
        let annotations = other.accounts[1].annotations_mut();
        annotations.insert(names::MARK_ANNOTATION.to_owned(), mark.to_owned());
        assert!(
            !left(&other)
                .iter()
                .any(|one| one.place.starts_with("ServiceAccount"))
        );
    }
}
