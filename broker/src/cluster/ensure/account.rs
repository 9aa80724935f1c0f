//! The KSA of an identity: created, or compared with what is there under its name, and put right only when it is ours.

use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{DeleteParams, Patch, Preconditions};
use kube::{Api, Client, ResourceExt};
use namesake_api::{Identity, names};
use serde_json::json;
use tracing::warn;

use super::{
    Error, creating, is_conflict, is_forbidden, is_gone, is_there as is_taken, patching, verdict,
};
use crate::identity::objects::{self, Judgement};

/// What others of us do at the same moment is over after so many looks.
const TRIES: usize = 3;

fn api(client: &Client, of: &impl ResourceExt) -> Api<ServiceAccount> {
    Api::namespaced(client.clone(), &of.namespace().unwrap_or_default())
}

fn words(of: &impl ResourceExt) -> String {
    let namespace = of.namespace().unwrap_or_default();
    format!("service account {namespace}/{}", of.name_any())
}

/// Creates the KSA while its Identity is being created too; none when there is one of its name.
///
/// # Errors
/// When the API server refuses.
pub(super) async fn early(
    client: &Client,
    identity: &Identity,
) -> Result<Option<ServiceAccount>, Error> {
    let wanted = objects::service_account(identity, &objects::mark(identity)?);
    match api(client, identity).create(&creating(), &wanted).await {
        Ok(made) => Ok(Some(made)),
        Err(error) if is_taken(&error) => Ok(None),
        Err(source) => Err(Error::kube(words(identity))(source)),
    }
}

/// Takes back a KSA that we made for an Identity that there is not. What stays all the same is found by its mark.
pub(super) async fn undo(client: &Client, made: &ServiceAccount) {
    if let Err(error) = delete(client, made).await {
        warn!(%error, "a service account was made for nobody, and is left to be collected");
    }
}

/// The KSA of an Identity that is there. One that looks as if we had made it for another, and had been cut short, is not taken
/// over: who made it may hold its tokens. Nobody's as it is, it makes room.
///
/// # Errors
/// When something of the name is there that we did not make, or the API server refuses.
pub(super) async fn is_there(
    client: &Client,
    identity: &Identity,
) -> Result<ServiceAccount, Error> {
    let (api, name) = (api(client, identity), identity.name_any());
    let failed = || Error::kube(words(identity));
    let wanted = objects::service_account(identity, &objects::mark(identity)?);
    for _ in 0..TRIES {
        match api.create(&creating(), &wanted).await {
            Err(error) if is_taken(&error) => {}
            made => return made.map_err(failed()),
        }
        let Some(there) = api.get_opt(&name).await.map_err(failed())? else {
            continue;
        };
        let recorded = identity.service_account_uid();
        let recorded = recorded.is_some() && recorded == there.uid().as_deref();
        match verdict("service account", &there, objects::judge(&there, &wanted))? {
            Judgement::Cut if !recorded => delete(client, &there).await?,
            Judgement::Drifted | Judgement::Unowned | Judgement::Cut => {
                return repair(&api, &there, &wanted).await.map_err(failed());
            }
            _ => return Ok(there),
        }
    }
    Err(Error::Leaving {
        kind: "service account",
        namespace: identity.namespace().unwrap_or_default(),
        name,
    })
}

/// Makes the Identity the owner of the KSA that it has recorded; the KSA as it is then, and what it is.
///
/// # Errors
/// When the API server refuses, or the KSA is another.
pub async fn owned(
    client: &Client,
    identity: &Identity,
) -> Result<(ServiceAccount, Judgement), Error> {
    let wanted = objects::service_account(identity, &objects::mark(identity)?);
    // Strategic: owners are merged by their UIDs.
    let patch = json!({"metadata": {
        "uid": identity.service_account_uid(),
        "ownerReferences": wanted.owner_references(),
    }});
    let (api, patch) = (api(client, identity), Patch::Strategic(patch));
    let owned = api.patch(&identity.name_any(), &patching(), &patch).await;
    let owned = owned.map_err(Error::kube(words(identity)))?;
    let judged = objects::judge(&owned, &wanted);
    Ok((owned, judged))
}

/// Deletes a KSA that the Identity does not own yet: Kubernetes collects it with its Identity only when it does. Where the broker
/// has no rights any more, the namespace goes, or has opted out; there its mark says that it is nobody's.
///
/// # Errors
/// When the API server does not answer.
pub async fn unowned_removed(client: &Client, identity: &Identity) -> Result<(), Error> {
    let annotations = identity.annotations();
    if !annotations.contains_key(names::CREATION_ANNOTATION) {
        return Ok(());
    }
    let wanted = objects::service_account(identity, &objects::mark(identity)?);
    let found = api(client, identity).get_opt(&identity.name_any()).await;
    let unowned = |there: &ServiceAccount| {
        let judged = objects::judge(there, &wanted);
        there.owner_references().is_empty()
            && matches!(judged, Judgement::Unowned | Judgement::Drifted)
    };
    let removed = match found.map_err(Error::kube(words(identity))) {
        Ok(Some(there)) if unowned(&there) => delete(client, &there).await,
        other => other.map(|_| ()),
    };
    match removed {
        Err(Error::Kube { source, .. }) if is_forbidden(&source) => Ok(()),
        other => other,
    }
}

/// Deletes exactly what was seen: another may have taken its place, or have made it its own.
async fn delete(client: &Client, there: &ServiceAccount) -> Result<(), Error> {
    let exactly = DeleteParams {
        preconditions: Some(Preconditions {
            uid: there.uid(),
            resource_version: there.resource_version(),
        }),
        ..DeleteParams::default()
    };
    match api(client, there).delete(&there.name_any(), &exactly).await {
        Err(error) if !is_gone(&error) && !is_conflict(&error) => Err(Error::kube(format!(
            "the deletion of {}",
            words(there)
        ))(error)),
        _ => Ok(()),
    }
}

/// Puts back what was changed, on exactly the object that was judged.
async fn repair(
    api: &Api<ServiceAccount>,
    there: &ServiceAccount,
    wanted: &ServiceAccount,
) -> Result<ServiceAccount, kube::Error> {
    let mut annotations = json!(wanted.annotations());
    for key in there
        .annotations()
        .keys()
        .filter(|key| key.starts_with("iam.gke.io/"))
    {
        if !wanted.annotations().contains_key(key) {
            annotations[key] = json!(null);
        }
    }
    let mut patch = json!({
        "metadata": {
            "uid": there.uid(),
            "resourceVersion": there.resource_version(),
            "labels": wanted.labels(),
            "annotations": annotations,
        },
        "imagePullSecrets": wanted.image_pull_secrets,
    });
    // A list is replaced as a whole: only where there is none.
    if there.owner_references().is_empty() {
        patch["metadata"]["ownerReferences"] = json!(wanted.owner_references());
    }
    api.patch(&there.name_any(), &patching(), &Patch::Merge(patch))
        .await
}
