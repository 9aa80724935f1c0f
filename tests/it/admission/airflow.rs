//! Airflow's operator, which creates bare pods with its own service account and names the user in an annotation.

use anyhow::Result;
use k8s_openapi::api::core::v1::Pod;
use namesake_sandbox::kubernetes::users::{ALICE, BOB, MALLORY};
use namesake_tests::{
    cluster::{person::Person, refusal::refused},
    drafts::{Draft, metaflow_pod},
    namespace::{TestNamespace, with_namespace},
};

/// Airflow's service account, with a real token and the rights of a stock installation.
async fn airflow(ns: &TestNamespace) -> Result<Person> {
    ns.account_with_edit("airflow", "airflow-worker").await
}

/// The pod of a task, as Airflow's operator creates it.
fn task_of(owner: &str) -> Draft {
    metaflow_pod()
        .named("train-")
        .labelled("app.kubernetes.io/created-by", "somebody")
        .annotated("metaflow/owner", owner)
}

#[test]
fn a_pod_that_airflow_creates_for_alice_runs_as_alice() -> Result<()> {
    with_namespace(|ns| async move {
        let airflow = airflow(&ns).await?;
        let pod = airflow
            .create::<Pod>(task_of(ALICE).claiming_user(BOB))
            .await?;
        ns.runs_as(&pod, ALICE).await?;
        let pod = airflow.create::<Pod>(task_of(BOB)).await?;
        ns.runs_as(&pod, BOB).await?;
        Ok(())
    })
}

#[test]
fn airflow_can_claim_only_users_that_the_rules_allow() -> Result<()> {
    with_namespace(|ns| async move {
        let airflow = airflow(&ns).await?;
        let foreign = airflow
            .create::<Pod>(task_of("eve@contractor.example"))
            .await;
        refused(foreign)?.with_code(403)?.with_message("mayClaim")?;
        let nobody = airflow.create::<Pod>(metaflow_pod().named("train-")).await;
        refused(nobody)?
            .with_code(403)?
            .with_message("metaflow/owner")?;
        Ok(())
    })
}

#[test]
fn the_annotation_of_airflow_proves_nothing_when_mallory_writes_it() -> Result<()> {
    with_namespace(|ns| async move {
        let pod = ns.mallory().await?.create::<Pod>(task_of(ALICE)).await?;
        ns.runs_as(&pod, MALLORY).await?;
        Ok(())
    })
}
