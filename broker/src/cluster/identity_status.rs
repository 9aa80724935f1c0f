//! Writes an Identity's status. The API, the reconciler and the gates all do: each computes its change from the current status,
//! and computes it again when the API server says that the Identity was changed meanwhile.

use kube::api::Patch;
use kube::{Api, Client, ResourceExt};
use namesake_api::{Identity, IdentityStatus};
use serde_json::{Value, json};

use crate::cluster::requests::{is_conflict, patch_params};

/// A change is computed at most this often, however often others write meanwhile.
const ATTEMPTS: usize = 20;

/// Applies `change` to the status, and writes it if `change` returns true. Returns the Identity as it is then.
///
/// # Errors
/// When the API server refuses or does not answer, or others write all the time.
pub async fn update(
    client: &Client,
    identity: &Identity,
    change: impl Fn(&Identity, &mut IdentityStatus) -> bool,
) -> Result<Identity, kube::Error> {
    let namespace = identity.namespace().unwrap_or_default();
    let api = Api::<Identity>::namespaced(client.clone(), &namespace);
    let mut current = identity.clone();
    let mut attempt = 1;
    loop {
        let mut status = current.status.clone().unwrap_or_default();
        if !change(&current, &mut status) {
            return Ok(current);
        }
        match write(&api, &current, &status).await {
            Err(error) if is_conflict(&error) && attempt < ATTEMPTS => {
                attempt += 1;
                let latest = api.get(&current.name_any()).await?;
                if latest.uid() != identity.uid() {
                    return Err(error);
                }
                current = latest;
            }
            written => return written,
        }
    }
}

async fn write(
    api: &Api<Identity>,
    current: &Identity,
    status: &IdentityStatus,
) -> Result<Identity, kube::Error> {
    let patch = json!({
        "metadata": {"uid": current.uid(), "resourceVersion": current.resource_version()},
        "status": merge_patch(current.status.as_ref(), status),
    });
    let patch = Patch::Merge(patch);
    api.patch_status(&current.name_any(), &patch_params(), &patch)
        .await
}

/// A merge patch from the old status to the new: a key that the new one does not have becomes null, which deletes it.
fn merge_patch(old: Option<&IdentityStatus>, new: &IdentityStatus) -> Value {
    let mut patch = json!(new);
    let old = json!(old.cloned().unwrap_or_default());
    if let (Some(patch), Some(old)) = (patch.as_object_mut(), old.as_object()) {
        for key in old.keys() {
            patch.entry(key).or_insert(Value::Null);
        }
    }
    patch
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_the_new_status_does_not_have_are_deleted() {
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
        assert_eq!(merge_patch(Some(&old), &new), want);
        assert_eq!(
            merge_patch(None, &new),
            json!({"googleServiceAccountId": "1"})
        );
    }
}
