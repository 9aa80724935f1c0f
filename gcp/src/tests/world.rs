//! An emulator with two projects, a workload pool and a bucket, and the client as their admin.

use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use jiff::{SignedDuration, Timestamp};
use namesake_gcp_emulator::{Clock, Emulator, Options};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use secrecy::SecretString;

use super::*;
use crate::{Resource, ServiceAccount};

pub(super) const POOL: &str = "acme.svc.id.goog";
pub(super) const ISSUER: &str =
    "https://container.googleapis.com/v1/projects/acme/locations/us-central1/clusters/ml";
const ADMIN: &str = "admin@acme.com";
pub(super) const KSA: &str = "serviceAccount:acme.svc.id.goog[research/mf-alice]";
pub(super) const MARK: &str = "namesake stack=prod cluster=projects/acme/locations/us-central1/clusters/ml ksa=research/mf-alice";
pub(super) const USE: &str = "roles/iam.workloadIdentityUser";

/// The emulator, the client, and the key that signs tokens of the cluster.
pub(super) struct World {
    pub(super) emulator: Emulator,
    pub(super) gcp: Gcp,
    key: EcdsaKeyPair,
}

/// What the project `acme` logs.
pub(super) fn audit_config() -> Value {
    json!({"service": "iam.googleapis.com", "auditLogConfigs": [{"logType": "DATA_READ"}]})
}

impl World {
    pub(super) async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap();
        let roles = [
            "roles/owner",
            "roles/iam.serviceAccountAdmin",
            "roles/storage.admin",
            "roles/resourcemanager.projectIamAdmin",
        ];
        let bindings: Vec<_> = roles
            .iter()
            .map(|role| json!({"role": role, "members": [format!("user:{ADMIN}")]}))
            .collect();
        let world = json!({
            "projects": [
                {"id": "acme", "number": 123_456_789_012_u64, "bindings": bindings, "auditConfigs": [audit_config()]},
                {"id": "acme-ids", "number": 210_987_654_321_u64, "bindings": bindings},
            ],
            "pools": [{"pool": POOL, "issuer": ISSUER, "jwks": jwks(&key)}],
            "buckets": [{"name": "acme-mf", "project": "acme"}],
        });
        let options = Options {
            seed: serde_json::from_value(world).unwrap(),
            random_seed: Some(1),
            clock: Clock::fixed(Timestamp::now()),
            ..Options::default()
        };
        let emulator = Emulator::start(options).await.unwrap();
        let endpoints = Endpoints::all_at(&emulator.base_url);
        let admin = Bearer(Arc::from(emulator.state().user_token(ADMIN)));
        let gcp = Gcp::connect(endpoints, Credentials::from(admin))
            .await
            .unwrap();
        let gcp = gcp.within(Duration::from_secs(20));
        Self { emulator, gcp, key }
    }

    pub(super) fn settings(&self, change: &Value) {
        let merge = |settings: &mut namesake_gcp_emulator::Settings| {
            *settings = settings.merged(change).unwrap();
        };
        self.emulator.state().change_settings(merge).unwrap();
    }

    pub(super) fn fault(&self, fault: Value) {
        let fault = serde_json::from_value(fault).unwrap();
        self.emulator.state().add_fault(fault);
    }

    pub(super) fn pass(&self, seconds: i64) {
        let clock = self.emulator.state().clock();
        clock.advance(SignedDuration::from_secs(seconds));
    }

    pub(super) async fn create(&self) -> Result<ServiceAccount, crate::Error> {
        let created = self
            .gcp
            .create_service_account("acme-ids", "mf-alice", "alice", MARK);
        created.await
    }

    pub(super) async fn bind(&self, email: &str) -> Result<crate::Policy, crate::Error> {
        let account = Resource::ServiceAccount {
            email: email.to_owned(),
        };
        self.gcp
            .modify_policy(&account, |policy| policy.add(USE, KSA, None))
            .await
    }

    pub(super) async fn federated(&self) -> SecretString {
        let audience = format!("identitynamespace:{POOL}:{ISSUER}");
        let scope = "https://www.googleapis.com/auth/cloud-platform";
        self.gcp
            .exchange(&self.ksa_token(), &audience, scope)
            .await
            .unwrap()
    }

    pub(super) fn ksa_token(&self) -> SecretString {
        let now = Timestamp::now().as_second();
        let claims = json!({"aud": [POOL], "iss": ISSUER, "iat": now, "nbf": now, "exp": now + 900,
            "sub": "system:serviceaccount:research:mf-alice", "kubernetes.io": {"namespace": "research",
            "serviceaccount": {"name": "mf-alice", "uid": "0a1b2c3d-0000-4000-8000-000000000001"}}});
        let header = json!({"alg": "ES256", "kid": "k1"});
        let encode = |json: &Value| BASE64URL_NOPAD.encode(json.to_string().as_bytes());
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let signature = self
            .key
            .sign(&SystemRandom::new(), signed.as_bytes())
            .unwrap();
        format!("{signed}.{}", BASE64URL_NOPAD.encode(signature.as_ref())).into()
    }
}

fn jwks(key: &EcdsaKeyPair) -> Value {
    // An uncompressed point: 4, then x and y of 32 bytes each.
    let point = key.public_key().as_ref();
    let (x, y) = (
        BASE64URL_NOPAD.encode(&point[1..33]),
        BASE64URL_NOPAD.encode(&point[33..]),
    );
    json!({"keys": [{"use": "sig", "kty": "EC", "crv": "P-256", "kid": "k1", "alg": "ES256", "x": x, "y": y}]})
}
