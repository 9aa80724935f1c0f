//! The API server's proxies: to a pod, for its user at any port; to a Service, for admins.

use anyhow::{Result, ensure};
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Pod, Service},
};
use kube::ResourceExt;
use namesake_sandbox::kubernetes::users::BOB;
use namesake_tests::{
    cluster::{
        person::Person,
        refusal::{Refused, refused},
    },
    drafts::metaflow_job,
    namespace::{TestNamespace, with_namespace},
};
use serde_json::{Value, json};

use super::{owner::with_every_right, person_with_cluster_rights};

/// Asks the proxy of a pod or Service. Nothing listens there, so even who may is told that it did not work out.
async fn asks(person: &Person, resource: &str, name: &str) -> Result<Refused> {
    let url = person
        .all::<Pod>()
        .resource_url()
        .trim_end_matches("/pods")
        .to_owned();
    let request =
        http::Request::get(format!("{url}/{resource}/{name}/proxy/metrics")).body(Vec::new())?;
    refused(person.client().request::<Value>(request).await)
}

/// The names by which the API server's proxy knows one pod or Service.
fn names(name: &str) -> [String; 4] {
    [
        format!("{name}:8080"),
        format!("{name}:http"),
        format!("http:{name}:8080"),
        format!("https:{name}:"),
    ]
}

#[test]
fn only_bob_and_admins_reach_a_port_of_bobs_pod_through_the_proxy() -> Result<()> {
    with_namespace(|ns| async move {
        let job = ns.bob().await?.create::<Job>(metaflow_job()).await?;
        let pod = ns.pod_of(&job).await?.name_any();
        for name in names(&pod) {
            for person in [ns.mallory().await?, person_with_cluster_rights(&ns).await?] {
                asks(&person, "pods", &name)
                    .await?
                    .with_code(403)?
                    .with_message(BOB)?
                    .with_message(&person.name)?;
            }
            for person in [ns.bob().await?, ns.admin().await?] {
                let answer = asks(&person, "pods", &name).await?;
                ensure!(
                    !answer.message.contains("namesake"),
                    "{} may not reach {name}: {}",
                    person.name,
                    answer.message
                );
            }
        }
        // What the API server's proxy does not take for the name of one pod is no pod of anybody's.
        for name in [
            "a:b:c:d".to_owned(),
            format!("ftp:{pod}:21"),
            format!(":{pod}:80:"),
        ] {
            let answer = asks(&ns.mallory().await?, "pods", &name).await?;
            ensure!(answer.code >= 400, "{answer:?}");
            ensure!(answer.message.contains("namesake"), "{name}: {answer:?}");
        }
        Ok(())
    })
}

async fn service(person: &Person, ns: &TestNamespace) -> Result<()> {
    // What every task of Metaflow's has.
    let service = json!({"metadata": {"name": "any"}, "spec": {
        "selector": {"app.kubernetes.io/name": "metaflow-task"}, "ports": [{"name": "http", "port": 80}]}});
    let made = person.in_namespace(&ns.name);
    made.create::<Service>(serde_json::from_value::<Service>(service)?)
        .await?;
    Ok(())
}

async fn may_ask(person: &Person) -> Result<()> {
    let answer = asks(person, "services", "any").await?;
    ensure!(
        !answer.message.contains("namesake") && answer.code != 403,
        "{} may not: {answer:?}",
        person.name
    );
    Ok(())
}

#[test]
fn the_proxy_to_a_service_is_for_admins_only_in_an_opted_in_namespace() -> Result<()> {
    with_namespace(|ns| async move {
        let mallory = ns.mallory().await?;
        service(&mallory, &ns).await?;
        ns.bob().await?.create::<Job>(metaflow_job()).await?;
        for person in [
            mallory,
            ns.bob().await?,
            with_every_right(&ns).await?,
            person_with_cluster_rights(&ns).await?,
        ] {
            for name in names("any").into_iter().chain(["any".to_owned()]) {
                asks(&person, "services", &name)
                    .await?
                    .with_code(403)?
                    .with_message("whichever pods the Service selects")?
                    .with_message(&person.name)?;
            }
        }
        asks(&ns.admin().await?, "services", "any")
            .await?
            .with_code(503)?;
        let neighbour = ns.neighbour().await?;
        let there = neighbour.mallory().await?;
        service(&there, &neighbour).await?;
        may_ask(&there).await?;
        neighbour.delete().await
    })
}
