//! The gateway's authorizer, with a real API server: rules, Identities, tokens of pods and the keys of the cluster.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result, ensure};
use http::Method;
use k8s_openapi::api::core::v1::Pod;
use namesake_api::{
    Identity,
    names::{
        AUTHORIZE_PATH, CLAIMS_HEADER, CLUSTER_KEYS_PATH, GATEWAY_AUDIENCE, READY_PATH,
        SERVES_HEADER, STATUS_PATH, USER_HEADER,
    },
};
use namesake_gateway::{Serve, bind_socket, config::Config};
use namesake_sandbox::kubernetes::users::{ADMIN, ALICE};
use namesake_service::{LogFormat, ServerArgs};
use namesake_tests::{
    drafts::pod,
    eventually::{eventually, within},
    namespace::{TestNamespace, account_of, with_own_stack},
    stack::{Options, SHARED_RULES},
};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

/// How soon a pod of somebody who is suspended is refused.
const SOON: Duration = Duration::from_secs(15);

/// The rules with endpoints for pods only.
fn rules() -> String {
    format!("{SHARED_RULES}\nendpoints: {{admin: {{users: [root@acme.com]}}}}\n")
}

fn options() -> Options {
    Options {
        rules: rules(),
        ..Options::default()
    }
}

/// The authorizer in this process. It stops when it is dropped.
struct Authorizer {
    http: reqwest::Client,
    server: AbortHandle,
    _folder: TempDir,
}

impl Drop for Authorizer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Authorizer {
    async fn start(ns: &TestNamespace) -> Result<Self> {
        let cluster = ns.stack.cluster();
        let text = format!(
            "apiVersion: namesake.dev/v1alpha1\nkind: GatewayConfig\n\
             hosts: [{{name: metadata.acme.com, serves: api, backend: \"http://127.0.0.1:9\"}}]\n\
             cluster: {{audience: {GATEWAY_AUDIENCE}, issuer: \"{}\"}}\n",
            cluster.issuer()
        );
        let config = Config::parse("gateway.yaml", &text)?;
        let folder = tempfile::tempdir()?;
        let socket = folder.path().join("authorizer.sock");
        let listener = bind_socket(&socket)?;
        let metrics = std::net::TcpListener::bind("127.0.0.1:0")?;
        let client = cluster.control_plane.client(ADMIN).await?;
        let http = reqwest::Client::builder()
            .unix_socket(socket.clone())
            .build()?;
        let args = serve(socket);
        let server = tokio::spawn(async move {
            let shutdown = CancellationToken::new();
            namesake_gateway::run(&args, config, client, listener, metrics, shutdown).await
        });
        let authorizer = Self {
            http,
            server: server.abort_handle(),
            _folder: folder,
        };
        eventually("the authorizer is ready", async || {
            let (status, text) = authorizer.get(READY_PATH, "").await?;
            ensure!(status == 200, "{text}");
            Ok(())
        })
        .await?;
        Ok(authorizer)
    }

    async fn get(&self, path: &str, claims: &str) -> Result<(u16, String)> {
        let url = format!("http://authorizer{path}");
        let answer = self
            .http
            .get(url)
            .header(CLAIMS_HEADER, claims)
            .send()
            .await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// Asks as Envoy does: the status, with the user or the reason.
    async fn ask(&self, claims: &str, method: Method, path: &str, body: &Value) -> Result<String> {
        let url = format!("http://authorizer{AUTHORIZE_PATH}{path}");
        let request = self.http.request(method, url).body(body.to_string());
        let request = request
            .header(CLAIMS_HEADER, claims)
            .header(SERVES_HEADER, "api");
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let user = answer.headers().get(USER_HEADER).cloned();
        let text = answer.text().await?;
        let reason = serde_json::from_str::<Value>(&text).unwrap_or_default()["reason"].clone();
        let what = match user {
            Some(user) => user.to_str()?.to_owned(),
            None => reason.as_str().unwrap_or_default().to_owned(),
        };
        Ok(format!("{status} {what}"))
    }
}

fn serve(socket: PathBuf) -> Serve {
    Serve {
        config: PathBuf::new(),
        socket,
        metadata_url: None,
        server: ServerArgs {
            namespace: namesake_api::names::SYSTEM_NAMESPACE.to_owned(),
            metrics_listen: std::net::SocketAddr::from(([127, 0, 0, 1], 0)),
            drain: Duration::ZERO,
            log: String::new(),
            log_format: LogFormat::Text,
        },
    }
}

/// A pod of alice, and the claims of its token for the gateway, as Envoy passes them.
async fn pod_of_alice(ns: &TestNamespace) -> Result<(Pod, String)> {
    let pod = ns.alice().await?.create::<Pod>(pod()).await?;
    ns.runs_as(&pod, ALICE).await?;
    let token = ns.pod_token(&pod, &[GATEWAY_AUDIENCE]).await?;
    let claims = token.expose_secret().split('.').nth(1);
    Ok((pod, claims.context("the token has no claims")?.to_owned()))
}

#[test]
fn a_pods_token_is_its_user_at_the_gateway_until_the_identity_is_suspended() -> Result<()> {
    with_own_stack(options(), |ns| async move {
        let authorizer = Authorizer::start(&ns).await?;
        let (pod, claims) = pod_of_alice(&ns).await?;
        let ask = async |method, path, body| authorizer.ask(&claims, method, path, &body).await;
        let allowed = format!("200 {ALICE}");
        eventually("alice's pod may read", async || {
            let answer = ask(Method::GET, "/ping", Value::Null).await?;
            ensure!(answer == allowed, "{answer}");
            Ok(())
        })
        .await?;
        for (user, expected) in [(ALICE, &*allowed), ("bob@acme.com", "403 NamesAnotherUser")] {
            let run = json!({"user_name": user, "system_tags": [format!("user:{user}")]});
            let answer = ask(Method::POST, "/flows/F/run", run).await?;
            ensure!(answer == expected, "{user}: {answer}");
        }
        // Nothing listens at the metadata service, so nobody knows who owns a run.
        let answer = ask(Method::POST, "/flows/F/runs/1/heartbeat", json!({})).await?;
        ensure!(answer == "503 OwnerLookupFailed", "{answer}");
        let suspend = json!({"spec": {"suspended": true}});
        ns.admin()
            .await?
            .patch::<Identity>(account_of(&pod), suspend)
            .await?;
        within(SOON, "the pod is refused", async || {
            let answer = ask(Method::GET, "/ping", Value::Null).await?;
            ensure!(answer == "403 NotServing", "{answer}");
            Ok(())
        })
        .await
    })
}

#[test]
fn an_edit_of_endpoints_reaches_the_gateway_and_a_person_sees_the_own_identity() -> Result<()> {
    with_own_stack(options(), |ns| async move {
        let authorizer = Authorizer::start(&ns).await?;
        let (pod, claims) = pod_of_alice(&ns).await?;
        eventually("the page has alice's identity", async || {
            let (status, text) = authorizer.get(STATUS_PATH, &claims).await?;
            let page: Value = serde_json::from_str(&text)?;
            let first = &page["identities"][0];
            ensure!(status == 200 && first["name"] == account_of(&pod), "{text}");
            ensure!(page["user"] == ALICE && first["ready"] == true, "{text}");
            ensure!(page["problems"] == json!([]), "{text}");
            Ok(())
        })
        .await?;
        ns.stack.edit_rules(SHARED_RULES).await??;
        eventually("the section is gone", async || {
            let answer = authorizer
                .ask(&claims, Method::GET, "/ping", &Value::Null)
                .await?;
            ensure!(answer == "403 NoEndpoints", "{answer}");
            Ok(())
        })
        .await
    })
}

#[test]
fn the_gateway_serves_the_keys_that_the_cluster_signs_tokens_with() -> Result<()> {
    with_own_stack(options(), |ns| async move {
        let authorizer = Authorizer::start(&ns).await?;
        let client = ns.stack.cluster().control_plane.client(ADMIN).await?;
        let request = http::Request::get("/openid/v1/jwks").body(Vec::new())?;
        let keys = client.request_text(request).await?;
        let (status, served) = authorizer.get(CLUSTER_KEYS_PATH, "").await?;
        ensure!(status == 200 && served == keys, "{status} {served}");
        Ok(())
    })
}
