//! Writes an Identity's status. Several hands do (the API, the reconcile, the gates): each write is computed from what is
//! there and refused by the API server when that has changed in between, then computed again.

use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use namesake_api::{Identity, IdentityStatus, names};
use serde_json::{Value, json};

use crate::cluster::ensure::is_conflict;

/// How often a write is computed again before it is given up: also while somebody else writes without end.
const ATTEMPTS: usize = 20;

/// Lets `change` change the status; writes it if it did (it says so). Returns the Identity as it is then.
///
/// # Errors
/// When the API server refuses or does not answer, or others kept writing.
pub async fn update(
    client: &Client,
    identity: &Identity,
    change: impl Fn(&Identity, &mut IdentityStatus) -> bool,
) -> Result<Identity, kube::Error> {
    let namespace = identity.namespace().unwrap_or_default();
    let api = Api::<Identity>::namespaced(client.clone(), &namespace);
    let mut seen = identity.clone();
    let mut attempt = 1;
    loop {
        let mut status = seen.status.clone().unwrap_or_default();
        if !change(&seen, &mut status) {
            return Ok(seen);
        }
        match write(&api, &seen, &status).await {
            Err(error) if is_conflict(&error) && attempt < ATTEMPTS => {
                attempt += 1;
                let fresh = api.get(&seen.name_any()).await?;
                if fresh.uid() != identity.uid() {
                    return Err(error);
                }
                seen = fresh;
            }
            written => return written,
        }
    }
}

async fn write(
    api: &Api<Identity>,
    seen: &Identity,
    status: &IdentityStatus,
) -> Result<Identity, kube::Error> {
    let patch = json!({
        "metadata": {"uid": seen.uid(), "resourceVersion": seen.resource_version()},
        "status": merge(seen.status.as_ref(), status),
    });
    let params = PatchParams {
        field_manager: Some(names::FIELD_MANAGER_BROKER.to_owned()),
        ..PatchParams::default()
    };
    api.patch_status(&seen.name_any(), &params, &Patch::Merge(patch))
        .await
}

/// The new status as a merge patch on the old: what is there no more is taken away, and not only left out.
fn merge(old: Option<&IdentityStatus>, new: &IdentityStatus) -> Value {
    let mut patch = json!(new);
    let old = json!(old.cloned().unwrap_or_default());
    let (Some(patch_fields), Some(old_fields)) = (patch.as_object_mut(), old.as_object()) else {
        return patch;
    };
    for key in old_fields.keys() {
        patch_fields.entry(key).or_insert(Value::Null);
    }
    patch
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_no_more_is_taken_away() {
        let old = IdentityStatus {
            service_account_uid: Some("u-1".into()),
            left: vec!["Job nightly".into()],
            ..IdentityStatus::default()
        };
        let new = IdentityStatus {
            google_service_account_id: Some("1".into()),
            ..IdentityStatus::default()
        };
        let want = json!({"serviceAccountUid": null, "left": null, "googleServiceAccountId": "1"});
        assert_eq!(merge(Some(&old), &new), want);
        assert_eq!(merge(None, &new), json!({"googleServiceAccountId": "1"}));
    }
}
