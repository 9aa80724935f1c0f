//! What an offboarded user still has scheduled: objects whose stamp names the user. The signature is not verified, because this is
//! only a list for people; the rules refuse the pods of these objects.

use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, PartialObjectMeta};
use kube::{Api, ResourceExt};
use namesake_api::{Identity, names};
use namesake_core::Stamp;
use tracing::debug;

use crate::controllers::context::Context;

/// Kinds whose objects create pods later: group, version, kind, plural.
const KINDS: [(&str, &str, &str, &str); 5] = [
    ("batch", "v1", "Job", "jobs"),
    ("batch", "v1", "CronJob", "cronjobs"),
    ("jobset.x-k8s.io", "v1alpha2", "JobSet", "jobsets"),
    ("argoproj.io", "v1alpha1", "Workflow", "workflows"),
    ("argoproj.io", "v1alpha1", "CronWorkflow", "cronworkflows"),
];
/// Most objects of each kind that are read.
const MOST_OBJECTS: u32 = 5000;

/// `Kind name` of each object in the identity's namespace. Kinds that are not installed, or that the broker may not list, are
/// left out.
pub(super) async fn scheduled(identity: &Identity, context: &Context) -> Vec<String> {
    let user = &identity.spec.user;
    let mut found = Vec::new();
    if user.is_empty() {
        return found;
    }
    let namespace = identity.namespace().unwrap_or_default();
    for (group, version, kind, plural) in KINDS {
        let gvk = GroupVersionKind::gvk(group, version, kind);
        let resource = ApiResource::from_gvk_with_plural(&gvk, plural);
        let api: Api<DynamicObject> =
            Api::namespaced_with(context.client.clone(), &namespace, &resource);
        let params = ListParams::default().limit(MOST_OBJECTS);
        match api.list_metadata(&params).await {
            Ok(objects) => {
                let objects = objects.items.iter();
                let of_user = objects.filter(|object| is_of_user(object, user));
                found.extend(of_user.map(|object| format!("{kind} {}", object.name_any())));
            }
            Err(error) => {
                debug!(%error, %namespace, kind, "failed to list objects of an offboarded user");
            }
        }
    }
    found
}

fn is_of_user(object: &PartialObjectMeta<DynamicObject>, user: &str) -> bool {
    let stamp = object.annotations().get(names::STAMP_ANNOTATION);
    stamp
        .and_then(|text| Stamp::unverified(text))
        .and_then(|stamp| stamp.user)
        .is_some_and(|of| of.as_str() == user)
}
