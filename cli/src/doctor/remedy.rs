//! Commands that depend on how the stack was installed: by `kubectl apply`, or by Helm. Pure.

use kube::ResourceExt;
use namesake_api::names;

use super::checks::Check;
use super::facts::Facts;
use super::outcome::{Finding, Outcome};
use crate::answer::text::quoted;

/// Replaces the commands of a check by those of Helm, if Helm installed the stack.
pub(super) fn with_helm(check: Check, facts: &Facts, outcome: Outcome) -> Outcome {
    match release(facts).and_then(|release| of_helm(check, release, &facts.snapshot.home)) {
        Some(command) => outcome.with_command(&command),
        None => outcome,
    }
}

/// What applies everything of the stack again, for a finding of any check.
pub(super) fn apply_again(facts: &Facts, finding: Finding) -> Finding {
    let command = match release(facts) {
        Some(release) => upgrade(release, &facts.snapshot.home),
        None => Check::Webhooks.command(&facts.snapshot.home),
    };
    Finding { command, ..finding }
}

/// The release of Helm that the stack belongs to. Of its objects, one may be missing, and a check may not need another.
fn release(facts: &Facts) -> Option<&str> {
    let installation = facts.snapshot.installation.as_ref().ok();
    let mutating = installation.and_then(|all| all.mutating.as_ref());
    let validating = installation.and_then(|all| all.validating.as_ref());
    let mutating = mutating.into_iter().map(ResourceExt::annotations);
    let validating = validating.into_iter().map(ResourceExt::annotations);
    let deployments = facts.deployments.iter().flatten();
    let deployments = deployments.map(ResourceExt::annotations);
    let mut all = mutating.chain(validating).chain(deployments);
    all.find_map(|annotations| annotations.get(names::HELM_RELEASE_ANNOTATION))
        .map(String::as_str)
}

fn upgrade(release: &str, home: &str) -> String {
    let (release, home) = (quoted(release), quoted(home));
    format!("helm upgrade {release} charts/namesake --namespace={home} --reset-then-reuse-values")
}

/// The command of a check whose own applies manifests.
fn of_helm(check: Check, release: &str, home: &str) -> Option<String> {
    let rest = match check {
        Check::Webhooks => "",
        Check::Policies => {
            " (or the release with sharedObjects: true, if this one does not have what all stacks share)"
        }
        Check::Versions => {
            ", with the chart of this program's version (docs/helm.md#upgrade); or install the kubectl-namesake of theirs: cargo install \
             --locked --path cli"
        }
        Check::Metrics => {
            " --set=metrics.scrapedBy=gke (or prometheus-operator); if your Prometheus finds pods in another way: --skip metrics"
        }
        _ => return None,
    };
    Some(upgrade(release, home) + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_check_whose_command_applies_manifests_has_one_of_helm_and_no_other() {
        for check in Check::all(false) {
            let applies = check.command("home").contains("apply --server-side");
            let helm = of_helm(check, "gold", "home");
            assert_eq!(helm.is_some(), applies, "{check}");
            let begins =
                "helm upgrade gold charts/namesake --namespace=home --reset-then-reuse-values";
            assert!(helm.is_none_or(|command| command.starts_with(begins)));
        }
    }
}
