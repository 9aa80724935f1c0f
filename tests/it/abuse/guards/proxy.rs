//! The API server's proxies: a pod's is for its user, at any port; a Service's is for admins.

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

/// Sends a request through the proxy of a pod or Service. Nothing listens there, so permitted requests fail too, with another message.
async fn request_through_proxy(person: &Person, resource: &str, name: &str) -> Result<Refused> {
    let url = person
        .all::<Pod>()
        .resource_url()
        .trim_end_matches("/pods")
        .to_owned();
    let request =
        http::Request::get(format!("{url}/{resource}/{name}/proxy/metrics")).body(Vec::new())?;
    refused(person.client().request::<Value>(request).await)
}

/// The names of a pod or Service in the URLs of the API server's proxy.
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
                request_through_proxy(&person, "pods", &name)
                    .await?
                    .with_code(403)?
                    .with_message(BOB)?
                    .with_message(&person.name)?;
            }
            for person in [ns.bob().await?, ns.admin().await?] {
                let answer = request_through_proxy(&person, "pods", &name).await?;
                ensure!(
                    !answer.message.contains("namesake"),
                    "{} may not reach {name}: {}",
                    person.name,
                    answer.message
                );
            }
        }
        // Names that the API server's proxy does not understand refer to no pod.
        for name in [
            "a:b:c:d".to_owned(),
            format!("ftp:{pod}:21"),
            format!(":{pod}:80:"),
        ] {
            let answer = request_through_proxy(&ns.mallory().await?, "pods", &name).await?;
            ensure!(answer.code >= 400, "{answer:?}");
            ensure!(answer.message.contains("namesake"), "{name}: {answer:?}");
        }
        Ok(())
    })
}

async fn service(person: &Person, ns: &TestNamespace) -> Result<()> {
    // Every Metaflow task has this label.
    let service = json!({"metadata": {"name": "any"}, "spec": {
        "selector": {"app.kubernetes.io/name": "metaflow-task"}, "ports": [{"name": "http", "port": 80}]}});
    let made = person.in_namespace(&ns.name);
    made.create::<Service>(serde_json::from_value::<Service>(service)?)
        .await?;
    Ok(())
}

async fn check_may_use_proxy(person: &Person) -> Result<()> {
    let answer = request_through_proxy(person, "services", "any").await?;
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
                request_through_proxy(&person, "services", &name)
                    .await?
                    .with_code(403)?
                    .with_message("whichever pods the Service selects")?
                    .with_message(&person.name)?;
            }
        }
        request_through_proxy(&ns.admin().await?, "services", "any")
            .await?
            .with_code(503)?;
        let neighbour = ns.neighbour().await?;
        let there = neighbour.mallory().await?;
        service(&there, &neighbour).await?;
        check_may_use_proxy(&there).await?;
        neighbour.delete().await
    })
}
