//! The KSA of an identity: created, repaired when it is ours, deleted.

use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::Patch;
use kube::{Api, Client, ResourceExt};
use namesake_api::{Identity, names};
use serde_json::json;
use tracing::warn;

use super::error::{EnsureError, Result, usable};
use super::{create_if_absent, delete};
use crate::cluster::requests::{
    delete_this_object, delete_this_version, described, is_conflict, is_forbidden, patch_params,
};
use crate::identity::objects;
use crate::identity::objects::judgement::{self, Judgement};

/// What messages call a KSA.
pub const KIND: &str = "service account";

/// Enough for whatever other replicas do with the KSA at the same time.
const ATTEMPTS: usize = 3;

fn api(client: &Client, object: &impl ResourceExt) -> Api<ServiceAccount> {
    Api::namespaced(client.clone(), &object.namespace().unwrap_or_default())
}

fn wanted(identity: &Identity) -> Result<ServiceAccount> {
    Ok(objects::service_account(
        identity,
        &objects::mark(identity)?,
    ))
}

/// The KSA with the name of this identity, if it exists.
///
/// # Errors
/// When the API server does not answer.
pub async fn get_service_account(
    client: &Client,
    identity: &Identity,
) -> Result<Option<ServiceAccount>> {
    let found = api(client, identity).get_opt(&identity.name_any()).await;
    let what = format!("a read of {}", described(KIND, identity));
    found.map_err(EnsureError::kube(what))
}

/// Creates the KSA while its Identity is being created; `None` if one of its name exists.
///
/// # Errors
/// When the API server refuses.
pub(super) async fn create_without_owner(
    client: &Client,
    identity: &Identity,
) -> Result<Option<ServiceAccount>> {
    let created = create_if_absent(&api(client, identity), &wanted(identity)?).await;
    created.map_err(EnsureError::kube(described(KIND, identity)))
}

/// Deletes a KSA whose Identity could not be created. If that fails, the garbage collector finds it by its mark.
pub(super) async fn undo_creation(client: &Client, account: &ServiceAccount) {
    if let Err(error) = delete_unchanged(client, account).await {
        warn!(%error, "a service account was created for an Identity that was not, and is left to the garbage collector");
    }
}

/// Creates the KSA of an existing Identity, or repairs it. One that looks as if the broker had created it together with an Identity
/// that does not exist is deleted and created again: whoever created it may hold tokens of it.
///
/// # Errors
/// When another KSA has the name, or the API server refuses.
pub(super) async fn ensure_account(client: &Client, identity: &Identity) -> Result<ServiceAccount> {
    let api = api(client, identity);
    let failed = || EnsureError::kube(described(KIND, identity));
    let wanted = wanted(identity)?;
    for attempt in 1..=ATTEMPTS {
        if let Some(created) = create_if_absent(&api, &wanted).await.map_err(failed())? {
            return Ok(created);
        }
        let Some(existing) = get_service_account(client, identity).await? else {
            continue;
        };
        let recorded = identity.service_account_uid();
        let is_recorded = recorded.is_some() && recorded == existing.uid().as_deref();
        match usable(KIND, &existing, judgement::judge(&existing, &wanted))? {
            Judgement::Orphaned if !is_recorded => delete_unchanged(client, &existing).await?,
            Judgement::Drifted | Judgement::Unowned | Judgement::Orphaned => {
                match repair(&api, &existing, &wanted).await {
                    // Another replica has changed it meanwhile, perhaps into what is wanted.
                    Err(error) if is_conflict(&error) && attempt < ATTEMPTS => {}
                    repaired => return repaired.map_err(failed()),
                }
            }
            _ => return Ok(existing),
        }
    }
    Err(EnsureError::Terminating(described(KIND, identity)))
}

/// Makes the Identity the owner of the KSA that it has recorded. Returns the KSA, and how it compares with what is wanted.
///
/// # Errors
/// When the API server refuses, or the KSA is another one.
pub async fn set_owner(
    client: &Client,
    identity: &Identity,
) -> Result<(ServiceAccount, Judgement)> {
    let wanted = wanted(identity)?;
    // A strategic merge patch merges owners by UID.
    let patch = Patch::Strategic(json!({"metadata": {
        "uid": identity.service_account_uid(),
        "ownerReferences": wanted.owner_references(),
    }}));
    let api = api(client, identity);
    let owned = api
        .patch(&identity.name_any(), &patch_params(), &patch)
        .await;
    let owned = owned.map_err(EnsureError::kube(described(KIND, identity)))?;
    let judgement = judgement::judge(&owned, &wanted);
    Ok((owned, judgement))
}

/// Deletes a KSA without an owner: Kubernetes deletes it with its Identity only when that owns it. Where the broker has no
/// permissions any more, the namespace is being deleted or has opted out, and the garbage collector finds it by its mark.
///
/// # Errors
/// When the API server does not answer.
pub async fn delete_if_unowned(client: &Client, identity: &Identity) -> Result<()> {
    if !identity
        .annotations()
        .contains_key(names::CREATION_ANNOTATION)
    {
        return Ok(());
    }
    let wanted = wanted(identity)?;
    let is_unowned = |account: &ServiceAccount| {
        let judgement = judgement::judge(account, &wanted);
        account.owner_references().is_empty()
            && matches!(judgement, Judgement::Unowned | Judgement::Drifted)
    };
    let deleted = match get_service_account(client, identity).await {
        Ok(Some(account)) if is_unowned(&account) => delete_unchanged(client, &account).await,
        other => other.map(|_| ()),
    };
    match deleted {
        Err(EnsureError::Kube { source, .. }) if is_forbidden(&source) => Ok(()),
        other => other,
    }
}

/// Deletes the KSA of an identity. One that is not ours stays.
///
/// # Errors
/// When the API server refuses.
pub(super) async fn delete_if_ours(client: &Client, identity: &Identity) -> Result<()> {
    let Some(account) = get_service_account(client, identity).await? else {
        return Ok(());
    };
    match judgement::judge(&account, &wanted(identity)?) {
        Judgement::Leftover | Judgement::Foreign(_) => Ok(()),
        _ => delete(client, KIND, &account, &delete_this_object(&account)).await,
    }
}

/// Deletes a KSA unless it was changed since it was read: somebody may have replaced it or made it their own.
async fn delete_unchanged(client: &Client, account: &ServiceAccount) -> Result<()> {
    match delete(client, KIND, account, &delete_this_version(account)).await {
        Err(EnsureError::Kube { source, .. }) if is_conflict(&source) => Ok(()),
        other => other,
    }
}

/// Restores what was changed, on exactly the version that was judged.
async fn repair(
    api: &Api<ServiceAccount>,
    existing: &ServiceAccount,
    wanted: &ServiceAccount,
) -> Result<ServiceAccount, kube::Error> {
    let mut annotations = json!(wanted.annotations());
    let unwanted = existing.annotations().keys().filter(|key| {
        key.starts_with(judgement::GKE_ANNOTATIONS) && !wanted.annotations().contains_key(*key)
    });
    for key in unwanted {
        annotations[key] = json!(null);
    }
    let mut patch = json!({
        "metadata": {
            "uid": existing.uid(),
            "resourceVersion": existing.resource_version(),
            "labels": wanted.labels(),
            "annotations": annotations,
        },
        "imagePullSecrets": wanted.image_pull_secrets,
    });
    // A merge patch replaces the whole list, so only where there is none.
    if existing.owner_references().is_empty() {
        patch["metadata"]["ownerReferences"] = json!(wanted.owner_references());
    }
    api.patch(&existing.name_any(), &patch_params(), &Patch::Merge(patch))
        .await
}
