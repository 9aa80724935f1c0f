//! Direct requests to the webhook's port. It signs stamps for anyone who can reach it, but they are useless: only the API server
//! writes objects, and it calls the webhook again for each of them.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::batch::v1::Job;
use kube::{
    ResourceExt,
    api::{Patch, PatchParams},
};
use namesake_api::names::STAMP_ANNOTATION;
use namesake_sandbox::kubernetes::users::{BOB, MALLORY};
use namesake_tests::{
    cluster::refusal::refused,
    drafts::metaflow_job,
    namespace::{TestNamespace, with_namespace},
};
use serde_json::{Value, json};

use super::{owner::with_every_right, person_with_cluster_rights};

/// The stamp that the webhook returns for a Job, in a review by somebody who claims to be bob.
async fn signed_for_bob(
    ns: &TestNamespace,
    operation: &str,
    new: &Value,
    old: &Value,
) -> Result<String> {
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "forged", "kind": {"group": "batch", "version": "v1", "kind": "Job"}, "namespace": ns.name,
        "operation": operation, "userInfo": {"username": BOB}, "object": new, "oldObject": old}});
    let url = format!("{}/mutate", ns.stack.webhook_url());
    let answer = ns.stack.https()?.post(url).json(&review).send().await?;
    let answer: Value = answer.json().await?;
    ensure!(answer["response"]["allowed"] == true, "{answer}");
    let patch = answer["response"]["patch"].as_str().context("no patch")?;
    let patch = data_encoding::BASE64.decode(patch.as_bytes())?;
    let mut signed = new.clone();
    let changes: json_patch::Patch = serde_json::from_slice(&patch)?;
    json_patch::patch(&mut signed, &changes)?;
    let stamp = signed["metadata"]["annotations"][STAMP_ANNOTATION].as_str();
    Ok(stamp.context("no stamp")?.to_owned())
}

#[test]
fn a_stamp_obtained_directly_from_the_port_of_the_webhook_gets_into_no_object() -> Result<()> {
    with_namespace(|ns| async move {
        let mallory = ns.mallory().await?;
        let wish = metaflow_job().suspended();
        let stamp = signed_for_bob(&ns, "CREATE", &wish.clone().into_value(), &Value::Null).await?;
        // At creation.
        let job = wish.annotated(STAMP_ANNOTATION, &stamp);
        let job = mallory.create::<Job>(job).await?;
        let own = job.annotations()[STAMP_ANNOTATION].clone();
        ensure!(own != stamp, "the Job of {MALLORY} has bob's stamp");
        // Signed for this object, which already claims to be bob's.
        let mut old = serde_json::to_value(&job)?;
        old["metadata"]["annotations"][STAMP_ANNOTATION] = json!(stamp);
        let stamp = signed_for_bob(&ns, "UPDATE", &old, &old).await?;
        let (name, params) = (job.name_any(), PatchParams::default());
        for person in [
            mallory.clone(),
            with_every_right(&ns).await?,
            person_with_cluster_rights(&ns).await?,
        ] {
            let edit = json!({"metadata": {"annotations": {STAMP_ANNOTATION: &stamp}}});
            let edited: Job = person.patch(&name, edit).await?;
            let kept = &edited.annotations()[STAMP_ANNOTATION];
            ensure!(*kept != stamp, "{} wrote it", person.name);
        }
        let owner = with_every_right(&ns).await?;
        let edit = Patch::Merge(json!({"metadata": {"annotations": {STAMP_ANNOTATION: stamp}}}));
        let by_status = owner.all::<Job>().patch_status(&name, &params, &edit).await;
        refused(by_status)?.with_code(403)?;
        let resumed = json!({"spec": {"suspend": false}});
        mallory.patch::<Job>(&name, resumed).await?;
        ns.runs_as(&ns.pod_of(&job).await?, MALLORY).await?;
        Ok(())
    })
}
