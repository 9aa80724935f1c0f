//! The objects of an identity in its namespace, and whether an existing object is ours: pure.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{LocalObjectReference, ServiceAccount};
use k8s_openapi::api::rbac::v1::{RoleBinding, RoleRef, Subject};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::{Resource, ResourceExt};
use namesake_api::{Identity, IdentitySpec, Mark, MarkError, Mode, names};
use sha2::{Digest as _, Sha256};

/// GKE's annotation that makes its metadata server return the principal of a KSA without a GSA where clients expect an e-mail.
const PRINCIPAL_AS_EMAIL: &str = "iam.gke.io/return-principal-id-as-email";
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

/// The mark on everything that the broker creates for this identity.
///
/// # Errors
/// When stack, cluster, namespace and name do not fit into a mark.
pub fn mark(identity: &Identity) -> Result<Mark, MarkError> {
    let namespace = identity.namespace().unwrap_or_default();
    Mark::new(
        &identity.spec.stack,
        &identity.spec.cluster,
        &namespace,
        &identity.name_any(),
    )
}

/// A new Identity. It has the finalizer from the start.
#[must_use]
pub fn identity(namespace: &str, name: &str, spec: IdentitySpec) -> Identity {
    let mut identity = Identity::new(name, spec);
    identity.metadata.namespace = Some(namespace.to_owned());
    identity.metadata.finalizers = Some(vec![names::FINALIZER.to_owned()]);
    identity.metadata.labels = Some(labels(name));
    identity
}

/// Why an existing Identity is not the requested one; `None` if it is.
#[must_use]
pub fn mismatch(existing: &IdentitySpec, requested: &IdentitySpec) -> Option<String> {
    let fields = [
        ("stack", &existing.stack, &requested.stack),
        ("cluster", &existing.cluster, &requested.cluster),
        ("class", &existing.class, &requested.class),
        ("user", &existing.user, &requested.user),
        ("key", &existing.key, &requested.key),
    ];
    if let Some((field, existing, requested)) = fields.into_iter().find(|(_, a, b)| a != b) {
        return Some(format!("its {field} is {existing:?}, not {requested:?}"));
    }
    let (existing, requested) = (&existing.values, &requested.values);
    (existing != requested).then(|| format!("its values are {existing:?}, not {requested:?}"))
}

/// The KSA of an identity, owned by it. For an Identity without a UID, which is being created at the same time, only an annotation
/// ties the two together.
#[must_use]
pub fn service_account(identity: &Identity, mark: &Mark) -> ServiceAccount {
    let spec = &identity.spec;
    let mut annotations = BTreeMap::from([
        (names::MARK_ANNOTATION.to_owned(), mark.to_string()),
        (names::USER_ANNOTATION.to_owned(), spec.user.clone()),
    ]);
    if let Some(creation) = identity.annotations().get(names::CREATION_ANNOTATION) {
        annotations.insert(names::CREATION_ANNOTATION.to_owned(), creation.clone());
    }
    match (spec.mode, &spec.google_service_account) {
        (Mode::Impersonate, Some(email)) => {
            annotations.insert(names::GSA_ANNOTATION.to_owned(), email.clone());
        }
        _ => {
            annotations.insert(PRINCIPAL_AS_EMAIL.to_owned(), "true".to_owned());
        }
    }
    let secrets = spec.image_pull_secrets.iter();
    let secrets: Vec<_> = secrets
        .map(|name| LocalObjectReference { name: name.clone() })
        .collect();
    ServiceAccount {
        metadata: ObjectMeta {
            annotations: Some(annotations),
            ..metadata(identity, identity.name_any())
        },
        image_pull_secrets: (!secrets.is_empty()).then_some(secrets),
        ..ServiceAccount::default()
    }
}

/// Whether the KSA of an identity has no RoleBindings.
#[must_use]
pub fn has_no_role_bindings(identity: &Identity) -> bool {
    identity.spec.role_bindings.is_empty()
}

/// Compares an existing KSA with `wanted`, which is [`service_account`] of the identity.
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

/// The RoleBindings of an identity: one for each ClusterRole that its class names.
#[must_use]
pub fn role_bindings(identity: &Identity) -> Vec<RoleBinding> {
    let name = identity.name_any();
    let bind = |role: &String| RoleBinding {
        metadata: metadata(identity, format!("{name}-{role}")),
        role_ref: RoleRef {
            api_group: Some("rbac.authorization.k8s.io".into()),
            kind: "ClusterRole".into(),
            name: role.clone(),
        },
        subjects: Some(vec![Subject {
            kind: "ServiceAccount".into(),
            name: name.clone(),
            namespace: identity.namespace(),
            ..Subject::default()
        }]),
    };
    identity.spec.role_bindings.iter().map(bind).collect()
}

fn metadata(identity: &Identity, name: String) -> ObjectMeta {
    ObjectMeta {
        namespace: identity.namespace(),
        labels: Some(labels(&identity.name_any())),
        owner_references: identity.controller_owner_ref(&()).map(|owner| vec![owner]),
        name: Some(name),
        ..ObjectMeta::default()
    }
}

fn labels(name: &str) -> BTreeMap<String, String> {
    BTreeMap::from([
        (
            names::MANAGED_BY.to_owned(),
            names::MANAGED_BY_VALUE.to_owned(),
        ),
        (names::IDENTITY_LABEL.to_owned(), name.to_owned()),
    ])
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

#[cfg(test)]
mod tests;
