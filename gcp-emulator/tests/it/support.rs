//! A world to ask, an issuer of KSA tokens, and requests in one line.

use std::fmt::Write;

use axum::Router;
use axum::body::Body;
use data_encoding::BASE64URL_NOPAD;
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use jiff::{SignedDuration, Timestamp};
use namesake_gcp_emulator::{Clock, Options, State, app};
use ring::rsa::PublicKeyComponents;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};
use tower::ServiceExt;

pub(crate) const CLUSTER: &str =
    "https://container.googleapis.com/v1/projects/acme/locations/us-central1/clusters/ml";
pub(crate) const POOL: &str = "acme.svc.id.goog";
pub(crate) const ADMIN: &str = "admin@acme.com";
pub(crate) const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
pub(crate) const GSAS: &str = "/v1/projects/acme-identities/serviceAccounts";

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn message(&self) -> &str {
        self.body["error"]["message"].as_str().unwrap_or_default()
    }

    pub(crate) fn code(&self) -> &str {
        self.body["error"]["status"].as_str().unwrap_or_default()
    }
}

/// A world: two projects, a pool, a bucket, and an admin who may do everything.
pub(crate) struct World {
    pub(crate) state: State,
    router: Router,
    pub(crate) admin: String,
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
    let world = json!({
        "projects": [
            {"id": "acme", "number": 123_456_789_012_u64, "bindings": bindings},
            {"id": "acme-identities", "number": 210_987_654_321_u64, "bindings": bindings},
        ],
        "pools": [{"pool": POOL, "issuer": CLUSTER, "jwks": Issuer::new().jwks()}],
        "buckets": [{"name": "acme-mf", "project": "acme"}],
        "groups": {"research@acme.com": ["alice@acme.com"]},
    });
    Options {
        world: serde_json::from_value(world).unwrap(),
        seed: Some(1),
        clock: Clock::fixed("2026-11-22T12:00:00Z".parse().unwrap()),
        ..Options::default()
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::of(State::new(options()).unwrap())
    }

    pub(crate) fn of(state: State) -> Self {
        Self {
            router: app(state.clone()),
            admin: state.user_token(ADMIN),
            clock: state.clock(),
            state,
        }
    }

    pub(crate) fn pass(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
    }

    /// A request by the holder of `token` (none, if empty).
    pub(crate) async fn ask(&self, token: &str, method: &str, uri: &str, body: Value) -> Answer {
        let mut request = Request::builder().method(method).uri(uri);
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let body = match body {
            Value::Null => Body::empty(),
            body => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
        };
        self.send(request.body(body).unwrap()).await
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: serde_json::from_slice(&bytes)
                .unwrap_or_else(|_| json!(String::from_utf8_lossy(&bytes))),
        }
    }

    /// A request by the admin that must succeed.
    pub(crate) async fn must(&self, method: &str, uri: &str, body: Value) -> Value {
        let answer = self.ask(&self.admin, method, uri, body).await;
        assert_eq!(answer.status, 200, "{method} {uri}: {}", answer.body);
        answer.body
    }

    /// Makes a service account; answers its e-mail.
    pub(crate) async fn account(&self, id: &str) -> String {
        let account = self.must("POST", GSAS, json!({"accountId": id})).await;
        account["email"].as_str().unwrap().to_owned()
    }

    /// Replaces the policy of a service account by one binding.
    pub(crate) async fn bind(&self, email: &str, role: &str, member: &str) -> Value {
        let policy = json!({"policy": {"bindings": [{"role": role, "members": [member]}]}});
        self.must("POST", &format!("{GSAS}/{email}:setIamPolicy"), policy)
            .await
    }

    pub(crate) async fn exchange(&self, subject: &str) -> Answer {
        self.ask("", "POST", "/v1/token", exchange(subject)).await
    }

    /// The federated token of a KSA.
    pub(crate) async fn federated(&self, ksa: &Ksa) -> String {
        let answer = self
            .exchange(&Issuer::new().token(ksa, self.clock.token_now()))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body["access_token"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn impersonate(&self, federated: &str, email: &str) -> Answer {
        let uri = format!("/v1/projects/-/serviceAccounts/{email}:generateAccessToken");
        let body = json!({"delegates": null, "scope": [SCOPE], "lifetime": "3600s"});
        self.ask(federated, "POST", &uri, body).await
    }
}

/// The exchange that GKE makes, in camel case.
pub(crate) fn exchange(subject: &str) -> Value {
    json!({
        "grantType": "urn:ietf:params:oauth:grant-type:token-exchange",
        "audience": format!("identitynamespace:{POOL}:{CLUSTER}"),
        "scope": SCOPE,
        "requestedTokenType": "urn:ietf:params:oauth:token-type:access_token",
        "subjectTokenType": "urn:ietf:params:oauth:token-type:jwt",
        "subjectToken": subject,
    })
}

/// A Kubernetes service account.
#[derive(Clone, Debug)]
pub(crate) struct Ksa {
    pub(crate) namespace: &'static str,
    pub(crate) name: &'static str,
    pub(crate) uid: &'static str,
}

pub(crate) const ALICE: Ksa = Ksa {
    namespace: "research",
    name: "mf-alice",
    uid: "0a1b2c3d-0000-4000-8000-000000000001",
};

impl Ksa {
    /// The legacy spelling of its member.
    pub(crate) fn member(&self) -> String {
        format!("serviceAccount:{POOL}[{}/{}]", self.namespace, self.name)
    }
}

/// Signs tokens as an API server does.
pub(crate) struct Issuer {
    key: RsaKeyPair,
}

impl Issuer {
    pub(crate) fn new() -> Self {
        let key = RsaKeyPair::from_pkcs8(include_bytes!("../../testdata/issuer-key.der")).unwrap();
        Self { key }
    }

    /// Somebody else, under the same key id.
    pub(crate) fn stranger() -> Self {
        let key =
            RsaKeyPair::from_pkcs8(include_bytes!("../../testdata/stranger-key.der")).unwrap();
        Self { key }
    }

    pub(crate) fn jwks(&self) -> Value {
        let parts = PublicKeyComponents::<Vec<u8>>::from(self.key.public());
        let (n, e) = (
            BASE64URL_NOPAD.encode(&parts.n),
            BASE64URL_NOPAD.encode(&parts.e),
        );
        json!({"keys": [{"use": "sig", "kty": "RSA", "kid": "k1", "alg": "RS256", "n": n, "e": e}]})
    }

    pub(crate) fn token(&self, ksa: &Ksa, now: Timestamp) -> String {
        self.sign(&claims(ksa, now))
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        let header = json!({"alg": "RS256", "kid": "k1"});
        let mut token = BASE64URL_NOPAD.encode(header.to_string().as_bytes());
        write!(
            token,
            ".{}",
            BASE64URL_NOPAD.encode(claims.to_string().as_bytes())
        )
        .unwrap();
        let mut signature = vec![0; self.key.public().modulus_len()];
        let random = ring::rand::SystemRandom::new();
        self.key
            .sign(&RSA_PKCS1_SHA256, &random, token.as_bytes(), &mut signature)
            .unwrap();
        write!(token, ".{}", BASE64URL_NOPAD.encode(&signature)).unwrap();
        token
    }
}

/// The claims of a bound token, as a real API server writes them.
pub(crate) fn claims(ksa: &Ksa, now: Timestamp) -> Value {
    let now = now.as_second();
    json!({
        "aud": [POOL],
        "exp": now + 900,
        "iat": now,
        "nbf": now,
        "iss": CLUSTER,
        "jti": "7d2f7b6c-4f0e-4c3d-8a67-2f9d2f1f9c11",
        "kubernetes.io": {
            "namespace": ksa.namespace,
            "pod": {"name": "t-1", "uid": "9b1d"},
            "serviceaccount": {"name": ksa.name, "uid": ksa.uid},
        },
        "sub": format!("system:serviceaccount:{}:{}", ksa.namespace, ksa.name),
    })
}
