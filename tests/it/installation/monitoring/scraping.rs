//! The components that tell a monitoring what to scrape.

use std::fs;

use anyhow::{Context, Result, ensure};
use namesake_api::names::SYSTEM_NAMESPACE;
use namesake_sandbox::{
    ControlPlane, host::work_folder::workspace_root, kubernetes::users::ADMIN,
    programs::prometheus_operator::crds,
};
use namesake_tests::{
    cluster::{
        Cluster,
        manifests::{apply, copied, kustomized, objects},
    },
    eventually::eventually,
    namespace::runtime::runtime,
};
use serde_json::Value;

/// Component, kind of its monitor, kind of its rules.
const COMPONENTS: [(&str, &str, &str); 2] = [
    ("gke", "PodMonitoring", "Rules"),
    ("prometheus-operator", "PodMonitor", "PrometheusRule"),
];

/// The overlay of a stack with the gateway, with this component.
fn with_component(control_plane: &ControlPlane, name: &str) -> Result<Vec<Value>> {
    let folder = tempfile::tempdir_in(workspace_root().join("target"))?;
    let text = format!(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n\
         resources: [../../manifests/overlays/gke-gateway]\ncomponents: [../../manifests/metrics, ../../manifests/metrics/{name}]\n"
    );
    std::fs::write(folder.path().join("kustomization.yaml"), text)?;
    objects(&kustomized(control_plane, folder.path())?)
}

fn of_kind<'a>(all: &'a [Value], kind: &str) -> Result<&'a Value> {
    let mut found = all.iter().filter(|object| object["kind"] == kind);
    let first = found.next().with_context(|| format!("no {kind}"))?;
    ensure!(found.next().is_none(), "two of {kind}");
    Ok(first)
}

#[test]
fn each_component_scrapes_every_program_at_its_metrics_port_and_opens_it() -> Result<()> {
    runtime().block_on(async {
        let control_plane = &Cluster::shared().await?.control_plane;
        for (component, monitor, rules) in COMPONENTS {
            let all = with_component(control_plane, component)?;
            let monitor = of_kind(&all, monitor)?;
            let spec = &monitor["spec"];
            let endpoints = [&spec["endpoints"], &spec["podMetricsEndpoints"]];
            let endpoint = endpoints.into_iter().find(|it| it.is_array());
            let endpoint = &endpoint.context("no endpoints")?[0];
            ensure!(endpoint["port"] == "metrics" && endpoint["path"] == "/metrics");
            let selected = &spec["selector"]["matchExpressions"][0];
            ensure!(selected["key"] == "app.kubernetes.io/name", "{selected}");
            let selected = selected["values"].as_array().context("no values")?;
            let mut scraped = 0;
            for deployment in all.iter().filter(|object| object["kind"] == "Deployment") {
                let template = &deployment["spec"]["template"];
                let name = &template["metadata"]["labels"]["app.kubernetes.io/name"];
                let containers = template["spec"]["containers"].to_string();
                let has_port = containers.contains("\"name\":\"metrics\"");
                ensure!(has_port == selected.contains(name), "{component}: {name}");
                scraped += usize::from(has_port);
            }
            ensure!(scraped == 3, "{scraped} programs");
            let alerts = &of_kind(&all, rules)?["spec"]["groups"][0]["rules"];
            ensure!(alerts.as_array().is_some_and(|all| all.len() > 20));
            let opens = all.iter().any(|object| {
                object["kind"] == "NetworkPolicy"
                    && object["metadata"]["name"] == "namesake-metrics"
            });
            ensure!(opens, "{component} does not open the port");
        }
        Ok(())
    })
}

#[test]
fn the_prometheus_operators_own_schemas_accept_the_objects_for_it() -> Result<()> {
    runtime().block_on(async {
        let control_plane = &Cluster::shared().await?.control_plane;
        let client = control_plane.client(ADMIN).await?;
        for crd in ["podmonitors", "prometheusrules"] {
            let path = crds()?.join(format!("monitoring.coreos.com_{crd}.yaml"));
            for object in objects(&fs::read_to_string(path)?.replace("---\n", ""))? {
                apply(&client, &object, SYSTEM_NAMESPACE, false).await?;
            }
        }
        let all = with_component(control_plane, "prometheus-operator")?;
        for kind in ["PodMonitor", "PrometheusRule"] {
            let object = of_kind(&all, kind)?;
            eventually("the API server has the kind", async || {
                apply(&client, object, SYSTEM_NAMESPACE, true).await
            })
            .await?;
            let mut wrong = object.clone();
            wrong["spec"]["noSuchKey"] = true.into();
            let refused = apply(&client, &wrong, SYSTEM_NAMESPACE, true).await;
            ensure!(refused.is_err(), "{kind} accepts anything");
        }
        Ok(())
    })
}

#[test]
fn the_objects_of_a_stack_with_a_suffix_are_in_its_own_namespace() -> Result<()> {
    runtime().block_on(async {
        let control_plane = &Cluster::shared().await?.control_plane;
        let folder = tempfile::tempdir()?;
        copied(folder.path(), "stack: blue")?;
        let overlay = folder.path().join("manifests/overlays/gke");
        for (component, monitor, rules) in COMPONENTS {
            let file = overlay.join("kustomization.yaml");
            let text = fs::read_to_string(workspace_root().join("manifests/overlays/gke/kustomization.yaml"))?;
            let both = format!("- ../../metrics\n  - ../../metrics/{component}\n  - ../../stack\n  - ../../stack-suffix\n");
            fs::write(&file, text.replacen("- ../../stack\n", &both, 1))?;
            let all = objects(&kustomized(control_plane, &overlay)?)?;
            for kind in [monitor, rules] {
                let object = of_kind(&all, kind)?;
                let namespace = &object["metadata"]["namespace"];
                ensure!(namespace == "namesake-system-blue", "{kind}: {namespace}");
            }
        }
        Ok(())
    })
}
