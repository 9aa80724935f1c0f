//! An API server with Namesake, one pod with an identity, and many other identities.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use data_encoding::BASE32_NOPAD;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use namesake_api::{Identity, Phase, names};
use namesake_sandbox::cli::output::say;
use namesake_sandbox::kubernetes::install;
use namesake_sandbox::kubernetes::service::Service;
use namesake_sandbox::kubernetes::users::{ADMIN, ALICE};
use namesake_sandbox::{ControlPlane, Google, Node, NodeOptions, RESEARCH, WorkFolder, sandbox};
use namesake_tests::drafts::metaflow_job;
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(100);
/// Writes at once.
const WRITERS: usize = 8;
/// One of so many identities is not ready.
pub(crate) const NOT_READY: usize = 50;

/// All of it. Dropping it stops all processes.
pub(crate) struct Cluster {
    /// A pod of alice.
    pub(crate) pod: String,
    /// Whom it belongs to.
    pub(crate) user: String,
    // Dropped in this order.
    _services: Vec<Service>,
    _node: Node,
    _google: Google,
    control_plane: ControlPlane,
}

impl Cluster {
    /// Starts it with so many identities.
    ///
    /// # Errors
    /// A step fails.
    pub(crate) async fn start(folder: &WorkFolder, identities: usize) -> Result<Self> {
        say("starting an API server with Namesake");
        let control_plane = ControlPlane::start(folder).await?;
        let google = Google::start(&control_plane, folder, Duration::ZERO).await?;
        let options = NodeOptions {
            images: sandbox::workspace_images()?,
            google: Some(google.url().to_owned()),
            ..NodeOptions::default()
        };
        let node = Node::start(&control_plane, folder, options).await?;
        let services = install::install(&control_plane, folder, google.url()).await?;
        let admin = control_plane.client(ADMIN).await?;
        let (pod, identity) = pod_of_alice(&control_plane, &admin).await?;
        stop_broker(&admin).await?;
        say(&format!("storing {identities} identities"));
        store(&control_plane, &identity, identities).await?;
        Ok(Self {
            pod,
            user: ALICE.to_owned(),
            _services: services,
            _node: node,
            _google: google,
            control_plane,
        })
    }

    /// The admin's kubeconfig.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.control_plane.kubeconfig(ADMIN)
    }
}

/// The pod of a Job of alice, and her identity once it is ready.
async fn pod_of_alice(control_plane: &ControlPlane, admin: &Client) -> Result<(String, Identity)> {
    let jobs = Api::<Job>::namespaced(control_plane.client(ALICE).await?, RESEARCH);
    let job: Job = serde_json::from_value(metaflow_job().without_account().into_value())?;
    let job = jobs.create(&PostParams::default(), &job).await?.name_any();
    let pods = Api::<Pod>::namespaced(admin.clone(), RESEARCH);
    let of_job = ListParams::default().labels(&format!("job-name={job}"));
    let identities = Api::<Identity>::namespaced(admin.clone(), RESEARCH);
    let started = Instant::now();
    loop {
        let pod = pods.list(&of_job).await?.items.into_iter().next();
        let all = identities.list(&ListParams::default()).await?.items;
        if let (Some(pod), Some(identity)) = (pod, all.into_iter().find(Identity::is_ready)) {
            return Ok((pod.name_any(), identity));
        }
        ensure!(started.elapsed() < LIMIT, "no identity is ready");
        tokio::time::sleep(POLL).await;
    }
}

/// Stops the broker: it would make an account at Google for each identity, which is not measured here.
async fn stop_broker(admin: &Client) -> Result<()> {
    let home = names::SYSTEM_NAMESPACE;
    let name = names::BROKER_SERVICE_ACCOUNT;
    let deployments = Api::<Deployment>::namespaced(admin.clone(), home);
    let none = Patch::Merge(json!({"spec": {"replicas": 0}}));
    deployments
        .patch(name, &PatchParams::default(), &none)
        .await?;
    let pods = Api::<Pod>::namespaced(admin.clone(), home);
    let of_broker = ListParams::default().labels(&format!("app.kubernetes.io/name={name}"));
    let started = Instant::now();
    while !pods.list(&of_broker).await?.items.is_empty() {
        if started.elapsed() > LIMIT {
            bail!("the broker does not stop");
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

/// Stores copies of an identity for other users, as the broker, which alone may write them.
async fn store(control_plane: &ControlPlane, identity: &Identity, number: usize) -> Result<()> {
    let home = names::SYSTEM_NAMESPACE;
    let broker = format!(
        "system:serviceaccount:{home}:{}",
        names::BROKER_SERVICE_ACCOUNT
    );
    let of_home = format!("system:serviceaccounts:{home}");
    let groups = ["system:serviceaccounts", &of_home];
    let broker = control_plane.client_as(&broker, &groups).await?;
    let identities = Api::<Identity>::namespaced(broker, RESEARCH);
    let stored = stream::iter(0..number).map(|at| store_one(&identities, identity, at));
    stored
        .buffer_unordered(WRITERS)
        .try_collect::<Vec<()>>()
        .await?;
    Ok(())
}

async fn store_one(identities: &Api<Identity>, identity: &Identity, at: usize) -> Result<()> {
    let user = format!("user-{at}@acme.com");
    let bytes = u64::try_from(at)?.to_be_bytes();
    let mut hash = BASE32_NOPAD.encode(&bytes).to_lowercase();
    hash.push_str("aaaaaaaaaaaaaa");
    let key = format!("user-{at}-{}", &hash[..14]);
    let mut copy = identity.clone();
    copy.metadata = ObjectMeta {
        name: Some(format!("mf-{key}")),
        labels: identity.metadata.labels.clone(),
        annotations: identity.metadata.annotations.clone(),
        finalizers: identity.metadata.finalizers.clone(),
        ..ObjectMeta::default()
    };
    copy.spec.key = key;
    copy.spec.user.clone_from(&user);
    copy.spec.values = [("user".to_owned(), user)].into();
    let stored = identities.create(&PostParams::default(), &copy).await;
    let stored = stored.with_context(|| format!("identity {at}"))?;
    let mut status = identity.status.clone().context("no status")?;
    for condition in &mut status.conditions {
        condition.observed_generation = stored.metadata.generation;
        if at.is_multiple_of(NOT_READY) && condition.type_ == names::READY {
            "False".clone_into(&mut condition.status);
            // As the broker does: the phase follows the conditions.
            status.phase = Some(Phase::Verifying);
        }
    }
    let status = Patch::Merge(json!({"status": status}));
    let params = PatchParams::default();
    identities
        .patch_status(&stored.name_any(), &params, &status)
        .await?;
    Ok(())
}
