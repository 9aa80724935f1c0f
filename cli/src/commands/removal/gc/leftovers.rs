//! What of all that exists is left over. Pure.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::ResourceExt;
use kube::api::PartialObjectMeta;
use namesake_api::{Identity, Mark, Phase, names};
use namesake_core::Rules;

use super::{Found, FoundConfigMap};
use crate::answer::text::quoted;
use crate::commands::warm::JOB_PREFIX;

/// Why an account is left over.
const BELONGS_TO_NONE: &str = "it belongs to no Identity; the broker deletes it, with what it was granted, if it may collect garbage";
/// Younger objects may belong to something that is not finished.
const AGE: SignedDuration = SignedDuration::from_mins(10);

/// Something that is left over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Leftover {
    pub(super) place: String,
    pub(super) why: String,
    pub(super) command: String,
}

/// Everything that is left over. Only the rules say what belongs to this stack.
pub(super) fn leftovers(rules: Option<&Rules>, found: &Found, now: Timestamp) -> Vec<Leftover> {
    let mut all = rules.map_or_else(Vec::new, |rules| of_stack(rules, found, now));
    all.extend(google_accounts(found));
    all.extend(jobs(found, now));
    let config_maps = found.config_maps.iter();
    all.extend(config_maps.flat_map(|config_map| replicas(&found.home, config_map)));
    all
}

fn of_stack(rules: &Rules, found: &Found, now: Timestamp) -> Vec<Leftover> {
    let mut all = accounts(rules, found, now);
    let ours = found.identities.iter();
    let ours = ours.filter(|one| one.spec.stack == rules.stack());
    all.extend(
        ours.flat_map(|one| [at_google(one), reserved(rules, one)])
            .flatten(),
    );
    all
}

/// The accounts at Google that the broker has found.
fn google_accounts(found: &Found) -> Vec<Leftover> {
    let emails = found.reported_garbage().unwrap_or_default();
    let left = emails.into_iter().map(|email| Leftover {
        place: format!("Google service account {email}"),
        why: BELONGS_TO_NONE.to_owned(),
        command: collect(&found.home),
    });
    left.collect()
}

/// Lets the broker delete what belongs to no Identity.
fn collect(home: &str) -> String {
    format!(
        "kubectl -n {home} set env deployment/{} {}=true",
        names::BROKER_SERVICE_ACCOUNT,
        names::ENV_COLLECT
    )
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
        place: format!(
            "ServiceAccount {}",
            place(account.namespace(), &account.name_any()).0
        ),
        why: BELONGS_TO_NONE.to_owned(),
        command: collect(&found.home),
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

/// Annotations of replicas that are gone.
fn replicas(home: &str, config_map: &FoundConfigMap) -> Vec<Leftover> {
    let Some(map) = &config_map.map else {
        return Vec::new();
    };
    let keys_of = |pod: &str| {
        [
            names::replica_annotation(pod),
            names::replica_status_annotation(pod),
        ]
    };
    let present: BTreeSet<_> = config_map
        .pods
        .iter()
        .flat_map(|pod| keys_of(pod))
        .collect();
    let prefixes = keys_of("");
    let mut gone = BTreeMap::<_, Vec<_>>::new();
    for key in map
        .annotations()
        .keys()
        .filter(|key| !present.contains(*key))
    {
        let pod = prefixes.iter().find_map(|prefix| key.strip_prefix(prefix));
        if let Some(pod) = pod {
            gone.entry(pod).or_default().push(format!("{key}-"));
        }
    }
    let left = gone.into_iter().map(|(pod, keys)| Leftover {
        place: format!("ConfigMap {home}/{}", config_map.name),
        why: format!(
            "it has annotations of {pod}, a replica of {} that is gone",
            config_map.program
        ),
        command: format!(
            "kubectl -n {home} annotate configmap {} {}",
            config_map.name,
            keys.join(" ")
        ),
    });
    left.collect()
}
