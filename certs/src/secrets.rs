//! A Secret that whichever replica comes first makes, and the others read.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::api::PostParams;
use kube::{Api, Client};

use crate::Error;

const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);

/// Reads the Secret, or makes it. When another replica makes it at the same time, reads the other's.
pub(crate) async fn get_or_create(
    client: &Client,
    namespace: &str,
    name: &str,
    make: impl FnOnce() -> Result<Secret, Error> + Send,
) -> Result<Secret, Error> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let read = || async {
        api.get_opt(name)
            .await
            .map_err(Error::kubernetes(format!("read secret {namespace}/{name}")))
    };
    if let Some(found) = read().await? {
        return Ok(found);
    }
    let fresh = make()?;
    let mut attempt = 1;
    loop {
        let failed = match api.create(&PostParams::default(), &fresh).await {
            Ok(made) => return Ok(made),
            Err(kube::Error::Api(status)) if status.is_already_exists() => match read().await? {
                Some(found) => return Ok(found),
                None => kube::Error::Api(status),
            },
            Err(other) => {
                return Err(Error::kubernetes(format!(
                    "create secret {namespace}/{name}"
                ))(other));
            }
        };
        // It was there and is gone again: somebody deletes it as fast as it is made.
        if attempt == ATTEMPTS {
            return Err(Error::kubernetes(format!(
                "create secret {namespace}/{name}"
            ))(failed));
        }
        attempt += 1;
        tokio::time::sleep(PAUSE).await;
    }
}
