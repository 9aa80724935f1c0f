//! Whether policies, webhook configurations and network policies are as shipped. Pure.

use std::collections::BTreeMap;

use namesake_api::names;
use namesake_core::Reason;

use namesake_service::may_match;

use super::{Finding, Snapshot};
use namesake_webhook::state::installation::{self, Installation};

const APPLY: &str = "apply the manifests again: kubectl apply --server-side -k manifests/cluster (or manifests/token-guard, if you use it), \
                     and the overlay of the stack";
/// First version with ValidatingAdmissionPolicy v1, which all guards use.
const MINIMUM_VERSION: (u32, u32) = (1, 30);

/// Findings about missing or weakened parts of the installation.
pub(super) fn findings(snapshot: &Snapshot) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(snapshot.version.iter().find_map(|version| old(version)));
    if let Ok(there) = &snapshot.installation {
        let faults = installation::faults(there).into_iter();
        findings
            .extend(faults.map(|fault| missing(Reason::CheckInstallation, "manifests/", fault)));
        findings.extend(warns_only(there));
    }
    if let Ok(policies) = &snapshot.network_policies {
        let labels = (names::NAME_LABEL, names::WEBHOOK_SERVICE_ACCOUNT);
        let labels = BTreeMap::from([(labels.0.to_owned(), labels.1.to_owned())]);
        let mut specs = policies.iter().filter_map(|policy| policy.spec.as_ref());
        let covered = specs.any(|spec| {
            let ingress = spec.policy_types.iter().flatten().any(|t| t == "Ingress");
            let pods = spec.pod_selector.as_ref();
            ingress && pods.is_none_or(|pods| may_match(pods, &labels))
        });
        if !covered {
            let what = "no network policy protects the webhook: whoever can connect to it gets stamps signed as anyone";
            let place = format!("Namespace {}", snapshot.home);
            findings.push(missing(Reason::CheckNetwork, &place, what.to_owned()));
        }
    }
    findings
}

/// Whether the policy that protects Namesake's namespace is in force; if that could not be read, it counts as not.
pub(super) fn guards_home(snapshot: &Snapshot) -> bool {
    let about = |fault: &String| {
        fault
            .split_whitespace()
            .any(|word| word == names::SYSTEM_GUARD)
    };
    snapshot
        .installation
        .as_ref()
        .is_ok_and(|there| !installation::faults(there).iter().any(about))
}

/// Whether the policy on tokens denies; if that could not be read, it counts as not.
pub(super) fn tokens_denied(snapshot: &Snapshot) -> bool {
    snapshot.installation.as_ref().is_ok_and(denies_tokens)
}

fn denies_tokens(there: &Installation) -> bool {
    let mut bindings = there.bindings.iter().map(|binding| &binding.spec);
    bindings.any(|spec| {
        spec.policy_name == names::TOKEN_GUARD
            && spec.match_resources.is_none()
            && spec
                .validation_actions
                .iter()
                .any(|action| action == "Deny")
    })
}

fn warns_only(there: &Installation) -> Option<Finding> {
    let name = names::TOKEN_GUARD;
    let place = format!("ValidatingAdmissionPolicyBinding {name}");
    let what = "requests for tokens of other accounts are warned about and audited, not refused";
    let remedy = format!(
        "when the audit log shows no such requests that have to continue, kubectl apply --server-side -k manifests/token-guard (docs/install.md), \
         or kubectl patch validatingadmissionpolicybinding {name} --type=merge -p '{{\"spec\":{{\"validationActions\":[\"Deny\",\"Audit\"]}}}}'"
    );
    (!denies_tokens(there)).then(|| Finding::warning(Reason::CheckTokenGuard, place, what, remedy))
}

fn missing(check: Reason, place: &str, what: String) -> Finding {
    Finding::critical(check, place.to_owned(), what, APPLY.to_owned())
}

/// A version that lacks what the guards need. A version that cannot be parsed is ignored.
pub(super) fn old(version: &str) -> Option<Finding> {
    let mut numbers = version
        .trim_start_matches('v')
        .split('.')
        .map(|part| part.parse::<u32>().ok());
    let found = (numbers.next()??, numbers.next()??);
    let what = format!("{version} has no ValidatingAdmissionPolicy v1, so no guard is in force");
    let (major, minor) = MINIMUM_VERSION;
    let remedy = format!("upgrade the cluster to Kubernetes {major}.{minor} or newer");
    let place = "API server".to_owned();
    (found < MINIMUM_VERSION).then(|| Finding::critical(Reason::CheckVersion, place, what, remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_versions_without_policies_are_reported() {
        for version in ["v1.29.9", "v1.0.0", "v0.31.0"] {
            assert!(old(version).is_some(), "{version}");
        }
        for version in ["v1.30.0", "v1.36.3-gke.100", "v2.0.0", "unknown", ""] {
            assert_eq!(old(version), None, "{version}");
        }
    }
}
