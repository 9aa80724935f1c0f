//! Steps at Google, against the emulator. What needs an API server is in the cluster tests.

use axum::http::{Extensions, HeaderMap, HeaderValue};
use google_cloud_auth::credentials::{
    CacheableResource, Credentials, CredentialsProvider, EntityTag, anonymous,
};
use google_cloud_auth::errors::CredentialsError;
use kube::Client;
use namesake_api::Mode;
use namesake_core::Reason;
use namesake_gcp::{Endpoints, Gcp, Policy, Resource};
use namesake_gcp_emulator::{Emulator, Options};
use serde_json::{Value, json};

use super::outcome::{ObservedAccount, StepOutcome};
use super::step::google_account_removal;
use super::step::teardown::delete_at_google;
use super::step::{google_account, policies, revoke};
use super::*;
use crate::cluster::namespaces;
use crate::fixtures;
use crate::google::recorded::WORKLOAD_IDENTITY_USER;
use crate::identity::plan::Desired;
use crate::identity::step_failure::Retry;
use crate::server::config::Config;
use crate::server::shared::Shared;

mod crash;
mod drift;
mod grants;
mod misconfiguration;
mod organization;
mod permissions;
mod plan_and_status;
mod setup;
mod step_run;
mod teardown;
mod two_brokers;

/// Credentials with this token.
#[derive(Debug)]
struct Bearer(String);

impl CredentialsProvider for Bearer {
    async fn headers(
        &self,
        _: Extensions,
    ) -> Result<CacheableResource<HeaderMap>, CredentialsError> {
        let mut data = HeaderMap::new();
        let value = format!("Bearer {}", self.0);
        data.insert("authorization", HeaderValue::from_str(&value).unwrap());
        Ok(CacheableResource::New {
            entity_tag: EntityTag::new(),
            data,
        })
    }

    async fn universe_domain(&self) -> Option<String> {
        None
    }
}

/// The emulator, and a context that is connected to it.
struct World {
    emulator: Emulator,
    context: Context,
}

impl World {
    async fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        // The example of RFC 7517: no token is verified here.
        let key = json!({"kty": "EC", "crv": "P-256", "kid": "1", "alg": "ES256", "use": "sig",
            "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"});
        let world = json!({
            "projects": [{"id": "acme", "number": 123}, {"id": "acme-identities", "number": 456}],
            "pools": [{"pool": "acme.svc.id.goog", "jwks": {"keys": [key]},
                "issuer": "https://container.googleapis.com/v1/projects/acme/locations/us-central1/clusters/ml"}],
            "buckets": [{"name": "acme-mf", "project": "acme", "uniformBucketLevelAccess": true}],
            "settings": {"anonymousAdmin": true},
        });
        let world = serde_json::from_value(world).unwrap();
        let emulator = Emulator::start(Options {
            seed: world,
            ..Options::default()
        })
        .await
        .unwrap();
        let context = Self::context(&emulator.base_url, Config::default()).await;
        Self { emulator, context }
    }

    /// A context of a broker that remembers nothing yet, connected to this emulator.
    async fn context(url: &str, config: Config) -> Context {
        Self::context_as(url, anonymous::Builder::new().build(), config).await
    }

    /// The same, with these credentials.
    async fn context_as(url: &str, credentials: Credentials, config: Config) -> Context {
        let url = || url.to_owned();
        let endpoints = Endpoints {
            iam: url(),
            iam_credentials: url(),
            sts: url(),
            storage: url(),
            resource_manager: url(),
        };
        let gcp = Gcp::connect(endpoints, credentials).await.unwrap();
        // No API server: these steps call Google only.
        let client =
            Client::try_from(kube::Config::new("http://127.0.0.1:9".parse().unwrap())).unwrap();
        let (namespaces, _) = namespaces::watch(client.clone(), Arc::default());
        let none = crate::identity::store::Identities::none();
        let shared = Shared::new(config, namespaces, none, Arc::default());
        Context::new(&shared, client, &gcp)
    }

    /// All requests to Google since request `after`.
    fn requests(&self, after: u64) -> Vec<String> {
        let requests = self.emulator.state().requests(after);
        requests
            .into_iter()
            .map(|r| format!("{} {}", r.method, r.path))
            .collect()
    }

    fn last(&self) -> u64 {
        self.emulator
            .state()
            .requests(0)
            .last()
            .map_or(0, |r| r.number)
    }

    /// Writes since request `after`.
    fn written(&self, after: u64) -> Vec<String> {
        let read = |line: &String| {
            let asks = [":getIamPolicy", ":testIamPermissions"];
            line.starts_with("GET ") || asks.iter().any(|verb| line.ends_with(verb))
        };
        self.requests(after)
            .into_iter()
            .filter(|line| !read(line))
            .collect()
    }

    async fn has(&self, resource: &Resource, role: &str, member: &str) -> bool {
        self.context
            .gcp
            .policy(resource)
            .await
            .unwrap()
            .has(role, member, None)
    }

    /// From now on, Google's answers have this fault.
    fn add_fault(&self, fault: Value) {
        let fault = serde_json::from_value(fault).unwrap();
        self.emulator.state().add_fault(fault);
    }

    /// Creates a GSA with this id that is not ours.
    fn create_foreign_account(&self, id: &str) {
        let account =
            json!({"project": "acme-identities", "accountId": id, "description": "billing"});
        self.seed(json!({"serviceAccounts": [account]}));
    }

    fn seed(&self, seed: Value) {
        self.emulator
            .state()
            .seed(serde_json::from_value(seed).unwrap())
            .unwrap();
    }
}

fn account(identity: &Identity) -> Resource {
    Resource::ServiceAccount {
        email: identity.spec.google_service_account.clone().unwrap(),
    }
}

fn folder(identity: &Identity) -> Resource {
    Desired::of(&identity.spec)
        .grants
        .into_keys()
        .next()
        .unwrap()
}

fn member(identity: &Identity) -> String {
    format!(
        "serviceAccount:{}",
        identity.spec.google_service_account.as_ref().unwrap()
    )
}

/// The members of an identity in mode impersonate.
fn members(identity: &Identity) -> crate::google::recorded::Members {
    crate::google::recorded::Members {
        binding: Some(crate::google::principal::member_by_name(identity)),
        grantee: member(identity),
    }
}

fn pinned() -> Identity {
    let mut identity = fixtures::identity();
    identity.spec.pinned = true;
    identity.spec.google_service_account =
        Some("alice-ml@acme-identities.iam.gserviceaccount.com".into());
    identity
}

fn direct() -> Identity {
    let mut identity = fixtures::identity();
    identity.spec.mode = Mode::Direct;
    identity.spec.google_service_account = None;
    let status = namesake_api::IdentityStatus {
        service_account_uid: Some("u-1".into()),
        ..Default::default()
    };
    identity.status = Some(status);
    identity
}
