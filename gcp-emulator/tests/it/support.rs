//! The emulated world of these tests: two projects, a workload pool, a bucket, and an admin who is allowed everything.

use jiff::SignedDuration;
use namesake_gcp_emulator::{Clock, Emulator, Options, State, app};
use serde_json::{Value, json};

pub(crate) use client::{Answer, Client};
pub(crate) use conversation::replay;
pub(crate) use issuer::{ALICE, Issuer, Ksa, claims, exchange};

mod client;
mod conversation;
mod issuer;

pub(crate) const CLUSTER: &str =
    "https://container.googleapis.com/v1/projects/acme/locations/us-central1/clusters/ml";
pub(crate) const POOL: &str = "acme.svc.id.goog";
pub(crate) const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
pub(crate) const GSAS: &str = "/v1/projects/acme-identities/serviceAccounts";
const ADMIN: &str = "admin@acme.com";

/// The world, and clients of its router.
pub(crate) struct World {
    pub(crate) state: State,
    pub(crate) admin: Client,
    /// Sends no token.
    pub(crate) anonymous: Client,
    pub(crate) clock: Clock,
}

pub(crate) fn options() -> Options {
    let roles = [
        "roles/owner",
        "roles/iam.serviceAccountAdmin",
        "roles/storage.admin",
        "roles/resourcemanager.projectIamAdmin",
    ];
    let bindings: Vec<Value> = roles
        .iter()
        .map(|role| json!({"role": role, "members": [format!("user:{ADMIN}")]}))
        .collect();
    let seed = json!({
        "projects": [
            {"id": "acme", "number": 123_456_789_012_u64, "bindings": bindings},
            {"id": "acme-identities", "number": 210_987_654_321_u64, "bindings": bindings},
        ],
        "pools": [{"pool": POOL, "issuer": CLUSTER, "jwks": Issuer::new().jwks()}],
        "buckets": [{"name": "acme-mf", "project": "acme"}],
        "groups": {"research@acme.com": ["alice@acme.com"]},
    });
    Options {
        seed: serde_json::from_value(seed).unwrap(),
        random_seed: Some(1),
        clock: Clock::fixed("2026-11-22T12:00:00Z".parse().unwrap()),
        ..Options::default()
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(options())
    }

    pub(crate) fn with(options: Options) -> Self {
        Self::of(State::new(options).unwrap())
    }

    /// The world of a running emulator.
    pub(crate) fn of(state: State) -> Self {
        let client = |token: String| Client {
            router: app(state.clone()),
            token,
        };
        Self {
            admin: client(state.user_token(ADMIN)),
            anonymous: client(String::new()),
            clock: state.clock(),
            state,
        }
    }

    /// A world whose objects are kept by `store`.
    pub(crate) async fn with_store(store: axum::Router) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, store).await });
        Self::with(Options {
            storage_upstream: Some(url),
            ..options()
        })
    }

    /// A world on the machine's clock, and its running emulator.
    pub(crate) async fn listening() -> (Self, Emulator) {
        let options = Options {
            clock: Clock::system(),
            ..options()
        };
        let emulator = Emulator::start(options).await.unwrap();
        (Self::of(emulator.state().clone()), emulator)
    }

    /// A client with this token.
    pub(crate) fn bearer(&self, token: &str) -> Client {
        Client {
            token: token.to_owned(),
            ..self.anonymous.clone()
        }
    }

    /// A client with a token of this person.
    pub(crate) fn user(&self, email: &str) -> Client {
        self.bearer(&self.state.user_token(email))
    }

    /// Moves the clock of IAM forward.
    pub(crate) fn pass(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
    }

    // Requests of the admin, which must succeed.

    pub(crate) async fn get(&self, uri: &str) -> Value {
        self.admin.get(uri).await.ok()
    }

    pub(crate) async fn delete(&self, uri: &str) -> Value {
        self.admin.delete(uri).await.ok()
    }

    pub(crate) async fn post(&self, uri: &str, body: Value) -> Value {
        self.admin.post(uri, body).await.ok()
    }

    pub(crate) async fn put(&self, uri: &str, body: Value) -> Value {
        self.admin.put(uri, body).await.ok()
    }

    pub(crate) async fn patch(&self, uri: &str, body: Value) -> Value {
        self.admin.patch(uri, body).await.ok()
    }

    pub(crate) async fn change_settings(&self, change: Value) {
        self.put("/emulator/v1/settings", change).await;
    }

    /// Creates a service account; returns its e-mail.
    pub(crate) async fn account(&self, id: &str) -> String {
        let account = self.post(GSAS, json!({"accountId": id})).await;
        account["email"].as_str().unwrap().to_owned()
    }

    /// Replaces the policy of a service account by one binding.
    pub(crate) async fn bind(&self, email: &str, role: &str, member: &str) -> Value {
        let policy = json!({"policy": {"bindings": [{"role": role, "members": [member]}]}});
        self.post(&format!("{GSAS}/{email}:setIamPolicy"), policy)
            .await
    }

    pub(crate) async fn exchange(&self, subject: &str) -> Answer {
        self.anonymous.post("/v1/token", exchange(subject)).await
    }

    /// The federated token of a KSA.
    pub(crate) async fn federated(&self, ksa: &Ksa) -> String {
        let subject = Issuer::new().token(ksa, self.clock.token_now());
        let token = self.exchange(&subject).await.ok();
        token["access_token"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn impersonate(&self, federated: &str, email: &str) -> Answer {
        let uri = format!("/v1/projects/-/serviceAccounts/{email}:generateAccessToken");
        let body = json!({"delegates": null, "scope": [SCOPE], "lifetime": "3600s"});
        self.bearer(federated).post(&uri, body).await
    }

    /// Adds a binding to the policy of the project `acme`.
    pub(crate) async fn add_to_project(&self, binding: Value) {
        let version = json!({"options": {"requestedPolicyVersion": 3}});
        let mut policy = self.post("/v1/projects/acme:getIamPolicy", version).await;
        policy["version"] = json!(3);
        policy["bindings"].as_array_mut().unwrap().push(binding);
        let policy = json!({ "policy": policy });
        self.post("/v1/projects/acme:setIamPolicy", policy).await;
    }

    /// What tokeninfo says about a token.
    pub(crate) async fn token_info(&self, token: &str) -> Value {
        let uri = format!("/tokeninfo?access_token={token}");
        self.anonymous.get(&uri).await.ok()
    }
}
