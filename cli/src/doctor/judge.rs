//! What the facts say about each link of the chain. Pure.

mod certificates;
mod metrics;
mod programs;
mod rules;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use namesake_api::UnprovenReport;
use namesake_webhook::state::installation::faults;

use super::checks::{Check, Checked, Finding, Outcome};
use super::facts::{Facts, Reach};
use crate::answer::text::{count, some};
use crate::check::{self, Read, Severity};
use crate::commands::quota::{Quota, quotas, rights};

/// Checks of `check` that `doctor` has as checks of its own.
const OWN: [&str; 3] = ["installation", "version", "no-proven-person"];

/// The outcome of each selected check.
pub(super) fn checked(
    facts: &Facts,
    selected: &[Check],
    trust: &[String],
    now: Timestamp,
) -> Vec<Checked> {
    let each = selected.iter().map(|&check| Checked {
        check,
        outcome: outcome(check, facts, trust, now),
    });
    each.collect()
}

fn outcome(check: Check, facts: &Facts, trust: &[String], now: Timestamp) -> Outcome {
    let home = facts.snapshot.home.as_str();
    match check {
        Check::ApiServer => seen(&facts.snapshot.version, |version| api_server(home, version)),
        // Only before the install.
        Check::MayInstall => Outcome::Unseen("only with --pre".to_owned()),
        Check::Webhooks => as_shipped(check, facts, "webhook "),
        Check::Policies => as_shipped(check, facts, "policy "),
        Check::CaBundle => seen(&facts.snapshot.installation, |installation| {
            certificates::outcome(installation, now)
        }),
        Check::WebhookReachable => seen(&facts.reach, |reach| reachable(home, reach)),
        Check::WebhookReplicas | Check::BrokerReplicas => seen(&facts.deployments, |all| {
            programs::replicas(check, home, all)
        }),
        Check::Leader => seen(&facts.lease, |lease| {
            programs::leader(home, lease.as_ref(), now)
        }),
        Check::Rules => seen(&facts.rules, |map| rules::valid(home, map.as_ref())),
        Check::RulesRevision => rules::revisions(home, facts),
        Check::Namespaces => rules::namespaces(facts),
        Check::Rights => seen(&facts.quota, |map| rights_at_google(home, map.as_ref())),
        Check::Quota => seen(&facts.quota, |map| quota(home, map.as_ref())),
        Check::Unproven => seen(&facts.unproven, |map| unproven(home, map.as_ref())),
        Check::Metrics => seen(&facts.monitors, |monitors| {
            seen(&facts.network_policies, |policies| {
                metrics::outcome(home, monitors, policies)
            })
        }),
        Check::Exposure => exposure(facts, trust),
    }
}

/// The outcome if it could be read.
fn seen<T>(read: &Read<T>, judge: impl FnOnce(&T) -> Outcome) -> Outcome {
    match read {
        Ok(there) => judge(there),
        Err(unreadable) => Outcome::Unseen(format!("{}: {}", unreadable.what, unreadable.why)),
    }
}

pub(super) fn api_server(home: &str, version: &str) -> Outcome {
    let old = check::old_version(version);
    let finding = |what| Check::ApiServer.finding(home, "API server", what);
    Outcome::of(old.map(finding).into_iter().collect(), version)
}

fn as_shipped(check: Check, facts: &Facts, prefix: &str) -> Outcome {
    let home = &facts.snapshot.home;
    seen(&facts.snapshot.installation, |installation| {
        let ours = faults(installation)
            .into_iter()
            .filter(|fault| fault.starts_with(prefix));
        let findings = ours.map(|fault| check.finding(home, format!("stack in {home}"), fault));
        Outcome::of(findings.collect(), "as shipped")
    })
}

fn reachable(home: &str, reach: &Reach) -> Outcome {
    let found = match reach {
        Reach::Answered => None,
        Reach::Failed(why) => Some(why.clone()),
    };
    let place = format!("Service {home}/namesake-webhook");
    let finding = |what| Check::WebhookReachable.finding(home, place, what);
    Outcome::of(
        found.map(finding).into_iter().collect(),
        "answered a dry run",
    )
}

fn rights_at_google(home: &str, map: Option<&ConfigMap>) -> Outcome {
    let reported = map.and_then(|map| map.data.as_ref()).map(rights);
    let reported = reported.unwrap_or_default();
    if reported.is_empty() {
        return Outcome::Fine("not reported yet".to_owned());
    }
    let lacking = reported
        .iter()
        .filter(|(_, text)| text.starts_with("lacks "));
    let findings = lacking
        .map(|(whose, text)| Check::Rights.finding(home, *whose, format!("the broker {text}")));
    let unknown = reported
        .iter()
        .find(|(_, text)| text.starts_with("not known"));
    match (unknown, findings.collect::<Vec<_>>()) {
        (Some((whose, text)), none) if none.is_empty() => {
            Outcome::Unseen(format!("{whose}: {text}"))
        }
        (_, findings) => Outcome::of(findings, count(reported.len(), "resource", "resources")),
    }
}

fn quota(home: &str, map: Option<&ConfigMap>) -> Outcome {
    let Some(data) = map.and_then(|map| map.data.as_ref()) else {
        return Outcome::Fine("not reported yet".to_owned());
    };
    let all = quotas(data);
    let short = all.iter().filter(|quota| quota.is_short());
    let findings = short.map(|Quota { kind, whose, text }| {
        Check::Quota.finding(home, format!("{kind} of {whose}"), text.clone())
    });
    Outcome::of(findings.collect(), count(all.len(), "quota", "quotas"))
}

fn unproven(home: &str, map: Option<&ConfigMap>) -> Outcome {
    let place = format!("ConfigMap {home}/namesake-unproven");
    let finding = |what| Outcome::Found(vec![Check::Unproven.finding(home, &place, what)]);
    let Some(data) = map.and_then(|map| map.data.as_ref()) else {
        return finding("the webhook has not written its report".to_owned());
    };
    match UnprovenReport::from_data(data) {
        Ok(report) if report.count == 0 => Outcome::Fine("none without".to_owned()),
        Ok(report) => {
            let names = report.parents.iter();
            let names: Vec<_> = names
                .map(|one| format!("{}: {}/{}", one.namespace, one.kind, one.name))
                .collect();
            let objects = count(report.count, "object", "objects");
            finding(format!(
                "{objects} without a proven requester: {}",
                some(&names)
            ))
        }
        Err(error) => finding(error),
    }
}

fn exposure(facts: &Facts, trust: &[String]) -> Outcome {
    let report = check::report(&facts.snapshot, trust);
    let open: Vec<_> = report
        .findings
        .iter()
        .filter(|finding| !OWN.contains(&finding.check))
        .collect();
    if let (true, Some(unseen)) = (open.is_empty(), report.not_looked_at.first()) {
        return Outcome::Unseen(format!("{}: {}", unseen.what, unseen.why));
    }
    let critical = open
        .iter()
        .filter(|one| one.severity == Severity::Critical)
        .count();
    let words: std::collections::BTreeSet<_> = open.iter().map(|one| one.check).collect();
    let words: Vec<_> = words.into_iter().collect();
    let what = format!(
        "{critical} critical, {}: {}",
        count(open.len() - critical, "warning", "warnings"),
        words.join(", ")
    );
    let finding: Vec<Finding> = (!open.is_empty())
        .then(|| Check::Exposure.finding(&facts.snapshot.home, "cluster", what))
        .into_iter()
        .collect();
    Outcome::of(finding, "nothing is open")
}

#[cfg(test)]
mod tests;
