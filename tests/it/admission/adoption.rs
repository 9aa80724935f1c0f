//! Objects without a proven person: they are listed, and only an admin assigns them to a user. And stamps during key rotation.

use anyhow::{Context, Error, Result, ensure};
use data_encoding::BASE64;
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{ConfigMap, Secret},
};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use namesake_api::UnprovenReport;
use namesake_api::names::{
    ADOPT_ANNOTATION, CURRENT_KEY_ANNOTATION, STAMP_ANNOTATION, STAMP_KEY_SECRET, SYSTEM_NAMESPACE,
    UNPROVEN_CONFIG_MAP,
};
use namesake_core::KeyRing;
use namesake_sandbox::kubernetes::users::ALICE;
use namesake_tests::{
    cluster::refusal::refused,
    drafts::metaflow_job,
    eventually::eventually,
    namespace::{TestNamespace, with_namespace, with_own_stack},
    stack::Options,
};
use serde_json::{Value, json};

mod argo;

/// The objects of a namespace that the webhook reports as without a proven requester, with the reasons.
async fn unproven(ns: &TestNamespace) -> Result<Vec<(String, String)>> {
    let client = ns.admin().await?.client().clone();
    let maps: Api<ConfigMap> = Api::namespaced(client, SYSTEM_NAMESPACE);
    let data = maps.get(UNPROVEN_CONFIG_MAP).await?.data;
    let report = UnprovenReport::from_data(&data.unwrap_or_default()).map_err(Error::msg)?;
    let all = report.parents.into_iter();
    let here = all.filter(|parent| parent.namespace == ns.name);
    Ok(here
        .map(|parent| (format!("{} {}", parent.kind, parent.name), parent.why))
        .collect())
}

fn adopt_for(user: &str) -> Value {
    json!({"metadata": {"annotations": {ADOPT_ANNOTATION: user}}})
}

#[test]
fn a_job_from_before_the_opt_in_is_listed_and_only_an_admin_assigns_it_to_its_user() -> Result<()> {
    with_namespace(|ns| async move {
        let neighbour = ns.neighbour().await?;
        let planted = metaflow_job()
            .suspended()
            .annotated(ADOPT_ANNOTATION, "bob@acme.com");
        let job = neighbour.alice().await?.create::<Job>(planted).await?;
        let name = job.name_any();
        let listed_as = format!("batch/Job {name}");
        neighbour.opt_in().await?;
        eventually("the Job is listed", async || {
            let listed = unproven(&neighbour).await?;
            let found = listed
                .iter()
                .any(|(n, why)| *n == listed_as && why.contains("no stamp"));
            ensure!(found, "{listed:?}");
            Ok(())
        })
        .await?;
        let mallory = neighbour.mallory().await?;
        refused(
            mallory
                .patch::<Job>(&name, adopt_for("mallory@acme.com"))
                .await,
        )?
        .with_code(403)?
        .with_message("only admins")?
        .with_message("mallory@acme.com")?;
        let admin = neighbour.admin().await?;
        // The annotation from before the opt-in has no effect when an admin changes something else.
        let note = json!({"metadata": {"annotations": {"note": "x"}}});
        let seen: Job = admin.patch(&name, note).await?;
        ensure!(!seen.annotations().contains_key(STAMP_ANNOTATION));
        ensure!(!seen.annotations().contains_key(ADOPT_ANNOTATION));
        refused(
            admin
                .patch::<Job>(&name, adopt_for("carl@contractor.example"))
                .await,
        )?
        .with_code(403)?
        .with_message("contractors")?;
        let adopted: Job = admin.patch(&name, adopt_for("Alice@acme.com")).await?;
        ensure!(adopted.annotations().contains_key(STAMP_ANNOTATION));
        ensure!(!adopted.annotations().contains_key(ADOPT_ANNOTATION));
        let resume = json!({"spec": {"suspend": false}});
        let resumed: Job = neighbour.alice().await?.patch(&name, resume).await?;
        neighbour
            .runs_as(&neighbour.pod_of(&resumed).await?, ALICE)
            .await?;
        eventually("the Job is no longer listed", async || {
            let listed = unproven(&neighbour).await?;
            ensure!(listed.iter().all(|(n, _)| *n != listed_as), "{listed:?}");
            Ok(())
        })
        .await?;
        check_audit_log(&neighbour, &name).await?;
        neighbour.delete().await
    })
}

/// Checks that the API server's audit log records who assigned the object, and to whom.
async fn check_audit_log(ns: &TestNamespace, name: &str) -> Result<()> {
    eventually("the adoption's audit event", async || {
        let events = ns.stack.cluster().audit_events()?;
        let of_it = events.iter().filter(|e| e["objectRef"]["name"] == name);
        let said =
            |e: &Value, key: &str| e["annotations"][format!("mutate.namesake.dev/{key}")].clone();
        let mut adopted = of_it.filter(|e| said(e, "outcome") == "adopted");
        let event = adopted.next().context("there is no such event")?;
        ensure!(said(event, "user") == ALICE, "{event}");
        ensure!(
            said(event, "requester") == event["user"]["username"],
            "{event}"
        );
        Ok(())
    })
    .await
}

fn key_of(job: &Job) -> Option<&str> {
    job.annotations()
        .get(STAMP_ANNOTATION)
        .and_then(|text| KeyRing::id_in(text))
}

/// Changes the Secret of stamp keys as an admin, and restarts the webhook.
async fn change_keys(ns: &TestNamespace, patch: Value) -> Result<()> {
    let client = ns.admin().await?.client().clone();
    let secrets: Api<Secret> = Api::namespaced(client, SYSTEM_NAMESPACE);
    secrets
        .patch(
            STAMP_KEY_SECRET,
            &PatchParams::default(),
            &Patch::Merge(patch),
        )
        .await?;
    ns.stack.kill_webhook().await;
    ns.stack.start_webhook().await
}

#[test]
fn stamps_stay_valid_after_a_key_rotation_until_the_old_key_is_removed() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        let alice = ns.alice().await?;
        let first: Job = alice.create(metaflow_job().suspended()).await?;
        let second: Job = alice.create(metaflow_job().suspended()).await?;
        let old = key_of(&first).context("no stamp")?.to_owned();
        let key = BASE64.encode(&[9; 32]);
        let rotated = json!({"data": {"next": key}, "metadata": {"annotations": {CURRENT_KEY_ANNOTATION: "next"}}});
        change_keys(&ns, rotated).await?;
        let resume = json!({"spec": {"suspend": false}});
        let resumed: Job = alice.patch(&first.name_any(), resume.clone()).await?;
        ensure!(
            key_of(&resumed) == Some("next"),
            "an update signs again: {:?}",
            key_of(&resumed)
        );
        ns.runs_as(&ns.pod_of(&resumed).await?, ALICE).await?;
        let new: Job = alice.create(metaflow_job()).await?;
        ensure!(key_of(&new) == Some("next"));
        let text = ns.stack.webhook_metrics().await?;
        let still = format!("namesake_webhook_stamps{{key=\"{old}\"}} 1");
        ensure!(text.contains(&still), "{still} is not in {text}");
        change_keys(&ns, json!({"data": {old.as_str(): null}})).await?;
        refused(alice.patch::<Job>(&second.name_any(), resume.clone()).await)?
            .with_code(503)?
            .with_message(&old)?
            .with_message("which is unknown")?;
        ns.runs_as(
            &ns.pod_of(&alice.create(metaflow_job()).await?).await?,
            ALICE,
        )
        .await?;
        // An admin assigns it to its user, and it continues.
        let admin = ns.admin().await?;
        let adopted: Job = admin.patch(&second.name_any(), adopt_for(ALICE)).await?;
        ensure!(key_of(&adopted) == Some("next"));
        let resumed: Job = alice.patch(&second.name_any(), resume).await?;
        ns.runs_as(&ns.pod_of(&resumed).await?, ALICE).await?;
        Ok(())
    })
}
