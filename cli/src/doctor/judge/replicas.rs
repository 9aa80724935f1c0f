//! What the replicas of webhook and broker say about themselves. Pure.

use kube::ResourceExt as _;
use namesake_api::{ReplicaStatus, names};

use crate::answer::text::{count, plain};
use crate::check::Unreadable;
use crate::cluster::versions::{OWN, difference, status_of};
use crate::doctor::checks::{Check, Finding, Outcome};
use crate::doctor::facts::Facts;

/// The programs whose replicas say what they are, each with one and several of them in words.
pub(super) const PROGRAMS: [(&str, &str, &str); 2] = [
    (names::WEBHOOK_SERVICE_ACCOUNT, "webhook", "webhooks"),
    (names::BROKER_SERVICE_ACCOUNT, "broker", "brokers"),
];

/// A replica, and what it says about itself.
pub(super) struct Replica<'f> {
    /// Its pod.
    pub(super) pod: &'f str,
    /// What it says, if it says something.
    pub(super) status: Option<ReplicaStatus>,
    /// The revision of the rules that it uses, if it says so.
    pub(super) rules: Option<&'f str>,
}

/// The replicas of a program, or what could not be read of them.
pub(super) fn of<'f>(facts: &'f Facts, program: &str) -> Result<Vec<Replica<'f>>, &'f Unreadable> {
    let map = match program {
        names::WEBHOOK_SERVICE_ACCOUNT => &facts.unproven,
        _ => &facts.quota,
    };
    let (map, pods) = (map.as_ref()?.as_ref(), facts.pods.as_ref()?);
    let of_program = pods.iter().filter(|pod| pod.program == program);
    let each = of_program.map(|pod| Replica {
        pod: &pod.name,
        status: map.and_then(|map| status_of(&pod.name, map.annotations())),
        rules: map.and_then(|map| {
            let key = names::replica_annotation(&pod.name);
            map.annotations().get(&key).map(String::as_str)
        }),
    });
    Ok(each.collect())
}

/// Whether all replicas are of this program's version.
pub(super) fn versions(home: &str, facts: &Facts) -> Outcome {
    let (mut findings, mut unseen, mut counts) = (Vec::new(), None, Vec::new());
    for (program, one, many) in PROGRAMS {
        match of(facts, program) {
            Ok(replicas) => {
                findings.extend(replicas.iter().filter_map(|replica| other(home, replica)));
                counts.push(count(replicas.len(), one, many));
            }
            Err(why) => unseen = unseen.or_else(|| Some(super::unseen(why))),
        }
    }
    if facts.pods.as_ref().is_ok_and(Vec::is_empty) {
        let why = "no replica of webhook or broker runs";
        unseen = Some(Outcome::NotYet(why.to_owned()));
    }
    let fine = format!("{OWN} in {}, as this program", counts.join(" and "));
    Outcome::of(findings, fine).and_unseen(unseen)
}

/// A replica of another version than this program's.
fn other(home: &str, replica: &Replica<'_>) -> Option<Finding> {
    let what = match &replica.status {
        Some(status) => format!("it is {}, {}", status.version, difference(&status.version)?),
        None => format!(
            "it does not say its version: it is older than this kubectl-namesake {OWN}, or it has just started"
        ),
    };
    let place = format!("Pod {home}/{}", replica.pod);
    Some(Check::Versions.finding(home, place, what))
}

/// What somebody has to know who reads a comparison with the manifests of this program's version.
pub(super) fn skew(facts: &Facts) -> Option<String> {
    let webhooks = of(facts, names::WEBHOOK_SERVICE_ACCOUNT).ok()?;
    let home = &facts.snapshot.home;
    webhooks.iter().any(|one| other(home, one).is_some()).then(|| {
        format!("compared with the manifests of {OWN}, and the webhook is of another version: see the check versions")
    })
}

/// What the replicas of a program wait for that are not ready, as `POD: rules are not loaded`.
pub(super) fn missing(facts: &Facts, program: &str) -> Vec<String> {
    let replicas = of(facts, program).unwrap_or_default();
    let each = replicas.iter().filter_map(|replica| {
        let missing = &replica.status.as_ref()?.missing;
        let missing: Vec<_> = missing.iter().map(|text| plain(text)).collect();
        (!missing.is_empty()).then(|| format!("{}: {}", replica.pod, missing.join(", ")))
    });
    each.collect()
}
