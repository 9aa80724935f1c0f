//! What the facts say about each link of the chain. Pure.

mod certificates;
mod metrics;
mod programs;
mod replicas;
mod reports;
mod rights;
mod rules;

use jiff::Timestamp;
use namesake_webhook::state::installation::faults;

use super::checks::{Check, Checked, Finding, Outcome};
use super::facts::{Facts, Reach};
use super::remedy;
use crate::answer::text::{count, some};
use crate::check::{self, Read, Severity, Unreadable};

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
        outcome: remedy::with_helm(check, facts, outcome(check, facts, trust, now)),
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
            certificates::outcome(installation, facts, now)
        }),
        Check::WebhookReachable => seen(&facts.reach, |reach| reachable(home, reach)),
        Check::WebhookReplicas | Check::BrokerReplicas | Check::GatewayReplicas => {
            seen(&facts.deployments, |all| {
                programs::replicas(check, facts, all)
            })
        }
        Check::Leader => seen(&facts.lease, |lease| {
            programs::leader(home, lease.as_ref(), now)
        }),
        Check::Versions => replicas::versions(home, facts),
        Check::Rules => seen(&facts.rules, |map| rules::valid(home, map.as_ref())),
        Check::RulesRevision => rules::revisions(home, facts),
        Check::Namespaces => rules::namespaces(facts),
        Check::Rights => reports::of_broker(&facts.quota, now, |data| {
            rights::at_google(home, data, reports::not_reported())
        }),
        Check::Quota => reports::of_broker(&facts.quota, now, |data| reports::quota(home, data)),
        Check::Unproven => seen(&facts.unproven, |map| reports::unproven(home, map.as_ref())),
        Check::Metrics => seen(&facts.monitors, |monitors| {
            seen(&facts.network_policies, |policies| {
                seen(&facts.deployments, |deployments| {
                    metrics::outcome(home, monitors, policies, deployments)
                })
            })
        }),
        Check::Exposure => exposure(facts, trust),
    }
}

/// The outcome if it could be read.
fn seen<T>(read: &Read<T>, judge: impl FnOnce(&T) -> Outcome) -> Outcome {
    match read {
        Ok(there) => judge(there),
        Err(why) => unseen(why),
    }
}

pub(super) fn unseen(part: &Unreadable) -> Outcome {
    Outcome::Unseen(format!("{}: {}", part.what, part.why))
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
        let skew = replicas::skew(facts);
        let skew = skew.map(|skew| format!(" ({skew})")).unwrap_or_default();
        let findings = ours
            .map(|fault| check.finding(home, format!("stack in {home}"), format!("{fault}{skew}")));
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

fn exposure(facts: &Facts, trust: &[String]) -> Outcome {
    let report = check::report(&facts.snapshot, trust);
    let open: Vec<_> = report
        .findings
        .iter()
        .filter(|finding| !OWN.contains(&finding.check))
        .collect();
    let unseen = report.not_looked_at.iter();
    let unseen: Vec<_> = unseen
        .map(|part| format!("{}: {}", part.what, part.why))
        .collect();
    let unseen = (!unseen.is_empty()).then(|| Outcome::Unseen(some(&unseen)));
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
    Outcome::of(finding, "nothing is open").and_unseen(unseen)
}

#[cfg(test)]
mod tests;
