//! The objects of an identity in its namespace: pure.

pub mod judgement;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{LocalObjectReference, ServiceAccount};
use k8s_openapi::api::rbac::v1::{RoleBinding, RoleRef, Subject};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Resource as _, ResourceExt};
use namesake_api::{Identity, IdentitySpec, Mark, MarkError, Mode, names};
use namesake_service::managed_labels;

/// GKE's annotation that makes its metadata server return the principal of a KSA without a GSA where clients expect an e-mail.
const PRINCIPAL_AS_EMAIL: &str = "iam.gke.io/return-principal-id-as-email";

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
    let mut labels = managed_labels();
    labels.insert(names::IDENTITY_LABEL.to_owned(), name.to_owned());
    labels
}

#[cfg(test)]
mod tests;
