//! What may be the matter when Google has refused a proof for longer than it needs to learn a change: pure.

use namesake_api::Identity;

use super::REFUSED;
use crate::google::principal;
use crate::identity::failure::Failure;

/// What a message about such a failure says beside Google's words, and how to ask; nothing for other failures.
pub(crate) fn suspicion(identity: &Identity, failure: &Failure) -> String {
    if failure.reason != REFUSED.as_str() {
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
        ". Binding and grants are written, so that a deny policy or a principal access boundary may forbid it: gcloud iam \
         policies list --kind=denypolicies --attachment-point=cloudresourcemanager.googleapis.com/projects/{project} lists \
         the deny policies of the project, and its folders and organization may have more{who}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;
    use crate::identity::reason::ConditionReason;

    #[test]
    fn a_grant_that_google_never_believes_makes_a_deny_policy_suspect_and_says_how_to_ask() {
        let mut identity = fixtures::identity();
        let refused = Failure::passing(REFUSED, "Permission denied");
        let text = suspicion(&identity, &refused);
        let email = identity.spec.google_service_account.take().unwrap();
        for part in [
            "deny policy or a principal access boundary",
            "googleapis.com/projects/acme-identities ",
            &format!("--principal-email={email}"),
        ] {
            assert!(text.contains(part), "{text}");
        }
        let direct = suspicion(&identity, &refused);
        assert!(direct.contains("projects/acme "), "{direct}");
        let away = Failure::passing(ConditionReason::Unavailable, "no answer");
        assert_eq!(suspicion(&identity, &away), "");
    }
}
