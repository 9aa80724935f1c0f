//! Properties of pods and pod templates: their containers, their node, and the claims of Metaflow about them.

pub(crate) mod claims;
pub mod containers;
pub(crate) mod gateway_token;
pub(crate) mod node;

use namesake_core::SeenPod;

use crate::decide::context::AdmissionContext;
use crate::review::{Object, Request, Spec};

/// A pod as resolutions see it.
pub(crate) fn seen_pod<'a>(
    context: &'a AdmissionContext,
    request: &'a Request<'_>,
    pod: &'a Object<'_>,
) -> SeenPod<'a> {
    let metadata = &pod.metadata;
    let names = [&metadata.name, &metadata.generate_name];
    let mut names = names.into_iter().flatten().filter(|name| !name.is_empty());
    SeenPod {
        stack: context.rules.stack(),
        namespace: &request.namespace,
        requester: &request.user_info.username,
        credential: request.user_info.has_credential_id(),
        now: context.now,
        epoch: &context.epoch,
        owner_uid: metadata.controller().map(|o| o.uid.as_str()),
        service_account: pod.spec.as_ref().map_or("default", Spec::account),
        name: names.next().map_or("", |name| name.as_str()),
        generate_name: metadata.generate_name.as_deref(),
    }
}
