//! Creates the objects of an identity in its namespace. An object that exists under its name is compared and never taken over.

mod account;
mod error;
mod role_bindings;

use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{DeleteParams, Patch};
use kube::{Api, Client, Resource, ResourceExt};
use namesake_api::{Identity, IdentitySpec, names};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::cluster::requests::{
    already_exists, described, is_not_found, namespace_and_name, patch_params, post_params,
};
use crate::identity::objects;

pub use account::{KIND, delete_if_unowned, get_service_account, set_owner};
pub use error::EnsureError;
use error::Result;
pub use role_bindings::have_role_bindings;

/// The Identity of this name, if it exists.
///
/// # Errors
/// When the API server does not answer.
pub async fn get_identity(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Option<Identity>> {
    let api = Api::<Identity>::namespaced(client.clone(), namespace);
    let what = format!("a read of Identity {namespace}/{name}");
    api.get_opt(name).await.map_err(EnsureError::kube(what))
}

/// The existing Identity, if it is the requested one.
///
/// # Errors
/// When it is another one under the same name, or is being deleted.
pub fn check_identity(existing: Identity, requested: &IdentitySpec) -> Result<Identity> {
    if let Some(why) = objects::mismatch(&existing.spec, requested) {
        return Err(EnsureError::conflict("Identity", &existing, why));
    }
    if existing.metadata.deletion_timestamp.is_some() {
        return Err(EnsureError::Terminating(described("Identity", &existing)));
    }
    Ok(existing)
}

/// An Identity that exists now.
#[derive(Clone, Debug)]
pub enum Ensured {
    /// This call created it, and its KSA.
    Created(Box<Identity>, Box<ServiceAccount>),
    /// Another request created it.
    Existing(Box<Identity>),
}

/// Creates Identity and KSA, or reads the Identity that another request has created meanwhile. Both requests are sent at the
/// same time, because a person waits for them. The KSA has no owner then: a random id in both ties it to its Identity, until the
/// controller sets the owner.
///
/// # Errors
/// When another object has the name, or the API server refuses. No KSA stays behind without its Identity, unless this is dropped
/// or the broker is killed at that moment: then garbage collection reports it, and deletes it if it is enabled.
pub async fn create_identity(
    client: &Client,
    namespace: &str,
    name: &str,
    spec: &IdentitySpec,
) -> Result<Ensured> {
    let mut wanted = objects::identity(namespace, name, spec.clone());
    let annotations = wanted.annotations_mut();
    annotations.insert(names::CREATION_ANNOTATION.to_owned(), random_id()?);
    let api = Api::<Identity>::namespaced(client.clone(), namespace);
    let what = described("Identity", &wanted);
    let (identity, account) = tokio::join!(
        create_if_absent(&api, &wanted),
        account::create_without_owner(client, &wanted)
    );
    if let Ok(Some(identity)) = identity {
        let account = ensure_account_and_bindings(client, &identity, account?).await?;
        return Ok(Ensured::Created(Box::new(identity), Box::new(account)));
    }
    if let Ok(Some(account)) = account {
        account::undo_creation(client, &account).await;
    }
    identity.map_err(EnsureError::kube(&what))?;
    let existing = api.get(name).await.map_err(EnsureError::kube(&what))?;
    check_identity(existing, spec).map(|existing| Ensured::Existing(Box::new(existing)))
}

/// 128 random bits in hexadecimal.
fn random_id() -> Result<String> {
    let mut bytes = [0; 16];
    let random = rustls::crypto::ring::default_provider().secure_random;
    random.fill(&mut bytes).map_err(|_| EnsureError::Random)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

/// Deletes an object. One that does not exist counts as deleted.
///
/// # Errors
/// When the API server refuses or does not answer.
pub async fn delete<K>(client: &Client, kind: &str, object: &K, params: &DeleteParams) -> Result<()>
where
    K: Clone
        + Debug
        + DeserializeOwned
        + Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    let (namespace, name) = namespace_and_name(object);
    let api = Api::<K>::namespaced(client.clone(), &namespace);
    match api.delete(&name, params).await {
        Err(error) if !is_not_found(&error) => {
            let what = format!("the deletion of {}", described(kind, object));
            Err(EnsureError::kube(what)(error))
        }
        _ => Ok(()),
    }
}

/// Creates an object; `None` if one of its name exists.
async fn create_if_absent<K>(api: &Api<K>, wanted: &K) -> Result<Option<K>, kube::Error>
where
    K: Clone + Debug + DeserializeOwned + Serialize,
{
    match api.create(&post_params(), wanted).await {
        Ok(created) => Ok(Some(created)),
        Err(error) if already_exists(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Replaces the spec by what the rules derive today, except whether an admin has suspended the identity.
///
/// # Errors
/// When the API server refuses, or the Identity was changed meanwhile.
pub async fn update_spec(
    client: &Client,
    existing: Identity,
    derived: &IdentitySpec,
) -> Result<Identity> {
    let derived = IdentitySpec {
        suspended: existing.spec.suspended,
        ..derived.clone()
    };
    if existing.spec == derived {
        return Ok(existing);
    }
    let (namespace, name) = namespace_and_name(&existing);
    let api = Api::<Identity>::namespaced(client.clone(), &namespace);
    // The whole spec, because a merge patch would keep keys that the rules have dropped. The resourceVersion makes the API server
    // refuse the patch when the Identity was changed.
    let patch = json!([
        {"op": "replace", "path": "/metadata/resourceVersion", "value": existing.resource_version()},
        {"op": "replace", "path": "/spec", "value": derived},
    ]);
    let what = format!("the spec of {}", described("Identity", &existing));
    let patch = serde_json::from_value(patch).map(Patch::<()>::Json);
    let patch = patch.map_err(|error| EnsureError::kube(&what)(kube::Error::SerdeError(error)))?;
    let replaced = api.patch(&name, &patch_params(), &patch).await;
    replaced.map_err(EnsureError::kube(what))
}

/// Creates or repairs the KSA and its RoleBindings, and deletes those that the rules have dropped.
///
/// # Errors
/// When another object has one of the names, or the API server refuses.
pub async fn ensure_service_account(
    client: &Client,
    identity: &Identity,
) -> Result<ServiceAccount> {
    let account = ensure_account_and_bindings(client, identity, None).await?;
    let bindings = objects::role_bindings(identity);
    let wanted: Vec<_> = bindings.iter().map(ResourceExt::name_any).collect();
    role_bindings::delete_all_but(client, identity, &wanted).await?;
    Ok(account)
}

/// Creates the KSA, unless the caller has just done that, and the RoleBindings.
async fn ensure_account_and_bindings(
    client: &Client,
    identity: &Identity,
    created: Option<ServiceAccount>,
) -> Result<ServiceAccount> {
    let account = match created {
        Some(account) => account,
        None => account::ensure_account(client, identity).await?,
    };
    // After the KSA: no role may be given to an account of this name that is not ours.
    role_bindings::ensure(client, identity).await?;
    Ok(account)
}

/// Deletes the KSA and all its RoleBindings. An object that is not ours stays.
///
/// # Errors
/// When the API server refuses.
pub async fn delete_account_and_bindings(client: &Client, identity: &Identity) -> Result<()> {
    role_bindings::delete_all_but(client, identity, &[]).await?;
    account::delete_if_ours(client, identity).await
}

#[cfg(test)]
mod tests;
