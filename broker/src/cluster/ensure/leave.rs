//! Takes away objects of an identity in its namespace: only those that are its own, and only as they were seen.

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{DeleteParams, ListParams, Preconditions};
use kube::{Api, Client, ResourceExt};
use namesake_api::{Identity, names};

use super::{Error, is_gone};
use crate::identity::objects::{self, Judgement};

/// Makes the KSA and all its RoleBindings be gone. One that is not ours stays.
///
/// # Errors
/// When the API server refuses.
pub async fn removed(client: &Client, identity: &Identity) -> Result<(), Error> {
    role_bindings(client, identity, &[]).await?;
    let namespace = identity.namespace().unwrap_or_default();
    let name = identity.name_any();
    let what = format!("the deletion of service account {namespace}/{name}");
    let api = Api::<ServiceAccount>::namespaced(client.clone(), &namespace);
    let found = api.get_opt(&name).await.map_err(Error::kube(&what))?;
    let wanted = objects::service_account(identity, &objects::mark(identity)?);
    let Some(there) = found else {
        return Ok(());
    };
    match objects::judge(&there, &wanted) {
        Judgement::Right | Judgement::Unowned | Judgement::Drifted | Judgement::Cut => {}
        Judgement::Leftover | Judgement::Foreign(_) => return Ok(()),
    }
    match api.delete(&name, &exactly(&there)).await {
        Err(error) if !is_gone(&error) => Err(Error::kube(what)(error)),
        _ => Ok(()),
    }
}

/// Takes away the RoleBindings of an identity but those that are to stay.
pub(super) async fn role_bindings(
    client: &Client,
    identity: &Identity,
    stay: &[String],
) -> Result<(), Error> {
    let namespace = identity.namespace().unwrap_or_default();
    let name = identity.name_any();
    let api = Api::<RoleBinding>::namespaced(client.clone(), &namespace);
    let labels = format!("{}={name}", names::IDENTITY_LABEL);
    let found = api.list(&ListParams::default().labels(&labels)).await;
    let what = format!("a list of the RoleBindings of service account {namespace}/{name}");
    let found = found.map_err(Error::kube(what))?;
    let dropped = found.items.iter().filter(|binding| {
        !stay.contains(&binding.name_any()) && objects::owns(identity, &binding.metadata)
    });
    for binding in dropped {
        let binding_name = binding.name_any();
        match api.delete(&binding_name, &exactly(binding)).await {
            Err(error) if !is_gone(&error) => {
                let what = format!("the deletion of RoleBinding {namespace}/{binding_name}");
                return Err(Error::kube(what)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether all RoleBindings of an identity are there.
///
/// # Errors
/// When the API server does not answer.
pub async fn has_role_bindings(client: &Client, identity: &Identity) -> Result<bool, Error> {
    let namespace = identity.namespace().unwrap_or_default();
    let api = Api::<RoleBinding>::namespaced(client.clone(), &namespace);
    for wanted in objects::role_bindings(identity) {
        let name = wanted.name_any();
        let what = format!("a look at RoleBinding {namespace}/{name}");
        let there = api.get_opt(&name).await.map_err(Error::kube(what))?;
        let right = there
            .is_some_and(|there| objects::judge_role_binding(&there, &wanted) == Judgement::Right);
        if !right {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The very object that was seen, and no namesake made since.
fn exactly(there: &impl ResourceExt) -> DeleteParams {
    DeleteParams {
        preconditions: Some(Preconditions {
            uid: there.uid(),
            resource_version: None,
        }),
        ..DeleteParams::default()
    }
}
