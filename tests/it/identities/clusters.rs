//! Two clusters with the same stack in one project: neither touches the other's resources at Google.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::{Api, ResourceExt, api::DeleteParams};
use namesake_api::{Identity, conditions, names::READY};
use namesake_sandbox::CLUSTER;
use namesake_tests::{
    drafts::pod,
    eventually::eventually,
    google::email,
    namespace::{TestNamespace, account_of, with_own_stack},
    stack::{Options, SHARED_RULES},
};
use serde_json::Value;

/// The other cluster, of the same project.
const GPU: &str = "projects/acme/locations/us-central1/clusters/gpu";

/// Brokers that collect garbage immediately.
fn options(rules: &str) -> Options {
    Options {
        rules: rules.to_owned(),
        speed: 2000,
        tune: |config| {
            config.collect = true;
            config.collect_after = Duration::ZERO;
            config.timings.patience.lasting = Duration::from_mins(2);
        },
        ..Options::default()
    }
}

/// Runs a pod as alice, and returns the name of her identity.
async fn run_as_alice(ns: &TestNamespace) -> Result<String> {
    let made = ns.alice().await?.create::<Pod>(pod()).await?;
    ns.wait_until_ungated(&made).await?;
    let name = account_of(&made).to_owned();
    let who = ns.google_identity(&name).await?;
    ensure!(who == email(&name), "{who}");
    Ok(name)
}

/// Everything at Google that belongs to an identity, with etags, which change with every write.
fn at_google(ns: &TestNamespace, name: &str) -> Result<Value> {
    let google = ns.stack.google();
    let listing = google.state().listing();
    let email = email(name);
    let mut accounts = listing["serviceAccounts"].as_array().into_iter().flatten();
    let account = accounts.find(|account| account["email"] == email.as_str());
    let account = account.context("no account")?;
    let folder = format!(
        "projects/_/buckets/acme-mf/managedFolders/users/{}/",
        name.trim_start_matches("mf-")
    );
    Ok(serde_json::json!([
        account,
        listing["policies"][google.policy_of(name)?],
        listing["policies"][folder]
    ]))
}

/// Waits until the broker's metrics say whether the rules name another cluster.
async fn wait_for_another_cluster(ns: &TestNamespace, wanted: bool) -> Result<()> {
    eventually("the metric says which cluster this is", async || {
        let text = ns.stack.broker_metrics().await?;
        let line = format!("namesake_broker_other_cluster {}", u8::from(wanted));
        ensure!(text.lines().any(|l| l == line), "{text}");
        Ok(())
    })
    .await
}

/// Waits until a broker reports that a stack of another cluster of the pool may have the same broker: both are in namespaces of one
/// name.
async fn wait_for_same_broker(ns: &TestNamespace, cluster: &str) -> Result<()> {
    let events: Api<Event> = ns.admin().await?.in_namespace(&ns.stack.home()).all();
    eventually("the other cluster is reported", async || {
        let text = ns.stack.broker_metrics().await?;
        let metric = text
            .lines()
            .find(|l| *l == "namesake_broker_same_brokers 1");
        ensure!(metric.is_some(), "{text}");
        let all = events.list(&Default::default()).await?.items;
        let said = |event: &Event| {
            let note = event.message.as_deref().unwrap_or_default();
            event.reason.as_deref() == Some("SameBroker")
                && note.contains(cluster)
                && note.contains("acme.svc.id.goog[namesake-system/namesake-broker]")
        };
        ensure!(all.iter().any(said), "no Event");
        Ok(())
    })
    .await
}

#[test]
fn two_clusters_of_one_stack_leave_each_other_alone_even_with_the_same_rules() -> Result<()> {
    with_own_stack(options(SHARED_RULES), |ns| async move {
        let here = run_as_alice(&ns).await?;
        let own_rules = SHARED_RULES.replacen(CLUSTER, GPU, 1);
        let there = ns.in_another_cluster(GPU, options(&own_rules)).await?;
        let before = at_google(&ns, &here)?;

        // The same stack, namespace and user, but two identities.
        let other = run_as_alice(&there).await?;
        ensure!(other != here, "one identity in two clusters");
        wait_for_another_cluster(&there, false).await?;
        wait_for_same_broker(&ns, "clusters/gpu").await?;
        wait_for_same_broker(&there, "clusters/ml").await?;

        // Somebody copies the rules without changing the cluster, so the names are those of the first one.
        there.stack.edit_rules(SHARED_RULES).await??;
        let copied = eventually("alice's pod has the first cluster's name", async || {
            let made = there.alice().await?.create::<Pod>(pod()).await?;
            ensure!(account_of(&made) == here, "{}", account_of(&made));
            Ok(made)
        })
        .await?;
        let all: Api<Identity> = there.admin().await?.all();
        eventually(
            "the Identity says that this is another cluster",
            async || {
                let status = there.identity_of(&copied).await?.status.unwrap_or_default();
                let ready = conditions::get(&status.conditions, READY).context("no condition")?;
                ensure!(
                    ready.status == "False" && ready.reason == "OtherCluster",
                    "{ready:?}"
                );
                ensure!(ready.message.contains("clusters/gpu"), "{}", ready.message);
                let events: Api<Event> = there.admin().await?.all();
                let events = events.list(&Default::default()).await?.items;
                let said = |event: &Event| {
                    event.involved_object.name.as_ref() == Some(&here)
                        && event.reason.as_deref() == Some("OtherCluster")
                };
                ensure!(events.iter().any(said), "no Event");
                Ok(())
            },
        )
        .await?;
        wait_for_another_cluster(&there, true).await?;

        // Deleting an identity there would delete the first cluster's resources at Google.
        all.delete(&here, &DeleteParams::default()).await?;
        eventually("the Identity is gone", async || {
            ensure!(all.get_opt(&here).await?.is_none());
            Ok(())
        })
        .await?;
        there.stack.edit_rules(&own_rules).await??;
        wait_for_another_cluster(&there, false).await?;
        eventually("the second cluster works again", async || {
            let identity = all.get(&other).await?;
            ensure!(identity.is_ready(), "{:?}", identity.name_any());
            Ok(())
        })
        .await?;
        run_as_alice(&there).await?;

        let after = at_google(&ns, &here)?;
        ensure!(after == before, "before {before}\nafter {after}");
        ensure!(run_as_alice(&ns).await? == here);
        there.stack.stop().await
    })
}
