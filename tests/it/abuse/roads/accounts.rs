//! A managed account that asks: what a task pod makes belongs to the user whose pod it is.

use anyhow::{Context, Result};
use k8s_openapi::api::{
    authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec},
    batch::v1::Job,
    core::v1::{Pod, ServiceAccount},
};
use kube::{Api, Client, ResourceExt, api::PostParams};
use namesake_sandbox::users::ALICE;
use namesake_tests::{
    drafts::metaflow_job,
    manifests,
    namespace::{TestNamespace, account_of, with_namespace},
    person::Person,
    refused::refused,
};
use serde_json::json;

/// The account of a pod, with the token that its kubelet would give it.
async fn as_pod(ns: &TestNamespace, pod: &Pod) -> Result<Person> {
    let (account, cluster) = (account_of(pod), ns.stack.cluster());
    let accounts: Api<ServiceAccount> =
        Api::namespaced(ns.admin().await?.client().clone(), &ns.name);
    let bound = BoundObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Pod".to_owned()),
        name: pod.metadata.name.clone(),
        uid: pod.uid(),
    };
    let request = TokenRequest {
        spec: Some(TokenRequestSpec {
            bound_object_ref: Some(bound),
            ..TokenRequestSpec::default()
        }),
        ..TokenRequest::default()
    };
    let answer = accounts
        .create_token_request(account, &PostParams::default(), &request)
        .await?;
    let token = answer.status.and_then(|status| status.token);
    let mut config = cluster.config_of(&ns.name, account).await?;
    config.auth_info.token = Some(token.context("no token")?.into());
    config.default_retry = false;
    let user = format!("system:serviceaccount:{}:{account}", ns.name);
    Ok(Person::new(&user, Client::try_from(config)?, &ns.name))
}

/// Alice's pod, whose account an admin lets make Jobs here.
async fn pod_of_alice(ns: &TestNamespace) -> Result<Pod> {
    let job = ns.alice().await?.creates::<Job>(metaflow_job()).await?;
    let pod = ns.pod_of(&job).await?;
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "tasks"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
        "subjects": [{"kind": "ServiceAccount", "name": account_of(&pod), "namespace": ns.name}]});
    manifests::apply(ns.admin().await?.client(), &binding, &ns.name, false).await?;
    Ok(pod)
}

#[test]
fn what_a_task_pod_makes_runs_as_its_user() -> Result<()> {
    with_namespace(|ns| async move {
        let pod = pod_of_alice(&ns).await?;
        let task = as_pod(&ns, &pod).await?;
        let job = task.creates::<Job>(metaflow_job()).await?;
        ns.runs_as(&ns.pod_of(&job).await?, ALICE).await?;
        Ok(())
    })
}

#[test]
fn who_shows_another_token_of_its_account_is_refused() -> Result<()> {
    with_namespace(|ns| async move {
        let pod = pod_of_alice(&ns).await?;
        let cluster = ns.stack.cluster();
        let minted = cluster
            .service_account(&ns.name, account_of(&pod), &ns.name)
            .await?;
        let groups = ["system:masters"];
        let impostor = cluster.person(&minted.name, &groups, &ns.name).await?;
        for somebody in [minted, impostor] {
            refused(somebody.creates::<Job>(metaflow_job()).await)?
                .with(403)?
                .saying(account_of(&pod))?
                .saying("token")?;
        }
        Ok(())
    })
}
