//! WorkflowTaskResults of Argo, as they are created: the UID of the pod that creates one is written into it, so that a policy can
//! tell later who may change it, also while every webhook is down. Whether the pod may create it at all, the guard decides.

use namesake_api::names::RESULT_POD_ANNOTATION;

use crate::review::outcome::Outcome;
use crate::review::patch::Patch;
use crate::review::verdict::{Facts, Verdict};
use crate::review::{Object, Request};

/// Whether a request creates one.
#[must_use]
pub(crate) fn is_created<O>(request: &Request<'_, O>) -> bool {
    request.kind.group.as_str() == crate::decide::argo::GROUP
        && request.kind.kind.as_str() == "WorkflowTaskResult"
        && request.operation.as_str() == "CREATE"
        && request.is_whole_object()
}

/// Writes the UID of the pod that the requester's credential was issued to, in place of any earlier value.
#[must_use]
pub(crate) fn write_pod(request: &Request<'_, Object<'_>>) -> Verdict {
    let pod = request.user_info.pod().map(|(_, uid)| uid);
    let mut patch = Patch::default();
    if let Some(object) = &request.object {
        patch.set_annotations(&object.metadata, &[(RESULT_POD_ANNOTATION, pod)]);
    }
    let facts = Facts::of_requester(&request.user_info.username, Outcome::Stamped);
    Verdict::change(patch, facts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::review::parse;

    fn patch(user_extra: &str, annotations: &str) -> String {
        let body = format!(
            r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{{"uid":"u","operation":"CREATE",
            "kind":{{"group":"argoproj.io","version":"v1alpha1","kind":"WorkflowTaskResult"}},
            "userInfo":{{"username":"system:serviceaccount:research:x","extra":{user_extra}}},
            "object":{{"metadata":{{"name":"r"{annotations}}}}}}}}}"#
        );
        let request = parse::<Object<'_>>(body.as_bytes()).unwrap();
        assert!(is_created(&request));
        serde_json::to_string(&write_pod(&request).result.unwrap()).unwrap()
    }

    #[test]
    fn the_uid_of_the_requesting_pod_replaces_any_earlier_value() {
        let pod = r#"{"authentication.kubernetes.io/credential-id":["JTI=1"],
            "authentication.kubernetes.io/pod-name":["p"],"authentication.kubernetes.io/pod-uid":["u1"]}"#;
        assert_eq!(
            patch(pod, ""),
            r#"[{"op":"add","path":"/metadata/annotations","value":{"namesake.dev/pod-uid":"u1"}}]"#
        );
        let existing = r#","annotations":{"namesake.dev/pod-uid":"u2"}"#;
        assert_eq!(
            patch(pod, existing),
            r#"[{"op":"add","path":"/metadata/annotations/namesake.dev~1pod-uid","value":"u1"}]"#
        );
        assert_eq!(patch(pod, &existing.replace("u2", "u1")), "[]");
        assert_eq!(
            patch("{}", existing),
            r#"[{"op":"remove","path":"/metadata/annotations/namesake.dev~1pod-uid"}]"#
        );
    }
}
