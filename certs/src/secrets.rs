//! Secrets that the first replica creates and the others read.

use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use namesake_api::names::{MANAGED_BY, MANAGED_BY_VALUE};

use crate::Error;

const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);

/// A Secret of ours with this data, not yet created.
pub(crate) fn new(
    namespace: &str,
    name: &str,
    data: impl IntoIterator<Item = (String, Vec<u8>)>,
) -> Secret {
    Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(namespace.to_owned()),
            labels: Some([(MANAGED_BY.to_owned(), MANAGED_BY_VALUE.to_owned())].into()),
            ..ObjectMeta::default()
        },
        data: Some(
            data.into_iter()
                .map(|(key, value)| (key, ByteString(value)))
                .collect(),
        ),
        ..Secret::default()
    }
}

/// Reads the Secret, or creates it. If another replica creates it at the same time, reads that one.
pub(crate) async fn get_or_create(
    client: &Client,
    namespace: &str,
    name: &str,
    generate: impl FnOnce() -> Result<Secret, Error> + Send,
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
    let fresh = generate()?;
    let mut attempt = 1;
    loop {
        let failed = match api.create(&PostParams::default(), &fresh).await {
            Ok(created) => return Ok(created),
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
        // It existed and is gone again: somebody keeps deleting it.
        if attempt == ATTEMPTS {
            return Err(Error::kubernetes(format!(
                "create secret {namespace}/{name}"
            ))(failed));
        }
        attempt += 1;
        tokio::time::sleep(PAUSE).await;
    }
}
