//! What happens when a provider changes its keys, or is down.

use std::time::Duration;

use anyhow::{Result, ensure};
use namesake_tests::{endpoints::Endpoints, eventually::eventually};

async fn status(endpoints: &Endpoints, token: &str) -> Result<u16> {
    Ok(endpoints
        .get("/ping")
        .bearer_auth(token)
        .send()
        .await?
        .status()
        .as_u16())
}

#[tokio::test]
async fn new_keys_of_a_provider_are_used_and_withdrawn_ones_are_not() -> Result<()> {
    let endpoints = Endpoints::start(|_| ()).await?;
    let old = endpoints.token().await?;
    ensure!(
        status(&endpoints, &old).await? == 200,
        "the first key is not accepted"
    );
    endpoints.gateway.provider.rotate_keys().await?;
    let new = endpoints.token().await?;
    eventually(
        "the new key is accepted, and the old one is not",
        async || {
            let found = (
                status(&endpoints, &new).await?,
                status(&endpoints, &old).await?,
            );
            ensure!(found == (200, 401), "{found:?}");
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn valid_tokens_go_on_while_the_provider_is_down() -> Result<()> {
    let endpoints = Endpoints::start(|_| ()).await?;
    let token = endpoints.token().await?;
    ensure!(
        status(&endpoints, &token).await? == 200,
        "the token is not accepted"
    );
    endpoints
        .gateway
        .provider
        .process()
        .stop(Duration::ZERO)
        .await;
    // Envoy reads the keys each second here: it has failed a few times at the end.
    eventually("reading the keys failed three times", async || {
        let failures = endpoints.log()?.matches("/jwks: failed").count();
        ensure!(failures >= 3, "{failures} times");
        Ok(())
    })
    .await?;
    ensure!(
        status(&endpoints, &token).await? == 200,
        "the token is not accepted any more"
    );
    ensure!(
        status(&endpoints, "abc").await? == 401,
        "without keys everything is accepted"
    );
    Ok(())
}
