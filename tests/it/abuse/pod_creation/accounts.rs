//! Requests by managed service accounts: what a task pod creates belongs to the user of the pod.

use anyhow::Result;
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use namesake_sandbox::kubernetes::users::ALICE;
use namesake_tests::{
    cluster::refusal::refused,
    drafts::metaflow_job,
    namespace::{TestNamespace, account_of, with_namespace},
};

/// A pod of alice, whose service account has the right to create Jobs here.
async fn pod_of_alice(ns: &TestNamespace) -> Result<Pod> {
    let job = ns.alice().await?.create::<Job>(metaflow_job()).await?;
    let pod = ns.pod_of(&job).await?;
    ns.grant_role(&pod, "edit").await?;
    Ok(pod)
}

#[test]
fn what_a_task_pod_creates_runs_as_its_user() -> Result<()> {
    with_namespace(|ns| async move {
        let pod = pod_of_alice(&ns).await?;
        let task = ns.as_pod(&pod).await?;
        let job = task.create::<Job>(metaflow_job()).await?;
        ns.runs_as(&ns.pod_of(&job).await?, ALICE).await?;
        Ok(())
    })
}

#[test]
fn another_token_of_the_account_than_that_of_its_pod_is_refused() -> Result<()> {
    with_namespace(|ns| async move {
        let pod = pod_of_alice(&ns).await?;
        let cluster = ns.stack.cluster();
        let minted = cluster
            .service_account(&ns.name, account_of(&pod), &ns.name)
            .await?;
        let impostor = ns.impostor(&minted.name).await?;
        for somebody in [minted, impostor] {
            refused(somebody.create::<Job>(metaflow_job()).await)?
                .with_code(403)?
                .with_message(account_of(&pod))?
                .with_message("token")?;
        }
        Ok(())
    })
}
