//! What each check needs to be read.

use super::checks::Check;
use crate::check::{Part, Readable};

/// Something that `doctor` reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A part of what `check` reads.
    Snapshot(Part),
    /// The Deployments.
    Deployments,
    /// The pods of webhook and broker.
    Pods,
    /// The Lease of the broker.
    Lease,
    /// The rules as written.
    Rules,
    /// The accepted rules.
    Accepted,
    /// What the broker reports.
    Quota,
    /// What the webhook reports.
    Unproven,
    /// Who scrapes the metrics.
    Monitors,
    /// The network policies.
    NetworkPolicies,
    /// Whether the webhook answers.
    Reach,
}

impl Readable for Source {
    fn what(&self) -> &'static str {
        match self {
            Self::Snapshot(part) => part.what(),
            Self::Deployments => "the Deployments",
            Self::Pods => "the pods of webhook and broker",
            Self::Lease => "the Lease of the broker",
            Self::Rules => "the rules",
            Self::Accepted => "the accepted rules",
            Self::Quota => "the report of the broker",
            Self::Unproven => "the report of the webhook",
            Self::Monitors => "who scrapes the metrics",
            Self::NetworkPolicies => "the network policies",
            Self::Reach => "whether the webhook answers",
        }
    }
}

/// What the replicas of the webhook say about themselves, and of both programs.
const WEBHOOKS: &[Source] = &[Source::Pods, Source::Unproven];
const REPLICAS: &[Source] = &[Source::Pods, Source::Unproven, Source::Quota];

/// What these checks need.
pub(super) fn of(checks: &[Check]) -> Vec<Source> {
    checks.iter().flat_map(|check| of_one(*check)).collect()
}

fn of_one(check: Check) -> Vec<Source> {
    let (own, shared): (&[Source], &[Source]) = match check {
        Check::ApiServer => (&[Source::Snapshot(Part::Version)], &[]),
        Check::MayInstall => (&[], &[]),
        Check::Webhooks | Check::Policies => (&[Source::Snapshot(Part::Installation)], WEBHOOKS),
        Check::CaBundle => (&[Source::Snapshot(Part::Installation)], REPLICAS),
        // The rules name the stack.
        Check::WebhookReachable => (&[Source::Rules, Source::Reach], &[]),
        Check::WebhookReplicas | Check::BrokerReplicas => (&[Source::Deployments], REPLICAS),
        Check::GatewayReplicas => (&[Source::Deployments], &[]),
        // The Deployments say whether Helm installed them, and so which command fixes it.
        Check::Versions => (&[Source::Deployments], REPLICAS),
        Check::Leader => (&[Source::Lease], &[]),
        Check::Rules => (&[Source::Rules], &[]),
        Check::RulesRevision => (&[Source::Rules, Source::Accepted], WEBHOOKS),
        Check::Namespaces => (
            // Which namespaces are of another stack, its webhooks say.
            &[
                Source::Snapshot(Part::Rules),
                Source::Snapshot(Part::Namespaces),
                Source::Snapshot(Part::Webhooks),
            ],
            &[],
        ),
        Check::Rights | Check::Quota => (&[Source::Quota], &[]),
        Check::Unproven => (&[Source::Unproven], &[]),
        Check::Metrics => (
            &[
                Source::Monitors,
                Source::NetworkPolicies,
                Source::Deployments,
            ],
            &[],
        ),
        Check::Exposure => return Part::ALL.map(Source::Snapshot).to_vec(),
    };
    [own, shared].concat()
}

/// The parts of what `check` reads.
pub(super) fn parts(sources: &[Source]) -> Vec<Part> {
    let parts = sources.iter().filter_map(|source| match source {
        Source::Snapshot(part) => Some(*part),
        _ => None,
    });
    parts.collect()
}
