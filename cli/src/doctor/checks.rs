//! The checks, each with its word, its meaning, and the command that fixes what it finds.

use std::fmt;

use clap::ValueEnum;
use clap::builder::PossibleValue;
use namesake_core::Reason;

pub(super) use super::outcome::{Finding, Outcome};

/// A check of `doctor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// The version of the API server.
    ApiServer,
    /// The caller's rights, before the install.
    MayInstall,
    /// The webhook configurations.
    Webhooks,
    /// The policies and their bindings.
    Policies,
    /// What the API server trusts the webhook by.
    CaBundle,
    /// Whether the API server gets an answer.
    WebhookReachable,
    /// The webhook's Deployment.
    WebhookReplicas,
    /// The broker's Deployment.
    BrokerReplicas,
    /// The gateway's Deployment, if there is one.
    GatewayReplicas,
    /// The versions of webhook and broker.
    Versions,
    /// The broker's Lease.
    Leader,
    /// The rules as written.
    Rules,
    /// The rules in force.
    RulesRevision,
    /// Opted-in namespaces without a rule.
    Namespaces,
    /// The broker's permissions at Google, as it reports them.
    Rights,
    /// The broker's report on quotas.
    Quota,
    /// Parents without a proven requester.
    Unproven,
    /// Who scrapes the metrics.
    Metrics,
    /// What `check` finds.
    Exposure,
}

/// Word, meaning and command of a check.
struct Row {
    check: Check,
    word: &'static str,
    meaning: &'static str,
    command: &'static str,
}

const fn row(
    check: Check,
    word: &'static str,
    meaning: &'static str,
    command: &'static str,
) -> Row {
    Row {
        check,
        word,
        meaning,
        command,
    }
}

/// All checks, in the order of the chain. In commands, HOME is replaced by the namespace of the stack.
const TABLE: [Row; 19] = [
    row(
        Check::ApiServer,
        "api-server",
        "the API server has ValidatingAdmissionPolicy v1",
        "upgrade the cluster to Kubernetes 1.30 or newer",
    ),
    row(
        Check::MayInstall,
        "may-install",
        "you may apply the manifests (only with --pre)",
        "kubectl create clusterrolebinding ADMIN --clusterrole=cluster-admin --user=YOU (as a cluster admin)",
    ),
    row(
        Check::Webhooks,
        "webhooks",
        "the webhook configurations are as shipped",
        "kubectl apply --server-side -k OVERLAY",
    ),
    row(
        Check::Policies,
        "policies",
        "the policies are present, bound, and refuse what they refuse as shipped",
        "kubectl apply --server-side -k manifests/cluster (or manifests/token-guard, if you use it), and -k OVERLAY",
    ),
    row(
        Check::CaBundle,
        "ca-bundle",
        "every webhook has the authority's certificate, which does not expire within 90 days, and no replica serves one that expires within \
         two days",
        "kubectl -n HOME rollout restart deployment namesake-webhook; a new authority: docs/operate.md#the-certificate-authority",
    ),
    row(
        Check::WebhookReachable,
        "webhook-reachable",
        "the API server gets an answer from the webhook (a dry run of a namespace)",
        "kubectl -n HOME get pods,endpointslices -l app.kubernetes.io/name=namesake-webhook; then the network policy: the control \
         plane's address range must be in it (docs/install.md)",
    ),
    row(
        Check::WebhookReplicas,
        "webhook-replicas",
        "all replicas of the webhook are ready",
        "kubectl -n HOME describe pods -l app.kubernetes.io/name=namesake-webhook; kubectl -n HOME logs -l \
         app.kubernetes.io/name=namesake-webhook --tail=50",
    ),
    row(
        Check::BrokerReplicas,
        "broker-replicas",
        "all replicas of the broker are ready",
        "kubectl -n HOME describe pods -l app.kubernetes.io/name=namesake-broker; kubectl -n HOME logs -l \
         app.kubernetes.io/name=namesake-broker --tail=50",
    ),
    row(
        Check::GatewayReplicas,
        "gateway-replicas",
        "all replicas of the gateway are ready, if there is one",
        "kubectl -n HOME describe pods -l app.kubernetes.io/name=namesake-gateway; kubectl -n HOME logs -l \
         app.kubernetes.io/name=namesake-gateway --all-containers --tail=50",
    ),
    row(
        Check::Versions,
        "versions",
        "all replicas of webhook and broker are of the version of this program",
        "kubectl apply --server-side -k OVERLAY, with the manifests of this program's version (docs/upgrade.md); or install the \
         kubectl-namesake of theirs: cargo install --locked --path cli",
    ),
    row(
        Check::Leader,
        "leader",
        "a broker leads: it renews its Lease",
        "kubectl -n HOME logs -l app.kubernetes.io/name=namesake-broker --tail=50",
    ),
    row(
        Check::Rules,
        "rules",
        "the rules are valid",
        "kubectl -n HOME get configmap namesake-rules -o jsonpath='{.data.rules\\.yaml}' > rules.yaml && kubectl namesake lint rules.yaml",
    ),
    row(
        Check::RulesRevision,
        "rules-revision",
        "broker and webhooks use the rules as written",
        "kubectl -n HOME get events --field-selector involvedObject.name=namesake-rules; then kubectl -n HOME rollout restart deployment",
    ),
    row(
        Check::Namespaces,
        "namespaces",
        "in every opted-in namespace a rule can match",
        "kubectl -n HOME edit configmap namesake-rules (or rules.yaml of the overlay), to add the namespace to match.namespace of a rule \
         and for.namespaces of its class (docs/rules.md)",
    ),
    row(
        Check::Rights,
        "rights",
        "the broker has all permissions at Google that the rules need",
        "apply the Terraform module namesake again, or grant the broker's account a role with them: docs/install.md",
    ),
    row(
        Check::Quota,
        "quota",
        "less than four fifths of each quota is used",
        "request a higher quota: gcloud beta quotas preferences create --help, or the page IAM & Admin > Quotas",
    ),
    row(
        Check::Unproven,
        "unproven",
        "every parent of pods has a proven requester",
        "kubectl namesake list --unproven; then create them again, or kubectl namesake adopt",
    ),
    row(
        Check::Metrics,
        "metrics",
        "somebody scrapes the metrics, and a network policy lets them",
        "kubectl apply --server-side -k OVERLAY, with manifests/metrics and manifests/metrics/gke (or prometheus-operator) among its \
         components; if your Prometheus finds pods in another way: --skip metrics",
    ),
    row(
        Check::Exposure,
        "exposure",
        "nobody can act as somebody else, as far as the cluster shows",
        "kubectl namesake check",
    ),
];

impl Check {
    /// The checks before the install, or those of an installation, in their order.
    pub(super) fn all(before_install: bool) -> Vec<Self> {
        let all = TABLE.iter().map(|row| row.check);
        let belongs = |check: &Self| match check {
            Self::ApiServer => true,
            Self::MayInstall => before_install,
            _ => !before_install,
        };
        all.filter(belongs).collect()
    }

    fn row(self) -> &'static Row {
        // Every check is in the table at its own place, which a test checks.
        &TABLE[self as usize]
    }

    /// Its word, which does not change.
    #[must_use]
    pub fn word(self) -> &'static str {
        self.row().word
    }

    /// The reason of its findings, whose word is its own.
    pub(super) const fn reason(self) -> Reason {
        match self {
            Self::ApiServer => Reason::DoctorApiServer,
            Self::MayInstall => Reason::DoctorMayInstall,
            Self::Webhooks => Reason::DoctorWebhooks,
            Self::Policies => Reason::DoctorPolicies,
            Self::CaBundle => Reason::DoctorCaBundle,
            Self::WebhookReachable => Reason::DoctorWebhookReachable,
            Self::WebhookReplicas => Reason::DoctorWebhookReplicas,
            Self::BrokerReplicas => Reason::DoctorBrokerReplicas,
            Self::GatewayReplicas => Reason::DoctorGatewayReplicas,
            Self::Versions => Reason::DoctorVersions,
            Self::Leader => Reason::DoctorLeader,
            Self::Rules => Reason::DoctorRules,
            Self::RulesRevision => Reason::DoctorRulesRevision,
            Self::Namespaces => Reason::DoctorNamespaces,
            Self::Rights => Reason::DoctorRights,
            Self::Quota => Reason::DoctorQuota,
            Self::Unproven => Reason::DoctorUnproven,
            Self::Exposure => Reason::DoctorExposure,
            Self::Metrics => Reason::DoctorMetrics,
        }
    }

    /// What is true when it finds nothing.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        self.row().meaning
    }

    /// The command that fixes what it finds.
    pub(super) fn command(self, home: &str) -> String {
        self.row().command.replace("HOME", home)
    }

    /// What it found at a place.
    pub(super) fn finding(self, home: &str, place: impl Into<String>, what: String) -> Finding {
        Finding {
            place: place.into(),
            what,
            command: self.command(home),
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl ValueEnum for Check {
    fn value_variants<'a>() -> &'a [Self] {
        const ALL: [Check; TABLE.len()] = {
            let mut all = [Check::ApiServer; TABLE.len()];
            let mut at = 0;
            while at < TABLE.len() {
                all[at] = TABLE[at].check;
                at += 1;
            }
            all
        };
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.word()).help(self.meaning()))
    }
}

/// A check and its outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Checked {
    /// The check.
    pub(super) check: Check,
    /// Its outcome.
    pub(super) outcome: Outcome,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_is_at_its_own_place_with_a_word_of_its_own() {
        let mut words = std::collections::BTreeSet::new();
        for (at, row) in TABLE.iter().enumerate() {
            assert_eq!(row.check as usize, at);
            assert!(words.insert(row.word), "{}", row.word);
            assert_eq!(row.check.reason().as_str(), row.word);
            assert!(!row.command.is_empty() && !row.meaning.is_empty());
        }
    }

    #[test]
    fn the_documentation_has_every_check_with_its_meaning() {
        let page = include_str!("../../../docs/kubectl.md");
        for row in &TABLE {
            let line = format!("| `{}` | {} |", row.word, row.meaning);
            assert!(page.contains(&line), "not in docs/kubectl.md: {line}");
        }
    }
}
