//! Whether an existing object is ours, and whether it is as it should be: pure.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::RoleBinding;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::ResourceExt;
use namesake_api::{Identity, names};
use sha2::{Digest as _, Sha256};

/// Prefix of the annotations that say who a KSA is at Google.
pub(crate) const GKE_ANNOTATIONS: &str = "iam.gke.io/";

/// How an existing object compares with the wanted one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It is ours and as it should be.
    Right,
    /// The same, but the Identity that was created together with it does not own it yet.
    Unowned,
    /// It is ours, and something on it was changed.
    Drifted,
    /// It belongs to a deleted Identity of the same name: Kubernetes is about to delete it.
    Leftover,
    /// It was created together with another Identity, or with one that was never stored. It belongs to no one, and must not be
    /// taken over.
    Orphaned,
    /// The broker did not create it for this identity; the text says how it differs.
    Foreign(String),
}

/// Compares an existing KSA with `wanted`, which is [`service_account`](super::service_account) of the identity.
#[must_use]
pub fn judge(existing: &ServiceAccount, wanted: &ServiceAccount) -> Judgement {
    let marked = existing.annotations().get(names::MARK_ANNOTATION);
    let mark = wanted.annotations().get(names::MARK_ANNOTATION);
    match marked {
        None => return Judgement::Foreign("it does not have Namesake's mark".into()),
        marked if marked != mark => {
            return Judgement::Foreign(format!(
                "its mark says {:?}",
                marked.map_or("", String::as_str)
            ));
        }
        Some(_) => {}
    }
    let owned = match judge_owner(&existing.metadata, &wanted.metadata) {
        Some(Judgement::Foreign(why)) => match created_together(existing, wanted) {
            Some(true) => Judgement::Unowned,
            Some(false) => return Judgement::Orphaned,
            None => return Judgement::Foreign(why),
        },
        Some(other) => return other,
        None => Judgement::Right,
    };
    let right = includes(existing.labels(), wanted.labels())
        && includes(existing.annotations(), wanted.annotations())
        && gke_annotations(existing.annotations()).eq(gke_annotations(wanted.annotations()))
        && existing.image_pull_secrets.as_deref().unwrap_or_default()
            == wanted.image_pull_secrets.as_deref().unwrap_or_default();
    if right { owned } else { Judgement::Drifted }
}

/// Whether a KSA without an owner was created together with this Identity; `None` if it was not created that way at all. Only the
/// broker can have known the random id before both existed.
fn created_together(existing: &ServiceAccount, wanted: &ServiceAccount) -> Option<bool> {
    let creation = |of: &ServiceAccount| of.annotations().get(names::CREATION_ANNOTATION).cloned();
    let looks_ours =
        existing.owner_references().is_empty() && includes(existing.labels(), wanted.labels());
    let id = creation(existing).filter(|_| looks_ours)?;
    Some(creation(wanted) == Some(id))
}

/// Judges a KSA by the digest of its metadata; `None` if the KSA has to be read.
#[must_use]
pub fn judge_digest(existing: &Digest, wanted: &ObjectMeta) -> Option<Judgement> {
    if *existing == digest(wanted) {
        return Some(Judgement::Right);
    }
    let annotations = wanted.annotations.as_ref();
    let created_together =
        annotations.is_some_and(|all| all.contains_key(names::CREATION_ANNOTATION));
    let unowned = || ObjectMeta {
        owner_references: None,
        ..wanted.clone()
    };
    (created_together && *existing == digest(&unowned())).then_some(Judgement::Unowned)
}

/// Digest of what [`judge`] compares in a KSA's metadata.
pub type Digest = [u8; 16];

/// The digest: [`judge`] treats two KSAs with the same digest alike, apart from what is not metadata.
#[must_use]
pub fn digest(metadata: &ObjectMeta) -> Digest {
    let none = BTreeMap::new();
    let ours = [
        names::MANAGED_BY,
        names::IDENTITY_LABEL,
        names::MARK_ANNOTATION,
        names::USER_ANNOTATION,
        names::CREATION_ANNOTATION,
    ];
    let is_ours = |(key, _): &(&String, &String)| ours.contains(&key.as_str());
    let labels = metadata.labels.as_ref().unwrap_or(&none).iter();
    let labels: Vec<_> = labels.filter(is_ours).collect();
    let annotations = metadata.annotations.as_ref().unwrap_or(&none);
    let about = annotations.iter().filter(is_ours);
    let annotations: Vec<_> = about.chain(gke_annotations(annotations)).collect();
    let owners = metadata.owner_references.iter().flatten();
    let owners: Vec<_> = owners
        .map(|o| (&o.api_version, &o.kind, &o.name, &o.uid))
        .collect();
    // Text as JSON: serialization cannot fail.
    let text = serde_json::to_vec(&(labels, annotations, owners)).unwrap_or_default();
    let whole = <[u8; 32]>::from(Sha256::digest(text));
    std::array::from_fn(|at| whole[at])
}

/// Compares an existing RoleBinding with the wanted one.
#[must_use]
pub fn judge_role_binding(existing: &RoleBinding, wanted: &RoleBinding) -> Judgement {
    if let Some(other) = judge_owner(&existing.metadata, &wanted.metadata) {
        return other;
    }
    if existing.role_ref == wanted.role_ref && existing.subjects == wanted.subjects {
        return Judgement::Right;
    }
    Judgement::Foreign("it grants another role, or grants it to somebody else".into())
}

fn judge_owner(existing: &ObjectMeta, wanted: &ObjectMeta) -> Option<Judgement> {
    let owners = existing.owner_references.as_deref().unwrap_or_default();
    let wanted = wanted
        .owner_references
        .as_deref()
        .unwrap_or_default()
        .first()?;
    let same = |o: &&OwnerReference| {
        o.kind == wanted.kind && o.api_version == wanted.api_version && o.name == wanted.name
    };
    match owners.iter().find(same) {
        Some(owner) if owner.uid == wanted.uid => None,
        Some(_) => Some(Judgement::Leftover),
        None => Some(Judgement::Foreign(
            "its owner is not the Identity of its name".into(),
        )),
    }
}

/// Whether this Identity owns the object, and not another of the same name.
#[must_use]
pub fn owns(identity: &Identity, object: &ObjectMeta) -> bool {
    let uid = identity.uid();
    let mut owners = object.owner_references.iter().flatten();
    owners.any(|owner| Some(&owner.uid) == uid.as_ref())
}

fn includes(existing: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> bool {
    wanted
        .iter()
        .all(|(key, value)| existing.get(key) == Some(value))
}

/// The annotations that say who a KSA is at Google. It must not have others than the wanted ones.
fn gke_annotations(
    annotations: &BTreeMap<String, String>,
) -> impl Iterator<Item = (&String, &String)> {
    annotations
        .iter()
        .filter(|(key, _)| key.starts_with(GKE_ANNOTATIONS))
}
