//! An identity after its creation: use, drift and deletion.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Event, Pod, ServiceAccount},
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams},
};
use namesake_api::{
    Identity, conditions,
    names::{GOOGLE_ACCOUNT_READY, GSA_ANNOTATION, READY, WAITING_ANNOTATION},
};
use namesake_gcp::Resource;
use namesake_tests::{
    drafts::metaflow_job,
    eventually::eventually,
    google::email,
    namespace::{TestNamespace, account_of, with_own_stack},
    stack::Options,
};
use serde_json::json;

/// A stack whose broker checks for drift every two seconds.
fn with_frequent_drift_checks() -> Options {
    Options {
        speed: 2000,
        ..Options::default()
    }
}

/// Runs alice's first task, and returns the name of her identity.
async fn run_first_task(ns: &TestNamespace) -> Result<String> {
    let job = ns.alice().await?.create::<Job>(metaflow_job()).await?;
    let pod = ns.pod_of(&job).await?;
    ns.wait_until_ungated(&pod).await?;
    Ok(account_of(&pod).to_owned())
}

async fn identity(ns: &TestNamespace, name: &str) -> Result<Identity> {
    Ok(ns.admin().await?.all().get(name).await?)
}

#[test]
fn a_changed_link_to_the_google_account_is_restored() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        let name = run_first_task(&ns).await?;
        let stray = json!({"metadata": {"annotations": {GSA_ANNOTATION: "root@acme.iam.gserviceaccount.com", "iam.gke.io/x": "y"}}});
        let broker = ns.broker().await?;
        broker.patch::<ServiceAccount>(&name, stray).await?;
        eventually("the annotations are as they should be", async || {
            let account: ServiceAccount = ns.admin().await?.all().get(&name).await?;
            let links = account.annotations();
            ensure!(
                links.get(GSA_ANNOTATION) == Some(&email(&name)),
                "{links:?}"
            );
            ensure!(!links.contains_key("iam.gke.io/x"), "{links:?}");
            Ok(())
        })
        .await
    })
}

#[test]
fn a_refusal_by_google_with_nothing_missing_is_noticed_reported_and_verified_again() -> Result<()> {
    with_own_stack(with_frequent_drift_checks(), |ns| async move {
        let name = run_first_task(&ns).await?;
        let google = ns.stack.google();
        google.plan_fault(json!({"method": "POST", "path": "*:generateAccessToken", "times": 0, "answer": {"status": {"code": 403}}}))?;
        eventually("the identity is no longer believed to work", async || {
            let now = identity(&ns, &name).await?;
            let conditions = now.status.unwrap_or_default().conditions;
            let ready = conditions::get(&conditions, READY).context("no Ready")?;
            ensure!(ready.status == "False", "{ready:?}");
            Ok(())
        })
        .await?;
        let admin = ns.admin().await?;
        let said = async || {
            let events: Vec<Event> = admin.all().list(&ListParams::default()).await?.items;
            let revoked = |e: &Event| e.reason.as_deref() == Some("Revoked");
            let said = events.into_iter().find(revoked).context("no Event")?;
            let note = said.message.unwrap_or_default();
            ensure!(note.contains("deny policy"), "{note}");
            Ok(())
        };
        eventually("an Event says what to look for", said).await?;
        google.state().clear_faults();
        eventually("it is verified again", async || {
            ensure!(identity(&ns, &name).await?.is_ready());
            Ok(())
        })
        .await
    })
}

#[test]
fn a_deleted_account_is_created_again_and_verified_before_it_counts() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        let name = run_first_task(&ns).await?;
        let before = identity(&ns, &name).await?;
        // Nobody else is allowed to.
        let collector = ns.controller("generic-garbage-collector").await?;
        collector.delete::<ServiceAccount>(&name).await?;
        eventually("another account works", async || {
            let account: ServiceAccount = ns.admin().await?.all().get(&name).await?;
            let after = identity(&ns, &name).await?;
            ensure!(
                account.uid().as_deref() != before.service_account_uid(),
                "the old one is still there"
            );
            ensure!(
                after.service_account_uid() == account.uid().as_deref(),
                "{:?}",
                after.status
            );
            ensure!(after.is_ready(), "{:?}", after.status);
            Ok(())
        })
        .await?;
        ns.google_identity(&name).await?;
        Ok(())
    })
}

#[test]
fn a_binding_that_was_removed_at_google_is_restored() -> Result<()> {
    with_own_stack(with_frequent_drift_checks(), |ns| async move {
        let name = run_first_task(&ns).await?;
        let gcp = ns.stack.google().broker_credentials().connect().await?;
        let account = Resource::ServiceAccount {
            email: email(&name),
        };
        let member = ns
            .stack
            .google()
            .members_of(&name)?
            .pop()
            .context("no binding")?;
        gcp.modify_policy(&account, |policy| policy.remove_member(&member))
            .await?;
        eventually("the binding is back and the identity works", async || {
            let members = ns.stack.google().members_of(&name)?;
            ensure!(members.contains(&member), "{members:?}");
            let identity = identity(&ns, &name).await?;
            ensure!(identity.is_ready(), "{:?}", identity.status);
            Ok(())
        })
        .await
    })
}

#[test]
fn the_time_of_last_use_is_written_at_most_once_an_hour() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        let name = run_first_task(&ns).await?;
        let used = eventually("a time of last use", async || {
            let status = identity(&ns, &name).await?.status.unwrap_or_default();
            status.last_used_time.context("none yet")
        })
        .await?;
        run_first_task(&ns).await?;
        let status = identity(&ns, &name).await?.status.unwrap_or_default();
        ensure!(
            status.last_used_time == Some(used),
            "written twice within the hour"
        );
        Ok(())
    })
}

#[test]
fn a_pod_says_why_it_waits() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        let google = ns.stack.google();
        google.plan_fault(
            json!({"path": "/v1/token", "times": 0, "answer": {"status": {"code": 503}}}),
        )?;
        let job = ns.alice().await?.create::<Job>(metaflow_job()).await?;
        let pod = ns.pod_of(&job).await?;
        eventually("the reason is on the pod", async || {
            let pod: Pod = ns.admin().await?.all().get(&pod.name_any()).await?;
            let says = pod
                .annotations()
                .get(WAITING_ANNOTATION)
                .context("nothing")?;
            ensure!(
                says.starts_with("Unavailable: ") && says.contains("alice@acme.com"),
                "{says}"
            );
            Ok(())
        })
        .await?;
        eventually("and in an Event on it", async || {
            let events = ns.admin().await?.all::<Event>();
            let about = format!("involvedObject.name={}", pod.name_any());
            let found = events.list(&ListParams::default().fields(&about)).await?;
            let told = found
                .items
                .into_iter()
                .find(|event| event.reason.as_deref() == Some("Unavailable"));
            let note = told.and_then(|event| event.message).context("none")?;
            ensure!(note.contains("alice@acme.com"), "{note}");
            Ok(())
        })
        .await?;
        google.state().clear_faults();
        ns.wait_until_ungated(&pod).await?;
        let pod: Pod = ns.admin().await?.all().get(&pod.name_any()).await?;
        ensure!(
            !pod.annotations().contains_key(WAITING_ANNOTATION),
            "it still says so"
        );
        Ok(())
    })
}

#[test]
fn a_deleted_identity_is_deleted_at_google_too_even_if_google_was_unavailable() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        let google = ns.stack.google();
        let name = run_first_task(&ns).await?;
        google.plan_fault(json!({"path": "/v1/projects/acme-identities/*", "times": 0, "answer": {"status": {"code": 503}}}))?;
        let all: Api<Identity> = ns.admin().await?.all();
        all.delete(&name, &DeleteParams::default()).await?;
        eventually("the Identity says why it waits", async || {
            let status = all.get(&name).await?.status.unwrap_or_default();
            let why = conditions::get(&status.conditions, GOOGLE_ACCOUNT_READY)
                .context("no condition")?;
            ensure!(why.reason == "Deleting", "{why:?}");
            Ok(())
        })
        .await?;
        ensure!(
            google.accounts_of(&ns.name).contains(&name),
            "gone before Google was asked"
        );
        google.state().clear_faults();
        eventually("nothing is left", async || {
            ensure!(all.get_opt(&name).await?.is_none(), "the Identity");
            ensure!(
                ns.managed_accounts().await?.is_empty(),
                "the service account"
            );
            ensure!(
                google.accounts_of(&ns.name).is_empty(),
                "the Google service account"
            );
            Ok(())
        })
        .await
    })
}
