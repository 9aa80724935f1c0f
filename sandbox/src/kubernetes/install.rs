//! Installs `manifests/` as an admin does, with the loopback overlay and this run's ports.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use k8s_openapi::api::{apps::v1::Deployment, batch::v1::Job};
use kube::{Api, Client, api::PostParams};
use namesake_api::names::{OPT_IN_LABEL, STAMP_ANNOTATION, SYSTEM_NAMESPACE};
use serde_json::json;

use crate::{
    ControlPlane, RESEARCH, STACK, WorkFolder,
    host::{children::tail, ports, work_folder::workspace_root},
    kubernetes::{
        kubectl::Kubectl,
        service::Service,
        users::{ADMIN, ALICE},
    },
};

/// Placeholder ports of the overlay, and the names of the Services and Deployments that they stand for.
const SERVICES: [(&str, &str); 2] = [("10250", "namesake-webhook"), ("10251", "namesake-broker")];
/// What the gateway may do. Its Deployment is not installed: Envoy and the authorizer run beside the cluster.
const GATEWAY_RIGHTS: &str = "gateway/rbac.yaml";
/// What is installed in each namespace that opts in.
const NAMESPACE_RIGHTS: [&str; 2] = [
    "opt-in/role-bindings.yaml",
    "gateway/namespace/role-binding.yaml",
];
const LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(200);

/// Installs the manifests, waits until both Deployments are available, opts the namespace `research` in, and waits until a Job
/// there would be stamped. Webhook and broker are reachable as long as the returned Services are kept.
///
/// # Errors
/// kubectl fails, or a Deployment does not become available: the message has the end of its logs.
pub async fn install(
    control_plane: &ControlPlane,
    folder: &WorkFolder,
    google: &str,
) -> Result<Vec<Service>> {
    let kubectl = Kubectl::of_admin(control_plane);
    let place = folder.path().join("install");
    fs::create_dir_all(&place).with_context(|| format!("cannot create {}", place.display()))?;
    let google_port = google.rsplit(':').next().unwrap_or_default().to_owned();
    let admin = control_plane.client(ADMIN).await?;
    let mut taken = vec![("10252", google_port)];
    let mut services = Vec::new();
    for (stands_for, name) in SERVICES {
        let listener = ports::listener()?;
        taken.push((stands_for, listener.local_addr()?.port().to_string()));
        let pods = Api::namespaced(admin.clone(), SYSTEM_NAMESPACE);
        let label = format!("app.kubernetes.io/name={name}");
        services.push(Service::of_pods(listener, pods, &label)?);
    }
    let applied = place.clone();
    tokio::task::spawn_blocking(move || apply(&kubectl, &applied, &taken))
        .await
        .context("the installation was interrupted")??;
    for (_, name) in SERVICES {
        wait_until_available(&admin, name, folder).await?;
    }
    opt_in(control_plane).await?;
    wait_until_stamped(&control_plane.client(ALICE).await?).await?;
    Ok(services)
}

/// Rights first, then the label: from then on the namespace's pods pass the webhook.
async fn opt_in(control_plane: &ControlPlane) -> Result<()> {
    control_plane.namespace(RESEARCH, &[]).await?;
    let kubectl = Kubectl::of_admin(control_plane);
    let apply = move || {
        let mut files = NAMESPACE_RIGHTS.iter();
        files.try_for_each(|file| apply_file(&kubectl, &manifest(file), RESEARCH))
    };
    tokio::task::spawn_blocking(apply)
        .await
        .context("the opt-in was interrupted")??;
    let labels = [
        (OPT_IN_LABEL, STACK),
        ("pod-security.kubernetes.io/enforce", "baseline"),
    ];
    control_plane.namespace(RESEARCH, &labels).await
}

fn apply(kubectl: &Kubectl, place: &Path, ports: &[(&str, String)]) -> Result<()> {
    let overlay = manifest("overlays/loopback");
    let mut text = kubectl.run(&["kustomize", &overlay.display().to_string()])?;
    for (stands_for, port) in ports {
        text = text.replace(stands_for, port);
    }
    let rendered = place.join("rendered.yaml");
    fs::write(&rendered, text).with_context(|| format!("cannot write {}", rendered.display()))?;
    apply_file(kubectl, &rendered, SYSTEM_NAMESPACE)?;
    apply_file(kubectl, &manifest(GATEWAY_RIGHTS), SYSTEM_NAMESPACE)
}

/// Applies a file; the namespace is for objects that name none.
fn apply_file(kubectl: &Kubectl, file: &Path, namespace: &str) -> Result<()> {
    let file = file.display().to_string();
    let apply = ["apply", "--server-side", "--filename", &file];
    let args = [&apply[..], &["--namespace", namespace]].concat();
    kubectl.run(&args).map(drop)
}

fn manifest(path: &str) -> PathBuf {
    workspace_root().join("manifests").join(path)
}

async fn wait_until_available(admin: &Client, name: &str, folder: &WorkFolder) -> Result<()> {
    let deployments = Api::<Deployment>::namespaced(admin.clone(), SYSTEM_NAMESPACE);
    let start = Instant::now();
    loop {
        let status = deployments
            .get(name)
            .await
            .ok()
            .and_then(|it| it.status)
            .unwrap_or_default();
        let wanted = status.replicas.unwrap_or(0);
        if wanted > 0 && status.available_replicas == Some(wanted) {
            return Ok(());
        }
        if start.elapsed() > LIMIT {
            let logs = logs_of(folder, name);
            bail!(
                "deployment {name} is not available after {} s{logs}",
                LIMIT.as_secs()
            );
        }
        tokio::time::sleep(POLL).await;
    }
}

/// The last lines of the logs of a Deployment's pods.
fn logs_of(folder: &WorkFolder, deployment: &str) -> String {
    let prefix = format!("{SYSTEM_NAMESPACE}_{deployment}-");
    let logs = fs::read_dir(folder.logs().join("pods"))
        .into_iter()
        .flatten()
        .filter_map(Result::ok);
    let of_ours = logs.filter(|log| log.file_name().to_string_lossy().starts_with(&prefix));
    of_ours
        .map(|log| {
            format!(
                "\n{} ends with:\n{}",
                log.path().display(),
                tail(&log.path(), 10)
            )
        })
        .collect()
}

/// Waits until the API server, the webhook's certificate and its watches are ready.
async fn wait_until_stamped(alice: &Client) -> Result<()> {
    let job: Job = serde_json::from_value(json!({
        "metadata": {"generateName": "is-it-stamped-"},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "none", "image": "none"}]}}},
    }))?;
    let jobs = Api::<Job>::namespaced(alice.clone(), RESEARCH);
    let dry_run = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let start = Instant::now();
    loop {
        let state = match jobs.create(&dry_run, &job).await {
            Ok(job)
                if job
                    .metadata
                    .annotations
                    .as_ref()
                    .is_some_and(|all| all.contains_key(STAMP_ANNOTATION)) =>
            {
                return Ok(());
            }
            Ok(_) => "the Job would be admitted without a stamp".to_owned(),
            Err(error) => error.to_string(),
        };
        if start.elapsed() > LIMIT {
            bail!(
                "no Job is stamped in namespace {RESEARCH} after {} s: {state}",
                LIMIT.as_secs()
            );
        }
        tokio::time::sleep(POLL).await;
    }
}
