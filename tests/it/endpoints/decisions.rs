//! The authorizer behind Envoy, with tokens of a real provider and in front of a real metadata service.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use namesake_api::{Phase, names::RULES_KEY};
use namesake_gateway::{
    app, bind_socket,
    caller::{KnownIdentity, NotReady},
    config::Config,
    state::{Owners, State, system_clock},
};
use namesake_sandbox::gateway::browser::{browse, log_in};
use namesake_service::RulesFiles;
use namesake_tests::{
    endpoints::{Endpoints, refusal, screenshots},
    stack::SHARED_RULES,
};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::task::AbortHandle;

const ALICE: &str = "alice@acme.com";
const BOB: &str = "bob@acme.com";

/// An identity of alice that does not work yet.
fn waiting_identity() -> KnownIdentity {
    KnownIdentity {
        stack: "prod".into(),
        user: ALICE.into(),
        class: "research".into(),
        google_account: Some(
            "mf-alice-4k72lwgc2tsmxd@acme-identities.iam.gserviceaccount.com".into(),
        ),
        service_account_uid: Some("u-1".into()),
        phase: Phase::Verifying,
        serves: true,
        not_ready: Some(Box::new(NotReady {
            reason: "Propagating".to_owned(),
            message: "Google is distributing a change".to_owned(),
        })),
    }
}

/// A gateway with the authorizer in the recorder's place. alice and bob write, and root is an admin.
struct Decisions {
    endpoints: Endpoints,
    server: AbortHandle,
}

impl Drop for Decisions {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Decisions {
    async fn start() -> Result<Self> {
        let endpoints = Endpoints::start(|_| ()).await?;
        let gateway = &endpoints.gateway;
        let owners = Owners::new(&gateway.service.url().parse()?)?;
        let state = State::new(Config::load(gateway.config())?, owners, system_clock());
        let rules = format!(
            "{SHARED_RULES}\nendpoints: {{write: {{users: [{ALICE}, {BOB}]}}, admin: {{users: [root@acme.com]}}}}\n"
        );
        state
            .rules
            .set_current(Some(RulesFiles::from([(RULES_KEY.to_owned(), rules)])));
        let (namespace, name) = ("research", "mf-alice-4k72lwgc2tsmxd");
        state.identities.apply(namespace, name, waiting_identity());
        std::fs::remove_file(gateway.socket())?;
        let listener = bind_socket(gateway.socket())?;
        let app = app(Arc::new(state));
        let server = tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(Self {
            endpoints,
            server: server.abort_handle(),
        })
    }

    /// A request to the API host with a token of this user.
    async fn request(&self, user: &str, method: Method, path: &str) -> Result<RequestBuilder> {
        let mut claims = self.endpoints.claims();
        claims["sub"] = user.into();
        claims["email"] = user.into();
        let token = self.endpoints.sign(&claims).await?;
        let url = format!("{}{path}", self.endpoints.gateway.api());
        Ok(self.endpoints.request(method, &url).bearer_auth(token))
    }

    /// The status and the body of what is written.
    async fn write(&self, user: &str, path: &str, body: &Value) -> Result<(u16, Value)> {
        let request = self.request(user, Method::POST, path).await?;
        let answer = request.json(body).send().await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    }

    /// The path of a new run of alice.
    async fn run_of_alice(&self) -> Result<String> {
        let body =
            json!({"flow_id": "F", "user_name": ALICE, "system_tags": [format!("user:{ALICE}")]});
        let (status, run) = self.write(ALICE, "/flows/F/run", &body).await?;
        ensure!(status == 201, "{status} {run}");
        ensure!(run["user_name"] == ALICE, "{run}");
        let id = &run["run_number"];
        let id = id
            .as_str()
            .map(str::to_owned)
            .or(id.as_i64().map(|id| id.to_string()));
        Ok(format!(
            "/flows/F/runs/{}",
            id.context("the run has no id")?
        ))
    }
}

#[tokio::test]
async fn nobody_writes_into_anothers_run_and_the_clients_screen_says_why() -> Result<()> {
    let gateway = Decisions::start().await?;
    let run = gateway.run_of_alice().await?;
    let heartbeat = format!("{run}/heartbeat");
    let step = format!("{run}/steps/start/step");
    for (user, path, expected) in [
        (ALICE, &heartbeat, 200),
        (ALICE, &step, 201),
        ("root@acme.com", &heartbeat, 200),
        (BOB, &heartbeat, 403),
        (BOB, &step, 403),
    ] {
        let (status, body) = gateway.write(user, path, &json!({})).await?;
        ensure!(status == expected, "{user} {path}: {status} {body}");
        if status == 403 {
            let says = format!("{run} belongs to \"{ALICE}\", and you are {BOB}.");
            let message = body["message"].as_str().unwrap_or_default();
            ensure!(
                message.starts_with(&says) && body["reason"] == "NotYourRun",
                "{body}"
            );
        }
    }
    let answer = gateway
        .request(BOB, Method::GET, &run)
        .await?
        .send()
        .await?;
    ensure!(answer.status() == 200, "bob may read: {}", answer.status());
    let as_alice = json!({"flow_id": "F", "user_name": ALICE});
    let (status, body) = gateway.write(BOB, "/flows/F/run", &as_alice).await?;
    ensure!(
        (status, &body["reason"]) == (403, &json!("NamesAnotherUser")),
        "{status} {body}"
    );
    let missing = "/flows/F/runs/999999/heartbeat";
    let (status, body) = gateway.write(BOB, missing, &json!({})).await?;
    ensure!(
        (status, &body["reason"]) == (404, &json!("UnknownRun")),
        "{status} {body}"
    );
    Ok(())
}

#[tokio::test]
async fn who_has_no_right_is_refused_and_still_reaches_the_page() -> Result<()> {
    let gateway = Decisions::start().await?;
    let get = async |path: &str| {
        let request = gateway.request("carol@acme.com", Method::GET, path).await?;
        anyhow::Ok(request.send().await?)
    };
    let (status, reason, message) = refusal(get("/flows").await?).await?;
    ensure!(
        (status, reason.as_str()) == (403, "NoEndpointRight"),
        "{status} {reason}"
    );
    ensure!(message.contains("endpoints.read"), "{message}");
    let answer = get("/namesake/whoami").await?;
    ensure!(answer.status() == 200, "{}", answer.status());
    let whoami: Value = answer.json().await?;
    ensure!(
        whoami["user"] == "carol@acme.com" && whoami["read"] == false,
        "{whoami}"
    );
    let answer = get("/namesake/").await?;
    let policy = answer.headers().get("content-security-policy").cloned();
    let policy = policy.context("no policy")?;
    ensure!(
        policy
            .to_str()?
            .starts_with("default-src 'none'; style-src 'sha256-"),
        "{policy:?}"
    );
    Ok(())
}

#[tokio::test]
async fn after_the_login_the_page_shows_people_who_they_are_and_what_they_wait_for() -> Result<()> {
    let Decisions { endpoints, .. } = &Decisions::start().await?;
    let address = format!("{}/namesake/", endpoints.gateway.ui());
    let mut steps = log_in(&address, "alice", &address);
    steps.extend([
        json!({"screenshot": "page"}),
        json!({"width": 390}),
        json!({"screenshot": "page-on-a-phone"}),
    ]);
    let programs = &endpoints.gateway.programs;
    let (children, folder) = (&endpoints.children, &endpoints.folder);
    let seen = browse(children, programs, folder, &screenshots(), &steps).await?;
    ensure!(seen.url == address && seen.title == "Namesake", "{seen:?}");
    for text in [
        ALICE,
        "read",
        "write",
        "Log out",
        "Propagating: Google is distributing a change",
    ] {
        ensure!(seen.text.contains(text), "{text:?} is not in {}", seen.text);
    }
    Ok(())
}
