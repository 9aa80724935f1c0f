//! Two API servers on this machine: one without Namesake, and one with it. Our programs are release builds in processes of their own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::api::{DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use kube::{Api, Client};
use namesake_api::{Identity, names};
use namesake_sandbox::cli::output::say;
use namesake_sandbox::kubernetes::install;
use namesake_sandbox::kubernetes::service::Service;
use namesake_sandbox::kubernetes::users::{ADMIN, ALICE};
use namesake_sandbox::{ControlPlane, Google, Node, NodeOptions, RESEARCH, WorkFolder, sandbox};
use namesake_tests::cluster::manifests;
use namesake_tests::drafts::{metaflow_job, metaflow_pod};
use serde_json::{Value, json};

use super::constant::Constant;
use super::load::Target;

/// A label of namespaces of the API server without Namesake: who changes their pods.
const LABEL: &str = "bench.example.com/changed-by";
const LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);

/// Both, and everything that runs with them. Dropping it stops all processes.
pub(crate) struct Clusters {
    /// What is compared: without a webhook, the constant answer, the constant change, a policy, and Namesake.
    pub(crate) targets: Vec<Target>,
    // Dropped in this order.
    _services: Vec<Service>,
    _node: Node,
    _google: Google,
    _with: ControlPlane,
    _without: ControlPlane,
}

impl Clusters {
    /// Starts both, with so many clients of each.
    ///
    /// # Errors
    /// A step fails.
    pub(crate) async fn start(folders: &[WorkFolder; 2], clients: usize) -> Result<Self> {
        say("starting an API server without Namesake");
        let without = ControlPlane::start(&folders[0]).await?;
        prepare_without(&without).await?;
        say("starting an API server with Namesake");
        let with = ControlPlane::start(&folders[1]).await?;
        let google = Google::start(&with, &folders[1], Duration::ZERO).await?;
        let options = NodeOptions {
            images: sandbox::workspace_images()?,
            google: Some(google.url().to_owned()),
            ..NodeOptions::default()
        };
        let node = Node::start(&with, &folders[1], options).await?;
        let services = install::install(&with, &folders[1], google.url()).await?;
        prepare_with(&with).await?;
        let (plain, ours) = (
            clients_of(&without, clients).await?,
            clients_of(&with, clients).await?,
        );
        let pod = metaflow_pod().without_account().into_value();
        Ok(Self {
            targets: vec![
                Target::new("without a webhook", &plain, "none", &pod, "\"metadata\""),
                Target::new(
                    "a constant answer",
                    &plain,
                    "constant",
                    &pod,
                    "\"metadata\"",
                ),
                Target::new("a constant change", &plain, "change", &pod, "\"mapped\""),
                Target::new(
                    "a MutatingAdmissionPolicy",
                    &plain,
                    "policy",
                    &pod,
                    "\"mapped\"",
                ),
                Target::new("Namesake, a known user", &ours, RESEARCH, &pod, "\"mf-"),
                Target::new(
                    "Namesake, a foreign namespace",
                    &ours,
                    "foreign",
                    &pod,
                    "\"metadata\"",
                ),
            ],
            _services: services,
            _node: node,
            _google: google,
            _with: with,
            _without: without,
        })
    }
}

async fn clients_of(control_plane: &ControlPlane, number: usize) -> Result<Arc<Vec<Client>>> {
    let mut clients = Vec::with_capacity(number);
    for _ in 0..number {
        clients.push(control_plane.client(ALICE).await?);
    }
    Ok(Arc::new(clients))
}

/// Namespaces whose pods nobody, one of the constant webhooks, or a policy sees.
async fn prepare_without(control_plane: &ControlPlane) -> Result<()> {
    let admin = control_plane.client(ADMIN).await?;
    exempt(&admin).await?;
    for name in ["none", "constant", "change", "policy"] {
        control_plane.namespace(name, &[(LABEL, name)]).await?;
    }
    let mapped = serde_json::from_value(json!({"metadata": {"name": "mapped"}}))?;
    for name in ["change", "policy"] {
        let accounts = Api::<ServiceAccount>::namespaced(admin.clone(), name);
        accounts.create(&PostParams::default(), &mapped).await?;
    }
    let webhook = Constant::start(&admin, "constant").await?;
    for name in ["constant", "change"] {
        let configuration = webhook.configuration(LABEL, name);
        manifests::apply(&admin, &configuration, "", false).await?;
    }
    for object in policy() {
        manifests::apply(&admin, &object, "", false).await?;
    }
    let alice = control_plane.client(ALICE).await?;
    wait_until_changed(&alice, "change", "mapped").await?;
    wait_until_changed(&alice, "policy", "mapped").await
}

/// The policy that changes what Namesake changes: the account, a label and annotations.
fn policy() -> [Value; 2] {
    let patch = "[JSONPatch{op: 'add', path: '/spec/serviceAccountName', value: 'mapped'}, \
        JSONPatch{op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('namesake.dev/identity'), value: 'mapped'}, \
        JSONPatch{op: 'add', path: '/metadata/annotations/' + jsonpatch.escapeKey('namesake.dev/user'), \
        value: request.userInfo.username}]";
    let meta = json!({"name": "mapped"});
    [
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicy", "metadata": meta,
            "spec": {
                "failurePolicy": "Fail",
                "reinvocationPolicy": "IfNeeded",
                "matchConstraints": {"resourceRules": [
                    {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]},
                ]},
                "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": patch}}],
            },
        }),
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicyBinding", "metadata": meta,
            "spec": {"policyName": "mapped", "matchResources": {"namespaceSelector": {"matchLabels": {LABEL: "policy"}}}},
        }),
    ]
}

/// Alice's identity exists and is ready, and the API server calls the webhook without a proxy in between.
async fn prepare_with(control_plane: &ControlPlane) -> Result<()> {
    let admin = control_plane.client(ADMIN).await?;
    exempt(&admin).await?;
    control_plane.namespace("foreign", &[]).await?;
    call_directly(&admin).await?;
    let alice = control_plane.client(ALICE).await?;
    let jobs = Api::<Job>::namespaced(alice.clone(), RESEARCH);
    let job: Job =
        serde_json::from_value(metaflow_job().suspended().without_account().into_value())?;
    jobs.create(&PostParams::default(), &job).await?;
    let identities = Api::<Identity>::namespaced(admin.clone(), RESEARCH);
    let started = Instant::now();
    loop {
        let all = identities.list(&ListParams::default()).await?;
        if all.iter().any(Identity::is_ready) {
            break;
        }
        ensure!(started.elapsed() < LIMIT, "no identity is ready: {all:?}");
        tokio::time::sleep(POLL).await;
    }
    wait_until_changed(&alice, RESEARCH, "mf-").await
}

/// Without a Service network, the sandbox has a proxy in place of the Service, which takes time that no real cluster has: here the
/// one replica is called by its own address.
async fn call_directly(admin: &Client) -> Result<()> {
    let webhook = names::WEBHOOK_SERVICE_ACCOUNT;
    let deployments = Api::<Deployment>::namespaced(admin.clone(), names::SYSTEM_NAMESPACE);
    let env = json!([{"name": names::ENV_TLS_NAMES, "value": "127.0.0.1,$(POD_IP)"}]);
    let template = json!({"spec": {"containers": [{"name": "webhook", "env": env}]}});
    let change = Patch::Strategic(json!({"spec": {"replicas": 1, "template": template}}));
    deployments
        .patch(webhook, &PatchParams::default(), &change)
        .await?;
    let address = only_replica(admin, webhook).await?;
    for kind in [
        "MutatingWebhookConfiguration",
        "ValidatingWebhookConfiguration",
    ] {
        let kind = GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind);
        let all: Api<DynamicObject> = Api::all_with(admin.clone(), &ApiResource::from_gvk(&kind));
        let mut configuration = all.get(names::WEBHOOK_CONFIGURATION).await?;
        let webhooks = configuration.data["webhooks"].as_array_mut();
        for webhook in webhooks.into_iter().flatten() {
            let url = webhook["clientConfig"]["url"].as_str().context("no URL")?;
            let (rest, path) = url.rsplit_once('/').context("no path")?;
            let port = rest.rsplit(':').next().unwrap_or_default();
            webhook["clientConfig"]["url"] = json!(format!("https://{address}:{port}/{path}"));
        }
        all.replace(
            names::WEBHOOK_CONFIGURATION,
            &PostParams::default(),
            &configuration,
        )
        .await?;
    }
    Ok(())
}

/// The address of the only pod that is left, once it is ready.
async fn only_replica(admin: &Client, name: &str) -> Result<String> {
    let pods = Api::<Pod>::namespaced(admin.clone(), names::SYSTEM_NAMESPACE);
    let params = ListParams::default().labels(&format!("app.kubernetes.io/name={name}"));
    let started = Instant::now();
    loop {
        let all = pods.list(&params).await?.items;
        if let [pod] = all.as_slice() {
            let status = pod.status.clone().unwrap_or_default();
            let is_ready = |c: &k8s_openapi::api::core::v1::PodCondition| {
                c.type_ == "Ready" && c.status == "True"
            };
            let ready = status.conditions.iter().flatten().any(is_ready);
            let env = pod.spec.iter().flat_map(|spec| &spec.containers);
            let mut env = env.flat_map(|container| container.env.iter().flatten());
            let is_new = env.any(|one| one.value.as_deref() == Some("127.0.0.1,$(POD_IP)"));
            if let Some(address) = status.pod_ip.filter(|_| ready && is_new) {
                return Ok(address);
            }
        }
        if started.elapsed() > LIMIT {
            bail!("{name} does not have exactly one ready replica");
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Clients are not queued by the API server's own limits, which are not measured.
async fn exempt(admin: &Client) -> Result<()> {
    let object = json!({
        "apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "FlowSchema", "metadata": {"name": "bench"},
        "spec": {
            "priorityLevelConfiguration": {"name": "exempt"},
            "matchingPrecedence": 2,
            "rules": [{
                "subjects": [{"kind": "User", "user": {"name": ALICE}}],
                "resourceRules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["create"], "namespaces": ["*"]}],
            }],
        },
    });
    manifests::apply(admin, &object, "", false).await
}

/// Waits until a pod in this namespace is changed to contain this text.
async fn wait_until_changed(alice: &Client, namespace: &str, expected: &str) -> Result<()> {
    let pods = Api::<Pod>::namespaced(alice.clone(), namespace);
    let pod: Pod = serde_json::from_value(metaflow_pod().without_account().into_value())?;
    let dry_run = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let started = Instant::now();
    loop {
        let state = match pods.create(&dry_run, &pod).await {
            Ok(pod) if serde_json::to_string(&pod)?.contains(expected) => return Ok(()),
            Ok(pod) => serde_json::to_string(&pod)?,
            Err(error) => error.to_string(),
        };
        ensure!(
            started.elapsed() < LIMIT,
            "{namespace}: no {expected}: {state}"
        );
        tokio::time::sleep(POLL).await;
    }
}
