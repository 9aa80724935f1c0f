//! The API server restarts, loses its watch history, or gets conflicting writes all the time.

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

/// Checks that webhook and broker are ready, with their caches.
async fn check_both_ready(ns: &TestNamespace) -> Result<()> {
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
        check_both_ready(&ns).await?;
        control_plane.start_api_server().await?;
        // The very first request succeeds: nothing had to be read again.
        let made = ns.alice().await?.create::<Pod>(pod()).await?;
        ns.runs_as(&made, ALICE).await?;
        ensure!(!is_gated(&made), "it is gated");
        check_both_ready(&ns).await?;
        // A bare pod, not a Job, because the job controller may be late.
        let made = ns.bob().await?.create::<Pod>(pod()).await?;
        ns.runs_as(&made, BOB).await?;
        ns.wait_until_ungated(&made).await
    })
}

/// Checks that the API server no longer has the watch history after this version of Identities.
async fn check_history_lost(all: &Api<Identity>, version: &str) -> Result<()> {
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
        // No watch of Identities has seen this version yet.
        let other: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "other"}}))?;
        admin.create::<ConfigMap>(other).await?;
        let control_plane = &ns.stack.cluster().control_plane;
        control_plane.stop_api_server().await;
        control_plane.start_api_server().await?;
        // Directly after its start, it may first answer that it is not ready.
        eventually("the watches have expired", async || {
            check_history_lost(&all, &version).await
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
                    // The first pod requests the identity.
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

/// Somebody who keeps writing the same Identity, service account and policy.
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
