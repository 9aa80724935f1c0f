//! The objects of an identity in its namespace, and whether one that is there is ours: pure.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{LocalObjectReference, ServiceAccount};
use k8s_openapi::api::rbac::v1::{RoleBinding, RoleRef, Subject};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::{Resource, ResourceExt};
use namesake_api::{Identity, IdentitySpec, Mark, MarkError, Mode, names};
use sha2::{Digest as _, Sha256};

/// GKE's annotation that lets a KSA without a GSA show its principal where a client asks for an e-mail.
const PRINCIPAL_AS_EMAIL: &str = "iam.gke.io/return-principal-id-as-email";

/// What an object that is there is to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Ours and as it should be.
    Right,
    /// The same, made together with its Identity, and not owned by it yet.
    Unowned,
    /// Ours, but something on it was changed.
    Drifted,
    /// Of an Identity of the same name that is gone: the garbage collector is about to remove it.
    Leftover,
    /// Made together with an Identity that is another, or that was never there: nobody's, and nobody's it may become.
    Cut,
    /// Not made by us for this identity; the words say what speaks against it.
    Foreign(String),
}

/// The mark on everything that the broker owns for this identity.
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

/// A new Identity, with the finalizer already on: it never exists without.
#[must_use]
pub fn identity(namespace: &str, name: &str, spec: IdentitySpec) -> Identity {
    let mut identity = Identity::new(name, spec);
    identity.metadata.namespace = Some(namespace.to_owned());
    identity.metadata.finalizers = Some(vec![names::FINALIZER.to_owned()]);
    identity.metadata.labels = Some(labels(name));
    identity
}

/// Why an Identity that is there under this name is not the one asked for; none when it is.
#[must_use]
pub fn mismatch(there: &IdentitySpec, asked: &IdentitySpec) -> Option<String> {
    let fields = [
        ("stack", &there.stack, &asked.stack),
        ("cluster", &there.cluster, &asked.cluster),
        ("class", &there.class, &asked.class),
        ("user", &there.user, &asked.user),
        ("key", &there.key, &asked.key),
    ];
    if let Some((field, there, asked)) = fields.into_iter().find(|(_, a, b)| a != b) {
        return Some(format!("its {field} is {there:?}, not {asked:?}"));
    }
    (there.values != asked.values)
        .then(|| format!("its values are {:?}, not {:?}", there.values, asked.values))
}

/// The KSA of an identity. The Identity must have been read from the API server: the owner reference needs its UID. Of one that
/// was not, it is the KSA that is made at the same time, which only its annotation ties to it.
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

/// Whether an identity is in the cluster nothing but its KSA: no RoleBinding goes with it.
#[must_use]
pub fn is_alone(identity: &Identity) -> bool {
    identity.spec.role_bindings.is_empty()
}

/// What a KSA that is there is to us: `wanted` is [`service_account`] of the same identity.
#[must_use]
pub fn judge(there: &ServiceAccount, wanted: &ServiceAccount) -> Judgement {
    let marked = there.annotations().get(names::MARK_ANNOTATION);
    let mark = wanted.annotations().get(names::MARK_ANNOTATION);
    match marked {
        None => return Judgement::Foreign("it does not carry Namesake's mark".into()),
        marked if marked != mark => {
            return Judgement::Foreign(format!(
                "its mark says {:?}",
                marked.map_or("", String::as_str)
            ));
        }
        Some(_) => {}
    }
    let owned = match judge_owner(&there.metadata, &wanted.metadata) {
        Some(Judgement::Foreign(why)) => match together(there, wanted) {
            Some(true) => Judgement::Unowned,
            Some(false) => return Judgement::Cut,
            None => return Judgement::Foreign(why),
        },
        Some(other) => return other,
        None => Judgement::Right,
    };
    let right = includes(there.labels(), wanted.labels())
        && includes(there.annotations(), wanted.annotations())
        && links(there.annotations()).eq(links(wanted.annotations()))
        && there.image_pull_secrets.as_deref().unwrap_or_default()
            == wanted.image_pull_secrets.as_deref().unwrap_or_default();
    if right { owned } else { Judgement::Drifted }
}

/// Whether a KSA that nobody owns was made together with this Identity; none when it does not look made so at all. Nobody but
/// us can have known the number before both were there.
fn together(there: &ServiceAccount, wanted: &ServiceAccount) -> Option<bool> {
    let creation = |of: &ServiceAccount| of.annotations().get(names::CREATION_ANNOTATION).cloned();
    let alone = there.owner_references().is_empty() && includes(there.labels(), wanted.labels());
    let made = creation(there).filter(|_| alone)?;
    Some(creation(wanted).is_some_and(|wanted| wanted == made))
}

/// What a KSA is that looks like this; none when somebody should look closely.
#[must_use]
pub fn judge_looks(looks: &Digest, wanted: &ObjectMeta) -> Option<Judgement> {
    if *looks == digest(wanted) {
        return Some(Judgement::Right);
    }
    let annotations = wanted.annotations.as_ref();
    let together = annotations.is_some_and(|all| all.contains_key(names::CREATION_ANNOTATION));
    let unowned = || ObjectMeta {
        owner_references: None,
        ..wanted.clone()
    };
    (together && *looks == digest(&unowned())).then_some(Judgement::Unowned)
}

/// Digest of what [`judge`] looks at in a KSA's metadata.
pub type Digest = [u8; 16];

/// Two KSAs with the same digest look the same to [`judge`], but for what is not metadata.
#[must_use]
pub fn digest(metadata: &ObjectMeta) -> Digest {
    let none = BTreeMap::new();
    let ours = [names::MANAGED_BY, names::IDENTITY_LABEL];
    let labels = metadata.labels.as_ref().unwrap_or(&none).iter();
    let labels: Vec<_> = labels
        .filter(|(key, _)| ours.contains(&key.as_str()))
        .collect();
    let ours = [
        names::MARK_ANNOTATION,
        names::USER_ANNOTATION,
        names::CREATION_ANNOTATION,
    ];
    let annotations = metadata.annotations.as_ref().unwrap_or(&none);
    let about = annotations
        .iter()
        .filter(|(key, _)| ours.contains(&key.as_str()));
    let annotations: Vec<_> = about.chain(links(annotations)).collect();
    let owners = metadata.owner_references.iter().flatten();
    let owners: Vec<_> = owners
        .map(|o| (&o.api_version, &o.kind, &o.name, &o.uid))
        .collect();
    // Writing this as JSON cannot fail: it has text only.
    let text = serde_json::to_vec(&(labels, annotations, owners)).unwrap_or_default();
    let whole = <[u8; 32]>::from(Sha256::digest(text));
    std::array::from_fn(|at| whole[at])
}

/// What a RoleBinding that is there is to us.
#[must_use]
pub fn judge_role_binding(there: &RoleBinding, wanted: &RoleBinding) -> Judgement {
    if let Some(other) = judge_owner(&there.metadata, &wanted.metadata) {
        return other;
    }
    if there.role_ref == wanted.role_ref && there.subjects == wanted.subjects {
        return Judgement::Right;
    }
    Judgement::Foreign("it gives another role, or gives it to somebody else".into())
}

fn judge_owner(there: &ObjectMeta, wanted: &ObjectMeta) -> Option<Judgement> {
    let owners = there.owner_references.as_deref().unwrap_or_default();
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

/// Whether an object is owned by this very Identity.
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

fn includes(there: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> bool {
    wanted
        .iter()
        .all(|(key, value)| there.get(key) == Some(value))
}

/// The annotations that say who the KSA is to Google: none may be there that we did not want.
fn links(annotations: &BTreeMap<String, String>) -> impl Iterator<Item = (&String, &String)> {
    annotations
        .iter()
        .filter(|(key, _)| key.starts_with("iam.gke.io/"))
}

#[cfg(test)]
mod tests;
