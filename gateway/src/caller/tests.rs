use std::collections::BTreeMap;

use data_encoding::{BASE64URL, BASE64URL_NOPAD};
use namesake_api::Phase;
use namesake_core::{Rules, Source};
use serde_json::{Value, json};

use super::*;

const NOW: i64 = 1_800_000_000;

const RULES: &str = r#"
apiVersion: namesake.dev/v1alpha1
kind: MappingRules
stack: prod
cluster: projects/acme/locations/us-central1/clusters/ml
users:
- {requester: "*@acme.com"}
- {requester: "okta:*", user: "{1}@acme.com"}
- {requester: "system:serviceaccount:hub:jupyter-*", user: "{1}@acme.com"}
offboarded: [mallory@acme.com]
endpoints: {read: {users: ["*@acme.com"]}}
"#;

fn rules() -> Rules {
    let sources = [Source {
        file: "rules.yaml",
        text: RULES,
    }];
    Rules::parse(&sources).unwrap()
}

fn config() -> Config {
    let config = json!({
        "apiVersion": "namesake.dev/v1alpha1", "kind": "GatewayConfig", "hosts": [],
        "issuers": [
            {"name": "google", "issuer": "https://accounts.google.com", "audiences": ["web", "cli"], "domains": ["acme.com"]},
            {"name": "okta", "issuer": "https://acme.okta.com", "audiences": ["api://metaflow"],
                "username": {"claim": "preferred", "prefix": "okta:"}, "groups": {"claim": "groups", "prefix": "okta:"}},
            {"name": "iap", "issuer": "https://cloud.google.com/iap", "audiences": ["/projects/1/x"], "login": {"type": "iap"}},
        ],
        "cluster": {"audience": "namesake-gateway", "issuer": "https://cluster"},
    });
    serde_json::from_value(config).unwrap()
}

/// A person's claims at Google, with changes; `null` removes a claim.
fn person(changes: &Value) -> Value {
    changed(
        json!({"iss": "https://accounts.google.com", "aud": "web", "sub": "1", "exp": NOW + 3600, "email": "alice@acme.com",
            "email_verified": true}),
        changes,
    )
}

/// The claims of a pod's token, with changes.
fn pod(changes: &Value) -> Value {
    changed(
        json!({"iss": "https://cluster", "aud": ["namesake-gateway"], "exp": NOW + 3600, "nbf": NOW,
            "sub": "system:serviceaccount:research:mf-a",
            "kubernetes.io": {"namespace": "research", "serviceaccount": {"name": "mf-a", "uid": "u-1"},
                "pod": {"name": "t-1", "uid": "p-1"}}}),
        changes,
    )
}

fn changed(mut claims: Value, changes: &Value) -> Value {
    for (key, value) in changes.as_object().unwrap() {
        let all = claims.as_object_mut().unwrap();
        if value.is_null() {
            all.remove(key);
        } else {
            all.insert(key.clone(), value.clone());
        }
    }
    claims
}

fn known(user: &str, change: impl FnOnce(&mut KnownIdentity)) -> KnownIdentity {
    let mut known = KnownIdentity {
        stack: "prod".into(),
        user: user.into(),
        class: "research".into(),
        google_account: None,
        service_account_uid: Some("u-1".into()),
        phase: Phase::InUse,
        serves: true,
        not_ready: None,
    };
    change(&mut known);
    known
}

fn identify_with(claims: &Value, identity: Option<KnownIdentity>) -> Result<Caller, Refusal> {
    let token = Token::read(
        BASE64URL_NOPAD
            .encode(claims.to_string().as_bytes())
            .as_bytes(),
    )
    .unwrap();
    let all = BTreeMap::from([(("research", "mf-a"), identity)]);
    identify(&token, &config(), &rules(), NOW, |namespace, name| {
        all.get(&(namespace, name)).cloned().flatten()
    })
}

fn seen(claims: &Value) -> String {
    match identify_with(claims, None) {
        Ok(caller) => caller.user.to_string(),
        Err(refusal) => refusal.reason.to_string(),
    }
}

#[test]
fn a_person_is_the_user_that_the_rules_map_the_name_to() {
    for (changes, expected) in [
        (json!({}), "alice@acme.com"),
        (json!({"email": "Alice@ACME.com"}), "alice@acme.com"),
        (json!({"aud": ["cli"]}), "alice@acme.com"),
        (
            json!({"aud": ["other", "web"], "azp": "cli"}),
            "alice@acme.com",
        ),
        (json!({"exp": NOW - 59}), "alice@acme.com"),
        (json!({"exp": 1_800_003_600.5}), "alice@acme.com"),
        (json!({"nbf": NOW + 60}), "alice@acme.com"),
        (
            json!({"iss": "https://acme.okta.com", "aud": "api://metaflow", "preferred": "alice", "email": null}),
            "alice@acme.com",
        ),
        (
            json!({"iss": "https://cloud.google.com/iap", "aud": "/projects/1/x", "email_verified": null}),
            "alice@acme.com",
        ),
    ] {
        assert_eq!(seen(&person(&changes)), expected, "{changes}");
    }
}

#[test]
fn a_token_that_is_not_for_the_gateway_or_not_valid_now_proves_nobody() {
    for changes in [
        json!({"iss": "https://evil.example"}),
        json!({"iss": "https://accounts.google.com/"}),
        json!({"iss": null}),
        json!({"iss": ["https://accounts.google.com"]}),
        json!({"aud": "other"}),
        json!({"aud": null}),
        json!({"aud": []}),
        json!({"aud": ["web", 1]}),
        json!({"aud": ["web", "other"]}),
        json!({"aud": ["web", "other"], "azp": "other"}),
        json!({"aud": "api://metaflow"}),
        json!({"exp": null}),
        json!({"exp": NOW - 60}),
        json!({"exp": NOW - 600}),
        json!({"exp": "2100-01-01"}),
        json!({"exp": 1e300}),
        json!({"exp": -1}),
        json!({"nbf": NOW + 61}),
        json!({"nbf": NOW + 600}),
        json!({"sub": null}),
        json!({"sub": ""}),
        json!({"email": null}),
        json!({"email": ["alice@acme.com"]}),
        json!({"email_verified": null}),
        json!({"email_verified": false}),
        json!({"email_verified": "true"}),
        json!({"email": "alice@evil.com"}),
        json!({"email": "alice@acme.com.evil.com"}),
        json!({"email": "alice"}),
        json!({"iss": "https://acme.okta.com", "aud": "api://metaflow", "preferred": "alice", "groups": [1]}),
    ] {
        assert_eq!(seen(&person(&changes)), "InvalidToken", "{changes}");
    }
}

#[test]
fn a_name_that_the_rules_do_not_know_is_refused_as_in_the_webhook() {
    let okta = |name: &str| {
        person(&json!({"iss": "https://acme.okta.com", "aud": "api://metaflow", "preferred": name}))
    };
    assert_eq!(seen(&okta("a/b")), "IllegalUser");
    let iap = |email: &str| {
        person(
            &json!({"iss": "https://cloud.google.com/iap", "aud": "/projects/1/x", "email": email}),
        )
    };
    assert_eq!(seen(&iap("alice@other.com")), "UnknownRequester");
    // A name in a claim is never a service account.
    assert_eq!(
        seen(&iap("system:serviceaccount:hub:jupyter-alice")),
        "Impersonated"
    );
}

#[test]
fn two_names_with_one_canonical_form_are_the_same_user() {
    let first = identify_with(&person(&json!({})), None).unwrap();
    let second = identify_with(
        &person(&json!({"email": "ALICE@acme.com", "sub": "2"})),
        None,
    )
    .unwrap();
    assert_eq!(first.user, second.user);
    assert_ne!(first.requester, second.requester);
}

#[test]
fn groups_have_the_prefix_of_their_issuer() {
    let claims = |groups: Value| {
        person(
            &json!({"iss": "https://acme.okta.com", "aud": "api://metaflow", "preferred": "alice", "groups": groups}),
        )
    };
    let groups = |value| identify_with(&claims(value), None).unwrap().groups;
    assert_eq!(groups(json!(["ml", "ops"])), ["okta:ml", "okta:ops"]);
    assert_eq!(groups(json!("ml")), ["okta:ml"]);
    // The issuer has no groups claim in gateway.yaml.
    let google = identify_with(&person(&json!({"groups": ["system:masters"]})), None).unwrap();
    assert!(google.groups.is_empty());
}

#[test]
fn a_pod_is_the_user_of_its_identity_while_that_serves() {
    let alice = known("alice@acme.com", |_| {});
    let caller = identify_with(&pod(&json!({})), Some(alice.clone())).unwrap();
    assert!(caller.is_pod && caller.user.as_str() == "alice@acme.com");
    let reason = |identity: Option<KnownIdentity>| {
        identify_with(&pod(&json!({})), identity)
            .unwrap_err()
            .reason
    };
    assert_eq!(reason(None), Reason::NotServing);
    let stopped = known("alice@acme.com", |known| {
        known.phase = Phase::Suspended;
        known.serves = false;
    });
    assert_eq!(reason(Some(stopped)), Reason::NotServing);
    let recreated = known("alice@acme.com", |known| {
        known.service_account_uid = Some("u-2".into());
    });
    assert_eq!(reason(Some(recreated)), Reason::NotServing);
    let new = known("alice@acme.com", |known| known.service_account_uid = None);
    assert_eq!(reason(Some(new)), Reason::NotServing);
    assert_eq!(reason(Some(known("", |_| {}))), Reason::SharedIdentity);
}

#[test]
fn a_pods_token_is_one_of_the_cluster_for_the_gateway_and_of_a_pod() {
    let account = json!({"name": "mf-a", "uid": "u-1"});
    for (changes, reason) in [
        (
            json!({"aud": ["https://kubernetes.default.svc"]}),
            Reason::InvalidToken,
        ),
        (
            json!({"aud": ["namesake-gateway", "other"]}),
            Reason::InvalidToken,
        ),
        (json!({"exp": null}), Reason::InvalidToken),
        (json!({"kubernetes.io": null}), Reason::InvalidToken),
        (
            json!({"kubernetes.io": {"namespace": "research"}}),
            Reason::InvalidToken,
        ),
        (
            json!({"sub": "system:serviceaccount:research:mf-b"}),
            Reason::InvalidToken,
        ),
        (
            json!({"sub": "system:serviceaccount:prod:mf-a"}),
            Reason::InvalidToken,
        ),
        (
            json!({"kubernetes.io": {"namespace": "research", "serviceaccount": account}}),
            Reason::NotAPod,
        ),
    ] {
        let identity = known("alice@acme.com", |_| {});
        let refusal = identify_with(&pod(&changes), Some(identity)).unwrap_err();
        assert_eq!(refusal.reason, reason, "{changes}");
    }
    // The claims of a pod in the token of a person's issuer prove no pod.
    let claims = pod(&json!({"iss": "https://accounts.google.com", "aud": "web"}));
    let refusal = identify_with(&claims, Some(known("alice@acme.com", |_| {}))).unwrap_err();
    assert_eq!(refusal.reason, Reason::InvalidToken);
}

#[test]
fn claims_are_read_with_and_without_padding_and_nothing_else_is_read() {
    for text in ["{}", "{ }", "{  }"] {
        assert!(
            Token::read(BASE64URL.encode(text.as_bytes()).as_bytes()).is_ok(),
            "{text}"
        );
        assert!(Token::read(BASE64URL_NOPAD.encode(text.as_bytes()).as_bytes()).is_ok());
    }
    for header in ["", "{}", "e30===", "bnVsbA", "W10", "e", "ey\u{e9}"] {
        assert!(Token::read(header.as_bytes()).is_err(), "{header}");
    }
}

#[test]
fn a_refusal_repeats_no_claim() {
    for changes in [
        json!({"iss": "secret"}),
        json!({"aud": "secret"}),
        json!({"email": "secret@secret.com"}),
        json!({"email_verified": "secret"}),
    ] {
        let refusal = identify_with(&person(&changes), None).unwrap_err();
        assert!(!refusal.message.contains("secret"), "{refusal}");
    }
}
