//! Programs that use the API server as a service account, with its rights and no others.

use std::path::PathBuf;

use anyhow::{Context, Result};
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::ServiceAccount,
};
use kube::{Api, api::PostParams};

use crate::{
    ControlPlane, WorkFolder,
    kubernetes::users::{ADMIN, kubeconfig, kubeconfig_path, write_private},
};

/// Longer than a sandbox runs, in seconds: nobody renews the token in the kubeconfig.
const TOKEN_SECONDS: i64 = 30 * 24 * 3600;

/// Writes a kubeconfig with a token of this service account.
///
/// # Errors
/// There is no such account, or the file cannot be written.
pub(crate) async fn write_account_kubeconfig(
    control_plane: &ControlPlane,
    namespace: &str,
    account: &str,
    folder: &WorkFolder,
) -> Result<PathBuf> {
    let admin = control_plane.client(ADMIN).await?;
    let accounts = Api::<ServiceAccount>::namespaced(admin, namespace);
    let request = TokenRequest {
        spec: Some(TokenRequestSpec {
            expiration_seconds: Some(TOKEN_SECONDS),
            ..TokenRequestSpec::default()
        }),
        ..TokenRequest::default()
    };
    let answer = accounts
        .create_token_request(account, &PostParams::default(), &request)
        .await
        .with_context(|| format!("cannot get a token for {namespace}/{account}"))?;
    let token = answer.status.and_then(|status| status.token);
    let token = token.context("the TokenRequest has no token")?;
    let path = kubeconfig_path(&folder.kubeconfigs(), account);
    let text = kubeconfig(
        account,
        control_plane.server(),
        control_plane.ca_pem(),
        &format!("token: {token}"),
    );
    write_private(&path, &text)?;
    Ok(path)
}
