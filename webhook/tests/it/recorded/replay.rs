//! Replays recorded requests as if the webhook had been installed: a patch of one request is in the objects of the next, and a task
//! pod sends its requests as the account that it was given.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use jiff::Timestamp;
use namesake_webhook::admit::Webhook;
use namesake_webhook::state::State;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use super::api_server::ApiServer;
use crate::cases::{ask, patch, patched, read, state_at};

const ARGO: &str = "system:serviceaccount:argo:argo";
const JOB_SET: &str = "system:serviceaccount:jobset-system:jobset-controller-manager";
/// The account that the recorded pods ran as.
const RECORDED_ACCOUNT: &str = "system:serviceaccount:research:default";

/// A request that was refused.
#[derive(Debug, PartialEq)]
pub(super) struct Refusal {
    /// Description of the request: operation, resource, name, user.
    pub(super) request: String,
    /// The HTTP status code.
    pub(super) code: u64,
    /// The message.
    pub(super) message: String,
}

/// The webhook, and the cluster around it.
pub(super) struct Replay {
    runtime: Runtime,
    state: State,
    clock: Arc<AtomicI64>,
    /// The objects that exist.
    pub(super) api_server: ApiServer,
    /// The account that each pod was given, by UID.
    accounts: BTreeMap<String, String>,
    /// Creations of pods that Argo was told to retry.
    postponed: Vec<Value>,
    /// The pods that Argo had to retry, in order.
    pub(super) retried: Vec<String>,
    /// The account of each pod that was created, by name.
    pub(super) pods: BTreeMap<String, String>,
    configured: Vec<Configured>,
}

impl Replay {
    /// Alice and Bob have identities that work; Argo and JobSet are carriers.
    pub(super) fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let api_server = ApiServer::default();
        let client = {
            let _inside = runtime.enter();
            api_server.client()
        };
        let carriers = format!(
            "carriers: [{{account: {JOB_SET}, parents: [JobSet]}}, {{account: {ARGO}, parents: [Workflow]}}]\nupdaters:"
        );
        let everything = [
            r#"match: {user: "*@acme.com", labels: {app.kubernetes.io/part-of: metaflow}}"#,
            r#"match: {user: "*@acme.com"}"#,
        ];
        let clock = Arc::new(AtomicI64::new(1_795_910_000));
        let identities = ["alice@acme.com", "bob@acme.com", "mallory@acme.com"]
            .map(|user| json!({"user": user, "ready": true}));
        let case =
            json!({"identities": identities, "edits": [["updaters:", carriers], everything]});
        Self {
            state: state_at(&case, Arc::clone(&clock)).with_cluster(client),
            runtime,
            clock,
            api_server,
            accounts: BTreeMap::new(),
            postponed: Vec::new(),
            retried: Vec::new(),
            pods: BTreeMap::new(),
            configured: configured(),
        }
    }

    /// Sends one recorded request to the webhooks that are configured for it.
    pub(super) fn request(&mut self, recorded: &Value) -> Result<(), Refusal> {
        self.admit(recorded, false)
    }

    fn admit(&mut self, recorded: &Value, is_retry: bool) -> Result<(), Refusal> {
        let mut request = recorded.clone();
        let plural = text(&request["resource"]["resource"]).to_owned();
        let operation = text(&request["operation"]).to_owned();
        let sub_resource = text(&request["subResource"]).to_owned();
        if operation == "DELETE" {
            self.delete(&plural, &request);
            return Ok(());
        }
        self.use_given_account(&mut request);
        if operation == "UPDATE" {
            let name = text(&request["name"]).to_owned();
            // Its creation was refused, and reported then.
            let Some(old) = self.api_server.get(&plural, &name) else {
                return Ok(());
            };
            request["object"] = patched(&old, &request["changes"]);
            request["oldObject"] = old;
        }
        if operation == "CREATE" {
            self.set_clock(&request["object"]);
            self.copy_environment_of_parent(&plural, &mut request["object"]);
        }
        let mut review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
        review["request"]["uid"] = json!("review-1");
        if operation == "CREATE" {
            remove_defaults(&mut review["request"]);
        }
        for webhook in self.webhooks(&plural, &sub_resource, &operation) {
            if webhook != Webhook::Mutate && operation == "CREATE" {
                let name = &request["object"]["metadata"]["name"];
                review["request"]["object"]["metadata"]["name"] = name.clone();
            }
            let answer = self.runtime.block_on(ask(&self.state, webhook, &review));
            if answer["allowed"] != true {
                let code = answer["status"]["code"].as_u64().unwrap_or_default();
                if code == 503 && plural == "pods" && operation == "CREATE" && !is_retry {
                    self.postponed.push(recorded.clone());
                    return Ok(());
                }
                let user = text(&recorded["userInfo"]["username"]);
                let named = text(&request["object"]["metadata"]["name"]);
                return Err(Refusal {
                    request: format!("{operation} {plural} {named} {user}"),
                    code,
                    message: text(&answer["status"]["message"]).to_owned(),
                });
            }
            let object = patched(&review["request"]["object"], &patch(&answer));
            review["request"]["object"] = object;
        }
        if operation != "CONNECT" {
            self.store(
                &plural,
                &request["object"],
                review["request"]["object"].take(),
            );
        }
        let name = text(&request["name"]).to_owned();
        self.retry_postponed(&plural, &operation, &name)
    }

    fn delete(&mut self, plural: &str, request: &Value) {
        let name = text(&request["oldObject"]["metadata"]["name"]);
        // A pod exists until its node has stopped it.
        let by_node = text(&request["userInfo"]["username"]).starts_with("system:node:");
        if plural != "pods" || by_node {
            self.api_server.remove(plural, name);
        }
    }

    // Argo retries postponed pods after the next update of their Workflow.
    fn retry_postponed(
        &mut self,
        plural: &str,
        operation: &str,
        name: &str,
    ) -> Result<(), Refusal> {
        if (plural, operation) != ("workflows", "UPDATE") {
            return Ok(());
        }
        let is_its_pod = |pod: &mut Value| {
            let owner = &pod["object"]["metadata"]["ownerReferences"][0];
            owner["name"] == name
        };
        let retries: Vec<_> = self.postponed.extract_if(.., is_its_pod).collect();
        self.retried.extend(retries.iter().map(super::pods::name));
        retries.iter().try_for_each(|pod| self.admit(pod, true))
    }

    // Stores the object with the fields that the API server sets.
    fn store(&mut self, plural: &str, recorded: &Value, mut object: Value) {
        for key in [
            "name",
            "uid",
            "creationTimestamp",
            "generation",
            "namespace",
        ] {
            if let Some(value) = recorded["metadata"].get(key) {
                object["metadata"][key] = value.clone();
            }
        }
        if plural == "pods" {
            let uid = text(&object["metadata"]["uid"]).to_owned();
            let account = text(&object["spec"]["serviceAccountName"]).to_owned();
            let name = text(&object["metadata"]["name"]).to_owned();
            self.pods.insert(name, account.clone());
            let account = format!("system:serviceaccount:research:{account}");
            self.accounts.insert(uid, account);
        }
        let name = text(&object["metadata"]["name"]).to_owned();
        self.api_server.put(plural, &name, object);
    }

    // The webhooks that the API server calls, in order.
    fn webhooks(&self, plural: &str, sub_resource: &str, operation: &str) -> Vec<Webhook> {
        let resource = match sub_resource {
            "" => plural.to_owned(),
            sub_resource => format!("{plural}/{sub_resource}"),
        };
        let is_called = |webhook: &&Configured| {
            let mut rules = webhook.rules.iter();
            rules.any(|r| lists(&r["resources"], &resource) && lists(&r["operations"], operation))
        };
        let called = self.configured.iter().filter(is_called);
        called.map(|webhook| webhook.webhook).collect()
    }

    // A controller creates an object from its parent as stored, whose environment the webhook has cleaned.
    fn copy_environment_of_parent(&self, plural: &str, object: &mut Value) {
        let owner = &object["metadata"]["ownerReferences"][0];
        let (kind, name) = (
            text(&owner["kind"]).to_owned(),
            text(&owner["name"]).to_owned(),
        );
        let label = &object["metadata"]["labels"]["jobset.sigs.k8s.io/replicatedjob-name"];
        let (parents, template) = match (plural, kind.as_str()) {
            ("jobs", "JobSet") => ("jobsets", "/template/spec/template/spec/containers"),
            ("pods", "Job") => ("jobs", "/spec/template/spec/containers"),
            _ => return,
        };
        let mut parent = self.api_server.get(parents, &name).unwrap();
        if let Some(jobs) = parent["spec"]["replicatedJobs"].as_array() {
            let own = jobs.iter().find(|job| job["name"] == *label);
            parent = own.cloned().unwrap();
        }
        let containers = parent.pointer(template).unwrap().as_array().unwrap();
        let into = match plural {
            "jobs" => "/spec/template/spec/containers",
            _ => "/spec/containers",
        };
        let children = object.pointer_mut(into).unwrap().as_array_mut().unwrap();
        for (child, container) in children.iter_mut().zip(containers) {
            let variables = |of: &Value| of["env"].as_array().cloned().unwrap_or_default();
            let mut env = variables(container);
            // The job controller adds this one.
            let is_added = |v: &Value| v["name"] == "JOB_COMPLETION_INDEX";
            env.extend(variables(child).into_iter().filter(is_added));
            if !env.is_empty() {
                child["env"] = Value::Array(env);
            }
        }
    }

    fn use_given_account(&self, request: &mut Value) {
        let info = &mut request["userInfo"];
        let pod = &info["extra"]["authentication.kubernetes.io/pod-uid"][0];
        let account = pod.as_str().and_then(|uid| self.accounts.get(uid));
        if info["username"] == RECORDED_ACCOUNT
            && let Some(account) = account
        {
            info["username"] = json!(account);
        }
    }

    fn set_clock(&self, object: &Value) {
        let created = object["metadata"]["creationTimestamp"].as_str();
        if let Some(created) = created.and_then(|text| text.parse::<Timestamp>().ok()) {
            self.clock.store(created.as_second(), Relaxed);
        }
    }
}

/// The requests of a recorded scenario.
pub(super) fn requests(scenario: &str) -> Vec<Value> {
    let text = read(&format!("recorded/{scenario}.jsonl"));
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

// Removes what the API server sets only after the mutating webhooks.
fn remove_defaults(request: &mut Value) {
    let metadata = request["object"]["metadata"].as_object_mut().unwrap();
    for key in ["uid", "creationTimestamp", "generation"] {
        metadata.remove(key);
    }
    if metadata.contains_key("generateName") {
        metadata.remove("name");
    }
    if request["kind"]["kind"] == "Job" {
        let spec = request["object"]["spec"].as_object_mut().unwrap();
        spec.remove("selector");
        let labels = spec["template"]["metadata"]["labels"].as_object_mut();
        labels.unwrap().retain(|key, _| {
            !key.starts_with("batch.kubernetes.io/")
                && !["controller-uid", "job-name"].contains(&key.as_str())
        });
    }
}

/// A webhook, and the rules by which the API server calls it.
struct Configured {
    webhook: Webhook,
    rules: Vec<Value>,
}

// As in the manifests.
fn configured() -> Vec<Configured> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../manifests/base/webhook/configurations.yaml"
    );
    let text = std::fs::read_to_string(path).unwrap();
    let configurations = text.split("\n---\n");
    let configurations = configurations.map(|text| serde_saphyr::from_str::<Value>(text).unwrap());
    let webhooks = configurations.flat_map(|c| c["webhooks"].as_array().cloned().unwrap());
    let called = webhooks.filter_map(|webhook| {
        let rules = webhook["rules"].as_array().cloned().unwrap();
        let webhook = match self::text(&webhook["name"]) {
            "pods.namesake.dev" | "mutate.namesake.dev" => Webhook::Mutate,
            "validate.namesake.dev" => Webhook::Validate,
            "guard.namesake.dev" => Webhook::Guard,
            _ => return None,
        };
        Some(Configured { webhook, rules })
    });
    called.collect()
}

fn lists(list: &Value, wanted: &str) -> bool {
    let mut items = list.as_array().into_iter().flatten();
    items.any(|item| item == wanted)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
