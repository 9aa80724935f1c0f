//! When the API server restarts, forgets what it showed, or is written to by others all the time.

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Result, bail, ensure};
use futures::StreamExt;
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{ConfigMap, Pod, ServiceAccount},
};
use kube::{
    Api,
    api::{DeleteParams, ListParams, WatchEvent, WatchParams},
};
use namesake_api::Identity;
use namesake_gcp::Resource;
use namesake_sandbox::kubernetes::users::{ALICE, BOB};
use namesake_tests::{
    cluster::refusal::refused,
    drafts::{metaflow_job, pod},
    eventually::eventually,
    google::email,
    namespace::{TestNamespace, is_gated, with_own_stack},
    stack::{Options, SHARED_RULES},
};
use serde_json::json;

/// Webhook and broker go on by what they know.
async fn both_are_ready(ns: &TestNamespace) -> Result<()> {
    for url in [ns.stack.webhook_url(), ns.stack.broker_url()] {
        let answer = ns
            .stack
            .https()?
            .get(format!("{url}/readyz"))
            .send()
            .await?;
        ensure!(
            answer.status().is_success(),
            "{url}: {}",
            answer.text().await?
        );
    }
    Ok(())
}

#[test]
fn when_the_api_server_is_back_known_users_continue_at_once_and_new_ones_are_served() -> Result<()>
{
    with_own_stack(Options::default(), |ns| async move {
        ns.wait_until_alice_is_known().await?;
        let control_plane = &ns.stack.cluster().control_plane;
        control_plane.stop_api_server().await;
        both_are_ready(&ns).await?;
        control_plane.start_api_server().await?;
        // The very first one: nothing had to be read anew.
        let made = ns.alice().await?.create::<Pod>(pod()).await?;
        ns.runs_as(&made, ALICE).await?;
        ensure!(!is_gated(&made), "it is gated");
        both_are_ready(&ns).await?;
        // Not by a Job: how late its controller is by now, is not ours to say.
        let made = ns.bob().await?.create::<Pod>(pod()).await?;
        ns.runs_as(&made, BOB).await?;
        ns.wait_until_ungated(&made).await
    })
}

/// Whether the API server still shows what came after this version of Identities.
async fn is_forgotten(all: &Api<Identity>, version: &str) -> Result<()> {
    let params = WatchParams::default().timeout(1);
    let mut events = match all.watch(&params, version).await {
        Ok(events) => events.boxed(),
        Err(kube::Error::Api(status)) if status.code == 410 => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    match events.next().await {
        Some(Ok(WatchEvent::Error(status))) if status.code == 410 => Ok(()),
        other => bail!("it does: {other:?}"),
    }
}

#[test]
fn what_changes_while_watches_expire_is_not_lost() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        ns.wait_until_alice_is_known().await?;
        let carol = ns.person("carol@acme.com").await?;
        let hers = ns
            .pod_of(&carol.create::<Job>(metaflow_job()).await?)
            .await?;
        ns.wait_until_ungated(&hers).await?;
        let later = ns.neighbour().await?;
        let admin = ns.admin().await?;
        let all: Api<Identity> = admin.all();
        let version = all
            .list(&ListParams::default())
            .await?
            .metadata
            .resource_version;
        let version = version.unwrap_or_default();
        // Whoever watches Identities has seen nothing as new as this.
        let other: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "other"}}))?;
        admin.create::<ConfigMap>(other).await?;
        let control_plane = &ns.stack.cluster().control_plane;
        control_plane.stop_api_server().await;
        control_plane.start_api_server().await?;
        // Right after its start it may say first that it is not so far.
        eventually("the watches have expired", async || {
            is_forgotten(&all, &version).await
        })
        .await?;
        let suspend = json!({"spec": {"suspended": true}});
        admin
            .patch::<Identity>(&ns.name_for(ALICE), suspend)
            .await?;
        let gone = ns.name_for("carol@acme.com");
        all.delete(&gone, &DeleteParams::default()).await?;
        let rules = format!("{SHARED_RULES}offboarded: [{BOB}]\n");
        ns.stack.edit_rules(&rules).await??;
        later.opt_in().await?;
        for (person, why) in [(ns.alice().await?, "suspended"), (ns.bob().await?, BOB)] {
            eventually(&format!("{why} is known"), async || {
                let made = person.dry_run::<Job>(metaflow_job()).await;
                let made = match made {
                    // The identity is asked for with the first pod.
                    Ok(_) => person.create::<Pod>(pod()).await.map(drop),
                    Err(error) => Err(error),
                };
                refused(made)?.with_code(403)?.with_message(why)?;
                Ok(())
            })
            .await?;
        }
        eventually("carol's account is gone at Google", async || {
            let accounts = ns.stack.google().accounts_of(&ns.name);
            ensure!(!accounts.contains(&gone), "{accounts:?}");
            Ok(())
        })
        .await?;
        later.delete().await
    })
}

/// Somebody else writes the same Identity, service account and policy without end.
struct Storm<'a> {
    ns: &'a TestNamespace,
    name: String,
    written: AtomicU32,
}

impl Storm<'_> {
    fn count(&self, done: bool) -> u32 {
        self.written.fetch_add(u32::from(done), Ordering::Relaxed)
    }

    async fn identity(&self) -> Result<()> {
        let admin = self.ns.admin().await?;
        loop {
            let stray = json!({"metadata": {"annotations": {"storm.example/n": self.count(false).to_string()}}});
            let done = admin.patch::<Identity>(&self.name, stray).await;
            self.count(done.is_ok());
        }
    }

    async fn service_account(&self) -> Result<()> {
        let broker = self.ns.broker().await?;
        loop {
            let stray = json!({"metadata": {"annotations": {"storm.example/n": self.count(false).to_string()}}});
            let done = broker.patch::<ServiceAccount>(&self.name, stray).await;
            self.count(done.is_ok());
        }
    }

    async fn policy(&self) -> Result<()> {
        let gcp = self
            .ns
            .stack
            .google()
            .broker_credentials()
            .connect()
            .await?;
        let account = Resource::ServiceAccount {
            email: email(&self.name),
        };
        let (role, member) = (
            "roles/iam.serviceAccountTokenCreator",
            "user:storm@acme.com",
        );
        loop {
            let turn = self.count(false).is_multiple_of(2);
            let done = gcp.modify_policy(&account, |policy| match turn {
                true => policy.add(role, member, None),
                false => policy.remove_member(member),
            });
            self.count(done.await.is_ok());
        }
    }
}

#[test]
fn an_identity_becomes_ready_although_others_keep_writing_the_same_objects_and_policy() -> Result<()>
{
    with_own_stack(Options::default(), |ns| async move {
        let storm = Storm {
            ns: &ns,
            name: ns.name_for(ALICE),
            written: AtomicU32::new(0),
        };
        let comes = async {
            let job = ns.alice().await?.create::<Job>(metaflow_job()).await?;
            let made = ns.pod_of(&job).await?;
            ns.wait_until_ungated(&made).await
        };
        tokio::select! {
            came = comes => came?,
            ended = async { tokio::try_join!(storm.identity(), storm.service_account(), storm.policy()) } => bail!("the storm ended: {ended:?}"),
        }
        ensure!(storm.count(false) > 20, "no storm: {}", storm.count(false));
        ensure!(ns.stack.google().accounts_of(&ns.name).len() == 1);
        ns.google_identity(&storm.name).await?;
        Ok(())
    })
}
