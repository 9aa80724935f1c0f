//! The broker's own connection to Google.

use anyhow::Context as _;
use namesake_gcp::{Endpoints, Gcp, application_default};

/// A client with Application Default Credentials: on GKE the metadata server's, on a laptop those of gcloud.
///
/// # Errors
/// When there are no credentials, or an endpoint is not a URL.
pub async fn connect(endpoints: Endpoints) -> anyhow::Result<Gcp> {
    let credentials = application_default()
        .context("no Google credentials: run where a metadata server answers, or set GOOGLE_APPLICATION_CREDENTIALS")?;
    Gcp::connect(endpoints, credentials)
        .await
        .context("connect to Google: check the --*-endpoint flags")
}
