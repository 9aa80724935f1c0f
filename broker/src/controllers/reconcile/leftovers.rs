//! What a user who has left still has scheduled: objects whose stamp names the user. Read from the stamp as it is, unchecked:
//! this is a list for people to act on, and refuses nobody. What it makes is refused by the rules.

use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, PartialObjectMeta};
use kube::{Api, ResourceExt};
use namesake_api::{Identity, names};
use namesake_core::Stamp;
use tracing::debug;

use super::Context;

/// Kinds that make pods now and then: group, version, kind, plural.
const KINDS: [(&str, &str, &str, &str); 5] = [
    ("batch", "v1", "Job", "jobs"),
    ("batch", "v1", "CronJob", "cronjobs"),
    ("jobset.x-k8s.io", "v1alpha2", "JobSet", "jobsets"),
    ("argoproj.io", "v1alpha1", "Workflow", "workflows"),
    ("argoproj.io", "v1alpha1", "CronWorkflow", "cronworkflows"),
];
/// As many of each kind are looked at.
const LOOKED_AT: u32 = 5000;

/// `Kind name` of each, in the identity's namespace. Kinds that are not installed, or that we may not list, are left out.
pub(super) async fn scheduled(identity: &Identity, context: &Context) -> Vec<String> {
    let mut found = Vec::new();
    if identity.spec.user.is_empty() {
        return found;
    }
    let namespace = identity.namespace().unwrap_or_default();
    for (group, version, kind, plural) in KINDS {
        let kind_of = GroupVersionKind::gvk(group, version, kind);
        let resource = ApiResource::from_gvk_with_plural(&kind_of, plural);
        let api: Api<DynamicObject> =
            Api::namespaced_with(context.client.clone(), &namespace, &resource);
        match api
            .list_metadata(&ListParams::default().limit(LOOKED_AT))
            .await
        {
            Ok(all) => {
                let of_user = all
                    .items
                    .iter()
                    .filter(|one| is_of(one, &identity.spec.user));
                found.extend(of_user.map(|one| format!("{kind} {}", one.name_any())));
            }
            Err(error) => debug!(%error, %namespace, kind, "what is scheduled cannot be listed"),
        }
    }
    found
}

fn is_of(object: &PartialObjectMeta<DynamicObject>, user: &str) -> bool {
    let stamp = object.annotations().get(names::STAMP_ANNOTATION);
    stamp
        .and_then(|text| Stamp::unverified(text))
        .and_then(|stamp| stamp.user)
        .is_some_and(|of| of.as_str() == user)
}
