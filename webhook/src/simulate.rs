//! Simulation: what the webhook would answer if somebody created an object, by rules that do not have to be in force. Everything but the
//! rules is made up: one opted-in namespace, keys of its own, no cluster and no broker.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use namesake_core::{KeyRing, MIN_KEY_BYTES};
use namesake_service::{RulesFiles, parse_rules};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::admit::{Webhook, admit};
use crate::decide::mode::Mode;
use crate::review::{REVIEW_KIND, REVIEW_VERSION};
use crate::state::{OptedIn, State};

/// How long the answer may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// An epoch of a namespace that does not exist.
const EPOCH: &str = "simulated-epoch-1";

/// Somebody creates an object.
#[derive(Clone, Debug)]
pub struct SimulatedRequest<'a> {
    /// The requester, as the API server reports it.
    pub requester: &'a str,
    /// The requester's groups.
    pub groups: &'a [String],
    /// The namespace, which counts as opted in.
    pub namespace: &'a str,
    /// The object, as it would be sent.
    pub object: &'a Value,
}

/// What the webhook would answer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Simulated {
    /// Whether it would be created.
    pub allowed: bool,
    /// Why it would be refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<SimulatedStatus>,
    /// Warnings for the requester.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// What the webhook would write into the API server's audit log: `user`, `rule`, `class`, `outcome` and others.
    #[serde(default)]
    pub audit_annotations: BTreeMap<String, String>,
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct SimulatedStatus {
    /// HTTP status code.
    pub code: u16,
    /// What people would see.
    pub message: String,
}

/// What the webhook would answer by these rules.
///
/// # Errors
/// Rules that are not valid, with every problem; an object without apiVersion and kind.
pub async fn simulate(
    rules: RulesFiles,
    request: &SimulatedRequest<'_>,
) -> anyhow::Result<Simulated> {
    let stack = parse_rules(&rules)?.stack().to_owned();
    let text = |key: &str| request.object.get(key).and_then(Value::as_str);
    let (Some(version), Some(kind)) = (text("apiVersion"), text("kind")) else {
        bail!("the object has no apiVersion and kind: give a manifest as for kubectl create");
    };
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    let review = json!({"apiVersion": REVIEW_VERSION, "kind": REVIEW_KIND, "request": {
        "uid": "simulated", "kind": {"group": group, "version": version, "kind": kind}, "operation": "CREATE",
        "namespace": request.namespace, "dryRun": true, "object": request.object,
        "userInfo": {"username": request.requester, "groups": request.groups,
            // As a token of a service account has it, and no impersonation.
            "extra": {"authentication.kubernetes.io/credential-id": ["simulated"]}}}});
    let state = state(rules, request.namespace, stack)?;
    let began = Instant::now();
    let body = review.to_string();
    let answer = admit(
        &state,
        Webhook::Mutate,
        body.as_bytes(),
        began,
        began + DEADLINE,
    )
    .await?;
    let mut answer: Value = serde_json::from_slice(&answer)?;
    serde_json::from_value(answer["response"].take()).context("the webhook's own answer")
}

fn state(rules: RulesFiles, namespace: &str, stack: String) -> anyhow::Result<State> {
    let now = Timestamp::now().as_second();
    let state = State::new(Box::new(move || now));
    // As rules that were accepted before: rules that fail their own tests can be simulated too.
    state.rules.set_current(None);
    state.rules.set_accepted(Some(rules));
    // It signs nothing that leaves this function.
    state.set_keys(KeyRing::new(
        "simulated",
        [("simulated".to_owned(), [0; MIN_KEY_BYTES])],
    )?);
    let opted_in = OptedIn {
        stack,
        mode: Mode::Enforce,
        epoch: EPOCH.to_owned(),
    };
    state.namespaces.apply(namespace, opted_in);
    state.synced.namespaces.set();
    state.synced.identities.set();
    Ok(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/rules.yaml"));
    const JOB: &str = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/testdata/objects/run-job.json"
    ));

    async fn simulated(rules: &str, requester: &str, object: &Value) -> anyhow::Result<Simulated> {
        let rules = RulesFiles::from([("rules.yaml".to_owned(), rules.to_owned())]);
        let request = SimulatedRequest {
            requester,
            groups: &[],
            namespace: "research",
            object,
        };
        simulate(rules, &request).await
    }

    fn job() -> Value {
        let mut job: Value = serde_json::from_str(JOB).unwrap();
        job["apiVersion"] = json!("batch/v1");
        job["kind"] = json!("Job");
        job
    }

    #[tokio::test]
    async fn an_object_is_decided_as_its_requester_by_rules_that_are_not_in_force() {
        let alice = simulated(RULES, "alice@acme.com", &job()).await.unwrap();
        assert!(alice.allowed, "{alice:?}");
        let audit = |key: &str| alice.audit_annotations.get(key).map(String::as_str);
        assert_eq!(audit("class"), Some("research"));
        assert_eq!(audit("rule"), Some("metaflow"));
        assert_eq!(audit("user"), Some("alice@acme.com"));
        let carl = simulated(RULES, "carl@contractor.example", &job()).await;
        let carl = carl.unwrap().status.unwrap();
        assert_eq!(carl.code, 403);
        assert!(
            carl.message.starts_with("DeniedByRule: "),
            "{}",
            carl.message
        );
        let failing_test = "tests:\n- {as: alice@acme.com, in: research, expect: keep}\n";
        let edited = RULES.replace("offboarded: [eve", "offboarded: [alice") + failing_test;
        let alice = simulated(&edited, "alice@acme.com", &job()).await.unwrap();
        assert!(!alice.allowed, "{alice:?}");
    }

    #[tokio::test]
    async fn what_cannot_be_simulated_is_an_error_with_what_to_do() {
        let error = simulated("stack: [", "alice@acme.com", &job()).await;
        assert!(error.unwrap_err().to_string().starts_with("rules.yaml:"));
        let error = simulated(RULES, "alice@acme.com", &json!([])).await;
        assert!(error.unwrap_err().to_string().contains("apiVersion"));
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}});
        let refused = simulated(RULES, "alice@acme.com", &secret).await.unwrap();
        assert!(refused.status.unwrap().message.starts_with("BadRequest: "));
    }
}
