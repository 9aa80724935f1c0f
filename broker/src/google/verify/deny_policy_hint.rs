//! A hint for verifications that Google refuses for longer than it needs to distribute a change: pure.

use namesake_api::Identity;

use super::REFUSED;
use crate::google::principal;
use crate::identity::step_failure::StepFailure;

/// What may be the cause, and which commands show it. Empty for other failures.
pub(crate) fn deny_policy_hint(identity: &Identity, failure: &StepFailure) -> String {
    if failure.reason != REFUSED {
        return String::new();
    }
    let spec = &identity.spec;
    let (project, who) = match &spec.google_service_account {
        Some(email) => (
            spec.project.as_str(),
            format!(
                "; gcloud policy-intelligence troubleshoot-policy iam RESOURCE --principal-email={email} \
                 --permission=PERMISSION says which policy decides"
            ),
        ),
        None => (principal::cluster_project(&spec.cluster), String::new()),
    };
    format!(
        ". Binding and grants are written, so a deny policy or a principal access boundary may forbid it: gcloud iam \
         policies list --kind=denypolicies --attachment-point=cloudresourcemanager.googleapis.com/projects/{project} lists \
         the deny policies of the project, and its folders and organization may have more{who}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;
    use namesake_core::Reason;

    #[test]
    fn the_hint_names_the_commands_that_show_deny_policies() {
        let mut identity = fixtures::identity();
        let refused = StepFailure::passing(REFUSED, "Permission denied");
        let text = deny_policy_hint(&identity, &refused);
        let email = identity.spec.google_service_account.take().unwrap();
        for part in [
            "deny policy or a principal access boundary",
            "googleapis.com/projects/acme-identities ",
            &format!("--principal-email={email}"),
        ] {
            assert!(text.contains(part), "{text}");
        }
        let direct = deny_policy_hint(&identity, &refused);
        assert!(direct.contains("projects/acme "), "{direct}");
        let away = StepFailure::passing(Reason::Unavailable, "no answer");
        assert_eq!(deny_policy_hint(&identity, &away), "");
    }
}
