//! The network policies: who can reach which port.

use anyhow::{Result, ensure};
use namesake_api::names::{
    BROKER_PORT, BROKER_SERVICE_ACCOUNT, METRICS_PORT, WEBHOOK_PORT, WEBHOOK_SERVICE_ACCOUNT,
};
use namesake_sandbox::ControlPlane;
use namesake_tests::{
    cluster::{
        Cluster,
        manifests::{kustomized, objects, rendered},
    },
    namespace::runtime::runtime,
};
use serde_json::Value;

/// Whether a label selector matches a pod or namespace with only this label.
fn selects(selector: &Value, key: &str, value: &str) -> bool {
    let labels = selector["matchLabels"].as_object().into_iter().flatten();
    let mut labels = labels.map(|(label, wanted)| label == key && wanted == value);
    let expressions = selector["matchExpressions"]
        .as_array()
        .into_iter()
        .flatten();
    let mut expressions = expressions.map(|expression| {
        let values = expression["values"].as_array().into_iter().flatten();
        expression["key"] == key
            && expression["operator"] == "In"
            && values.into_iter().any(|one| one == value)
    });
    labels.all(|holds| holds) && expressions.all(|holds| holds)
}

/// The ports of a program that every pod of this namespace can reach.
fn open_to(all: &[Value], program: &str, namespace: &str) -> Vec<u64> {
    let policies = all.iter().filter(|object| {
        let pods = &object["spec"]["podSelector"];
        object["kind"] == "NetworkPolicy" && selects(pods, "app.kubernetes.io/name", program)
    });
    let rules =
        policies.flat_map(|policy| policy["spec"]["ingress"].as_array().into_iter().flatten());
    let rules = rules.filter(|rule| {
        let mut from = rule["from"].as_array().into_iter().flatten();
        from.any(|peer| {
            peer["namespaceSelector"].is_object()
                && peer["podSelector"].is_null()
                && selects(
                    &peer["namespaceSelector"],
                    "kubernetes.io/metadata.name",
                    namespace,
                )
        })
    });
    let ports = rules.flat_map(|rule| rule["ports"].as_array().into_iter().flatten());
    ports.filter_map(|port| port["port"].as_u64()).collect()
}

fn with_metrics(control_plane: &ControlPlane) -> Result<Vec<Value>> {
    let folder =
        tempfile::tempdir_in(namesake_sandbox::host::work_folder::workspace_root().join("target"))?;
    let text = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n\
                resources: [../../manifests/overlays/gke]\ncomponents: [../../manifests/metrics]\n";
    std::fs::write(folder.path().join("kustomization.yaml"), text)?;
    objects(&kustomized(control_plane, folder.path())?)
}

#[test]
fn monitoring_reaches_the_metrics_once_an_admin_enables_it_and_never_admission_or_the_api()
-> Result<()> {
    runtime().block_on(async {
        let control_plane = &Cluster::shared().await?.control_plane;
        let shipped = objects(&rendered(control_plane, "overlays/gke")?)?;
        let switched_on = with_metrics(control_plane)?;
        for program in [WEBHOOK_SERVICE_ACCOUNT, BROKER_SERVICE_ACCOUNT] {
            for namespace in ["gmp-system", "gke-gmp-system", "monitoring"] {
                ensure!(
                    open_to(&shipped, program, namespace).is_empty(),
                    "{program}"
                );
                let open = open_to(&switched_on, program, namespace);
                ensure!(
                    open == [u64::from(METRICS_PORT)],
                    "{program}, {namespace}: {open:?}"
                );
            }
            ensure!(
                open_to(&switched_on, program, "research").is_empty(),
                "{program}"
            );
        }
        for (program, port) in [
            (WEBHOOK_SERVICE_ACCOUNT, WEBHOOK_PORT),
            (BROKER_SERVICE_ACCOUNT, BROKER_PORT),
        ] {
            let deployment = switched_on.iter().find(|object| {
                object["kind"] == "Deployment" && object["metadata"]["name"] == program
            });
            let container =
                deployment.map(|it| it["spec"]["template"]["spec"]["containers"][0].clone());
            let ports = container.unwrap_or_default()["ports"].to_string();
            for port in [port, METRICS_PORT] {
                ensure!(
                    ports.contains(&format!("\"containerPort\":{port}")),
                    "{program}: {ports}"
                );
            }
        }
        Ok(())
    })
}
