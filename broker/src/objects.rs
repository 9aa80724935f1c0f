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
    /// Ours, but something on it was changed.
    Drifted,
    /// Of an Identity of the same name that is gone: the garbage collector is about to remove it.
    Leftover,
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

/// The KSA of an identity. The Identity must have been read from the API server: the owner reference needs its UID.
#[must_use]
pub fn service_account(identity: &Identity, mark: &Mark) -> ServiceAccount {
    let spec = &identity.spec;
    let mut annotations = BTreeMap::from([
        (names::MARK_ANNOTATION.to_owned(), mark.to_string()),
        (names::USER_ANNOTATION.to_owned(), spec.user.clone()),
    ]);
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
    if let Some(other) = judge_owner(&there.metadata, &wanted.metadata) {
        return other;
    }
    let right = includes(there.labels(), wanted.labels())
        && includes(there.annotations(), wanted.annotations())
        && links(there.annotations()).eq(links(wanted.annotations()))
        && there.image_pull_secrets.as_deref().unwrap_or_default()
            == wanted.image_pull_secrets.as_deref().unwrap_or_default();
    if right {
        Judgement::Right
    } else {
        Judgement::Drifted
    }
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
    let ours = [names::MARK_ANNOTATION, names::USER_ANNOTATION];
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
mod tests {
    use super::*;
    use crate::fixtures;

    fn wanted() -> ServiceAccount {
        let identity = fixtures::identity();
        service_account(&identity, &mark(&identity).unwrap())
    }

    fn with(change: impl FnOnce(&mut ServiceAccount)) -> Judgement {
        let mut there = wanted();
        change(&mut there);
        judge(&there, &wanted())
    }

    #[test]
    fn our_own_account_is_right_also_with_what_others_added() {
        assert_eq!(with(|_| {}), Judgement::Right);
        let added = with(|a| {
            a.annotations_mut().insert("team".into(), "ml".into());
        });
        assert_eq!(added, Judgement::Right);
    }

    #[test]
    fn an_account_without_our_mark_or_with_another_is_foreign() {
        let bare = with(|a| a.metadata.annotations = None);
        assert!(matches!(bare, Judgement::Foreign(_)), "{bare:?}");
        let other = with(|a| {
            let mark = "namesake stack=dev cluster=c ksa=research/x";
            a.annotations_mut()
                .insert(names::MARK_ANNOTATION.into(), mark.into());
        });
        assert!(matches!(other, Judgement::Foreign(_)), "{other:?}");
    }

    #[test]
    fn a_copied_mark_without_our_owner_is_foreign() {
        let judged = with(|a| a.metadata.owner_references = None);
        assert!(matches!(judged, Judgement::Foreign(_)), "{judged:?}");
    }

    #[test]
    fn an_account_of_an_identity_that_is_gone_is_a_leftover() {
        let judged = with(|a| {
            for owner in a.metadata.owner_references.iter_mut().flatten() {
                owner.uid = "older".into();
            }
        });
        assert_eq!(judged, Judgement::Leftover);
    }

    #[test]
    fn a_changed_or_added_link_to_google_is_drift() {
        let changed = with(|a| {
            a.annotations_mut()
                .insert(names::GSA_ANNOTATION.into(), "root@x".into());
        });
        assert_eq!(changed, Judgement::Drifted);
        let added = with(|a| {
            a.annotations_mut()
                .insert("iam.gke.io/other".into(), "x".into());
        });
        assert_eq!(added, Judgement::Drifted);
        assert_eq!(with(|a| a.image_pull_secrets = None), Judgement::Drifted);
    }

    fn annotate(account: &mut ServiceAccount, key: &str, value: &str) {
        let annotations = account.annotations_mut();
        annotations.insert(key.to_owned(), value.to_owned());
    }

    #[test]
    fn a_digest_is_another_as_soon_as_the_account_is_not_right() {
        let same = |change: fn(&mut ServiceAccount)| {
            let mut there = wanted();
            change(&mut there);
            digest(&there.metadata) == digest(&wanted().metadata)
        };
        assert!(same(|a| a.metadata.uid = Some("u".into())));
        assert!(same(|a| {
            a.annotations_mut().insert("team".into(), "ml".into());
            a.labels_mut().insert("team".into(), "ml".into());
        }));
        let wrong: [fn(&mut ServiceAccount); 6] = [
            |a| a.metadata.annotations = None,
            |a| a.metadata.labels = None,
            |a| a.metadata.owner_references = None,
            |a| annotate(a, names::GSA_ANNOTATION, "root@x"),
            |a| annotate(a, "iam.gke.io/other", "x"),
            |a| drop(a.annotations_mut().remove(names::USER_ANNOTATION)),
        ];
        for change in wrong {
            assert!(!same(change));
            assert_ne!(with(change), Judgement::Right);
        }
    }

    #[test]
    fn a_role_binding_that_gives_something_else_is_foreign() {
        let wanted = role_bindings(&fixtures::identity()).remove(0);
        assert_eq!(judge_role_binding(&wanted, &wanted), Judgement::Right);
        let mut other = wanted.clone();
        other.role_ref.name = "cluster-admin".into();
        assert!(matches!(
            judge_role_binding(&other, &wanted),
            Judgement::Foreign(_)
        ));
    }

    #[test]
    fn an_identity_of_somebody_else_under_the_same_name_is_a_mismatch() {
        let asked = fixtures::identity().spec;
        assert_eq!(mismatch(&asked, &asked), None);
        let mut there = asked.clone();
        there.user = "bob@acme.com".into();
        assert!(mismatch(&there, &asked).unwrap().contains("user"));
    }
}
