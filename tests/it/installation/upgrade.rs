//! From the release before this one to this one and back, under load: the manifests and the definition of Identity of both, as
//! docs/upgrade.md says, with the programs of this one.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Namespace, Pod},
};
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams},
};
use namesake_api::names::{SYSTEM_NAMESPACE, WAS_OPTED_IN_LABEL};
use namesake_sandbox::{kubernetes::users::ADMIN, programs::kubernetes::KUBECTL};
use namesake_tests::{
    cluster::{manifests, person::Person, refusal::refused},
    documents,
    drafts::{self, metaflow_job},
    eventually::eventually,
    namespace::{TestNamespace, with_own_cluster},
};
use serde_json::json;
use tokio::task::JoinHandle;

/// The manifests of the release before this one.
const PREVIOUS: &str = include_str!("../../fixtures/previous-release.yaml");
/// The blocks of docs/upgrade.md by section and number: what is run before an upgrade from the release before, and what applies a
/// release.
const BEFORE: (&str, usize) = ("## Upgrade", 1);
const APPLIED: (&str, usize) = ("## Upgrade", 3);
/// The blocks that delete what only the other release has: the one before, and this one.
const UPGRADED: (&str, usize) = ("## Upgrade", 5);
const BACK: (&str, usize) = ("## Roll back", 0);
/// The programs run in this process, and the rules are the test's.
const NOT_APPLIED: [&str; 3] = ["Deployment", "PodDisruptionBudget", "ConfigMap"];
/// The pause between two Jobs.
const PAUSE: Duration = Duration::from_millis(100);

/// The documents of a release that are applied, with the address of the webhook.
fn documents_of(ns: &TestNamespace, release: &str) -> String {
    let address = ns.stack.webhook_url().replace("https://", "");
    let text = release.replace("127.0.0.1:10250", &address);
    let is_applied = |document: &&str| {
        let is_kind = |kind| document.contains(&format!("\nkind: {kind}\n"));
        !NOT_APPLIED.iter().any(is_kind)
    };
    let all: Vec<&str> = text.split("\n---\n").filter(is_applied).collect();
    all.join("\n---\n")
}

async fn client(ns: &TestNamespace) -> Result<Client> {
    ns.stack.cluster().control_plane.client(ADMIN).await
}

/// Runs a block of commands as an admin, in a folder with this release.
async fn run(ns: &TestNamespace, block: String, release: &str) -> Result<()> {
    let control_plane = &ns.stack.cluster().control_plane;
    let kubectl = control_plane.binaries().path(KUBECTL);
    let kubeconfig = control_plane.kubeconfig(ADMIN);
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("release.yaml"), release)?;
    let run = move || documents::run(&block, folder.path(), &kubectl, &kubeconfig);
    tokio::task::spawn_blocking(run).await??;
    Ok(())
}

/// The commands that apply an overlay, for a file that is rendered already. What all stacks share is in it.
fn apply() -> Result<String> {
    let block = documents::commands("upgrade.md", APPLIED.0)?.swap_remove(APPLIED.1);
    let render = "kubectl kustomize manifests/overlays/acme";
    ensure!(
        block.starts_with("ca=") && block.contains(render),
        "{block}"
    );
    Ok(block.replace(render, "cat release.yaml"))
}

/// Applies a release, and deletes what only the other one has with a block of the document. Nothing of that is left.
async fn change_to(
    ns: &TestNamespace,
    to: &str,
    from: &str,
    (section, block): (&str, usize),
) -> Result<()> {
    let (to, from) = (documents_of(ns, to), documents_of(ns, from));
    if section == BEFORE.0 {
        let before = documents::commands("upgrade.md", BEFORE.0)?.swap_remove(BEFORE.1);
        run(ns, before, &to).await?;
    }
    run(ns, apply()?, &to).await?;
    let block = documents::commands("upgrade.md", section)?.swap_remove(block);
    run(ns, block, &to).await?;
    let (to, client) = (manifests::objects(&to)?, client(ns).await?);
    let titles: BTreeSet<_> = to.iter().map(manifests::title).collect();
    for object in manifests::objects(&from)? {
        let title = manifests::title(&object);
        if !titles.contains(&title) {
            let is_there = manifests::exists(&client, &object, SYSTEM_NAMESPACE).await?;
            ensure!(!is_there, "{title} is left");
        }
    }
    Ok(())
}

/// Jobs by name, each with its user, and what was refused.
#[derive(Default)]
struct Made {
    jobs: BTreeMap<String, String>,
    refused: Vec<String>,
}

/// Alice and bob, who create Jobs all the time.
struct Load {
    is_over: Arc<AtomicBool>,
    task: JoinHandle<Made>,
}

impl Load {
    fn start(people: [Person; 2]) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let task = tokio::spawn(async move {
            let mut made = Made::default();
            for person in people.iter().cycle() {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                match person.create::<Job>(metaflow_job()).await {
                    Ok(job) => {
                        made.jobs.insert(job.name_any(), person.name.clone());
                    }
                    Err(error) => made.refused.push(error.to_string()),
                }
                tokio::time::sleep(PAUSE).await;
            }
            made
        });
        Self { is_over, task }
    }

    async fn stop(self) -> Result<Made> {
        self.is_over.store(true, Ordering::Relaxed);
        Ok(self.task.await?)
    }
}

/// A user's new task runs as the user.
async fn check_works(ns: &TestNamespace) -> Result<()> {
    let job = ns.bob().await?.create::<Job>(metaflow_job()).await?;
    let pod = ns.pod_of(&job).await?;
    ns.wait_until_ungated(&pod).await?;
    ns.runs_as(&pod, "bob@acme.com").await?;
    Ok(())
}

/// The label that older releases do not write.
async fn label(ns: &TestNamespace) -> Result<Option<String>> {
    let namespaces: Api<Namespace> = Api::all(client(ns).await?);
    Ok(namespaces
        .get(&ns.name)
        .await?
        .labels()
        .get(WAS_OPTED_IN_LABEL)
        .cloned())
}

/// Makes the cluster one of the release before: what it has, and nothing that only this one writes.
async fn begin_with_previous(ns: &TestNamespace, current: &str) -> Result<()> {
    change_to(ns, PREVIOUS, current, BACK).await?;
    let namespaces: Api<Namespace> = Api::all(client(ns).await?);
    let none = Patch::Merge(json!({"metadata": {"labels": {WAS_OPTED_IN_LABEL: null}}}));
    namespaces
        .patch(&ns.name, &PatchParams::default(), &none)
        .await?;
    ensure!(label(ns).await?.is_none());
    check_works(ns).await
}

#[test]
fn while_it_is_upgraded_and_rolled_back_no_job_is_refused_and_each_pod_runs_as_its_user()
-> Result<()> {
    with_own_cluster(|ns| async move {
        let current = manifests::rendered(&ns.stack.cluster().control_plane, "overlays/loopback")?;
        begin_with_previous(&ns, &current).await?;
        let load = Load::start([ns.alice().await?, ns.bob().await?]);
        change_to(&ns, &current, PREVIOUS, UPGRADED).await?;
        check_works(&ns).await?;
        ensure!(label(&ns).await?.as_deref() == Some("true"));
        change_to(&ns, PREVIOUS, &current, BACK).await?;
        check_works(&ns).await?;
        change_to(&ns, &current, PREVIOUS, UPGRADED).await?;
        check_works(&ns).await?;
        let made = load.stop().await?;
        ensure!(
            made.refused.is_empty(),
            "of {}: {:?}",
            made.jobs.len(),
            made.refused
        );
        ensure!(made.jobs.len() >= 20, "{}", made.jobs.len());
        let pods = eventually("each Job has its pod", async || {
            let mut pods = ns.pods().await?;
            pods.retain(|pod| job_of(pod).is_some_and(|job| made.jobs.contains_key(job)));
            ensure!(
                pods.len() == made.jobs.len(),
                "{} of {}",
                pods.len(),
                made.jobs.len()
            );
            Ok(pods)
        })
        .await?;
        for pod in &pods {
            let job = job_of(pod).context("no Job")?;
            ns.runs_as(pod, &made.jobs[job]).await?;
        }
        Ok(())
    })
}

#[test]
fn nobody_runs_as_bob_in_a_namespace_that_opted_out_before_the_upgrade() -> Result<()> {
    with_own_cluster(|ns| async move {
        let current = manifests::rendered(&ns.stack.cluster().control_plane, "overlays/loopback")?;
        begin_with_previous(&ns, &current).await?;
        ns.opt_out().await?;
        change_to(&ns, &current, PREVIOUS, UPGRADED).await?;
        let [bob] = ns.identities().await?.try_into().ok().context("not one")?;
        let mallory = ns.mallory().await?;
        eventually(
            "the policy of this release refuses his account",
            async || {
                let planted = drafts::pod().running_as(&bob.name_any());
                refused(mallory.dry_run::<Pod>(planted).await)?.with_message("not opted in")
            },
        )
        .await?;
        Ok(())
    })
}

fn job_of(pod: &Pod) -> Option<&str> {
    pod.labels().get("job-name").map(String::as_str)
}
