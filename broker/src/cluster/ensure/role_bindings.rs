//! The RoleBindings of an identity's KSA: created, checked, deleted.

use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use namesake_api::{Identity, names};

use super::error::{EnsureError, Result, usable};
use super::{account, create_if_absent, delete};
use crate::cluster::requests::{delete_this_object, described};
use crate::identity::objects;
use crate::identity::objects::judgement::{self, Judgement};

const KIND: &str = "RoleBinding";

fn api(client: &Client, identity: &Identity) -> Api<RoleBinding> {
    Api::namespaced(client.clone(), &identity.namespace().unwrap_or_default())
}

/// Creates the RoleBindings that do not exist.
pub(super) async fn ensure(client: &Client, identity: &Identity) -> Result<()> {
    let api = api(client, identity);
    let wanted = objects::role_bindings(identity);
    let created = wanted.iter().map(|binding| ensure_one(&api, binding));
    futures::future::try_join_all(created).await.map(|_| ())
}

async fn ensure_one(api: &Api<RoleBinding>, wanted: &RoleBinding) -> Result<()> {
    let failed = || EnsureError::kube(described(KIND, wanted));
    let created = create_if_absent(api, wanted).await.map_err(failed())?;
    if created.is_some() {
        return Ok(());
    }
    let existing = api.get(&wanted.name_any()).await.map_err(failed())?;
    let judgement = judgement::judge_role_binding(&existing, wanted);
    usable(KIND, &existing, judgement).map(|_| ())
}

/// Deletes the RoleBindings of an identity, except those of these names.
pub(super) async fn delete_all_but(
    client: &Client,
    identity: &Identity,
    kept: &[String],
) -> Result<()> {
    let labels = format!("{}={}", names::IDENTITY_LABEL, identity.name_any());
    let params = ListParams::default().labels(&labels);
    let found = api(client, identity).list(&params).await;
    let account = described(account::KIND, identity);
    let what = format!("a list of the RoleBindings of {account}");
    let found = found.map_err(EnsureError::kube(what))?;
    let dropped = found.items.iter().filter(|binding| {
        !kept.contains(&binding.name_any()) && judgement::owns(identity, &binding.metadata)
    });
    for binding in dropped {
        delete(client, KIND, binding, &delete_this_object(binding)).await?;
    }
    Ok(())
}

/// Whether all RoleBindings of an identity exist and are as they should be.
///
/// # Errors
/// When the API server does not answer.
pub async fn have_role_bindings(client: &Client, identity: &Identity) -> Result<bool> {
    let api = api(client, identity);
    for wanted in objects::role_bindings(identity) {
        let what = format!("a read of {}", described(KIND, &wanted));
        let found = api.get_opt(&wanted.name_any()).await;
        let found = found.map_err(EnsureError::kube(what))?;
        let is_right = found.is_some_and(|found| {
            judgement::judge_role_binding(&found, &wanted) == Judgement::Right
        });
        if !is_right {
            return Ok(false);
        }
    }
    Ok(true)
}
