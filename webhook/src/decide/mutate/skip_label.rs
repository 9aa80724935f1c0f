//! The label with which the API server skips the final check of a pod. Pure.
//!
//! It is on a pod whose final check could find nothing: this webhook was called once, no webhook that could change the pod comes
//! after it, and the pod would pass. Two things make the label trustworthy. What a requester writes is removed before any other
//! webhook of Namesake is called, in every namespace. And whatever changes the pod after this webhook makes the API server call it
//! again (`reinvocationPolicy: IfNeeded`); the second call removes the label.

use namesake_api::names::SKIP_FINAL_CHECK_LABEL;

use crate::review::outcome::Outcome;
use crate::review::patch::Patch;
use crate::review::verdict::{Facts, Verdict};
use crate::review::{Object, Request};

/// Removes the label from a new pod, whoever creates it and in which namespace.
#[must_use]
pub fn remove(request: &Request<'_>) -> Verdict {
    let mut patch = Patch::default();
    if let Some(pod) = &request.object {
        let labels = pod.metadata.labels.as_ref();
        patch.set_keys(
            "/metadata/labels",
            labels,
            &[(SKIP_FINAL_CHECK_LABEL, None)],
        );
    }
    let facts = Facts::of_requester(&request.user_info.username, Outcome::Kept);
    Verdict::change(patch, facts)
}

/// Whether a pod has it.
pub(super) fn is_set(pod: &Object<'_>) -> bool {
    pod.metadata.label(SKIP_FINAL_CHECK_LABEL).is_some()
}
