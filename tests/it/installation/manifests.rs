//! `manifests/`: accepted by a real API server, consistent with the code, and with exactly the listed rights.

use std::fmt::Write as _;

use anyhow::{Context, Result, ensure};
use clap::{CommandFactory as _, Parser as _};
use namesake_api::names::{SKIP_FINAL_CHECK_LABEL, SYSTEM_NAMESPACE};
use namesake_core::{Rules, Source};
use namesake_sandbox::{RESEARCH, host::work_folder::workspace_root, kubernetes::users::ADMIN};
use namesake_tests::{
    cluster::{
        Cluster,
        manifests::{apply, file, objects, rendered, title},
    },
    namespace::runtime::runtime,
};
use serde_json::{Value, json};

mod gateway;
mod network;
mod stack;

/// Set to regenerate golden files.
const UPDATE: &str = "UPDATE_GOLDEN";

fn accepts_all_of(folder: &str, least: usize) -> Result<()> {
    runtime().block_on(async {
        let control_plane = &Cluster::shared().await?.control_plane;
        // A dry run in a namespace that does not exist is refused.
        control_plane.namespace(RESEARCH, &[]).await?;
        let client = control_plane.client(ADMIN).await?;
        let all = objects(&rendered(control_plane, folder)?)?;
        ensure!(
            all.len() >= least,
            "{folder} has only {} objects",
            all.len()
        );
        for object in &all {
            apply(&client, object, SYSTEM_NAMESPACE, true).await?;
        }
        Ok(())
    })
}

#[test]
fn the_api_server_accepts_every_object_of_the_base() -> Result<()> {
    accepts_all_of("base", 20)
}

#[test]
fn the_api_server_accepts_every_object_that_all_stacks_share() -> Result<()> {
    accepts_all_of("token-guard", 50)
}

#[test]
fn the_api_server_accepts_every_object_of_the_loopback_overlay() -> Result<()> {
    accepts_all_of("overlays/loopback", 75)
}

#[test]
fn the_api_server_accepts_every_object_of_the_gke_overlay() -> Result<()> {
    accepts_all_of("overlays/gke", 20)
}

#[test]
fn the_api_server_accepts_every_object_of_an_opt_in() -> Result<()> {
    accepts_all_of("overlays/gke/research", 3)
}

#[test]
fn the_checked_in_crd_is_the_one_that_the_code_generates() -> Result<()> {
    ensure!(
        file("cluster/crd.yaml")? == namesake_api::crd_yaml()?,
        "manifests/cluster/crd.yaml is stale: cargo run -p namesake-api --bin namesake-crd > manifests/cluster/crd.yaml"
    );
    Ok(())
}

/// Every rule of every role, and its subjects, one per line.
fn rights(all: &[Value]) -> String {
    let mut lines = Vec::new();
    for object in all {
        let joined = |rule: &Value, key: &str| {
            let items = rule[key].as_array().into_iter().flatten();
            items
                .filter_map(Value::as_str)
                .map(|item| if item.is_empty() { "core" } else { item })
                .collect::<Vec<_>>()
                .join(",")
        };
        for rule in object["rules"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|rule| rule["verbs"].is_array())
        {
            let mut line = format!(
                "{}: {}/{}",
                title(object),
                joined(rule, "apiGroups"),
                joined(rule, "resources")
            );
            if rule["resourceNames"].is_array() {
                let _ = write!(line, "[{}]", joined(rule, "resourceNames"));
            }
            lines.push(format!("{line} {}", joined(rule, "verbs")));
        }
        for subject in object["subjects"].as_array().into_iter().flatten() {
            let text = |key: &str| subject[key].as_str().unwrap_or_default();
            let role = object["roleRef"]["name"].as_str().unwrap_or_default();
            lines.push(format!(
                "{}: {role} to {} {}/{}",
                title(object),
                text("kind"),
                text("namespace"),
                text("name")
            ));
        }
    }
    lines.sort();
    lines.join("\n") + "\n"
}

#[test]
fn no_right_is_given_that_is_not_in_the_golden_list() -> Result<()> {
    let text = runtime().block_on(async {
        let control_plane = &Cluster::shared().await?.control_plane;
        let mut all = objects(&rendered(control_plane, "cluster")?)?;
        all.extend(objects(&rendered(control_plane, "base")?)?);
        for more in [
            "opt-in/role-bindings.yaml",
            "doctor/rbac.yaml",
            "gateway/rbac.yaml",
            "gateway/namespace/role-binding.yaml",
        ] {
            all.extend(objects(&file(more)?)?);
        }
        anyhow::Ok(rights(&all))
    })?;
    let golden = workspace_root().join("tests/golden/rights.txt");
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&golden, &text)?;
    }
    let listed = std::fs::read_to_string(&golden).unwrap_or_default();
    let only = |a: &str, b: &str| {
        a.lines()
            .filter(|&line| b.lines().all(|other| other != line))
            .collect::<Vec<_>>()
            .join("\n  ")
    };
    ensure!(
        text == listed,
        "the rights changed. New:\n  {}\nGone:\n  {}\nIf each is meant, give its reason in manifests/*/rbac.yaml and run with {UPDATE}=1",
        only(&text, &listed),
        only(&listed, &text)
    );
    Ok(())
}

/// The variable with the pod's address, which the loopback overlay sets.
const POD_IP: &str = "POD_IP";

/// The environment of a Deployment's container as command-line flags, without variables that have no value here.
fn as_flags(path: &str, command: &clap::Command) -> Result<Vec<String>> {
    let all = objects(&file(path)?)?;
    let containers = all.iter().find_map(|object| {
        let deployment = object["kind"] == "Deployment";
        object
            .pointer("/spec/template/spec/containers/0/env")
            .filter(|_| deployment)
    });
    let variables = containers
        .and_then(Value::as_array)
        .context("no environment")?;
    let mut flags = vec![command.get_name().to_owned()];
    for variable in variables {
        let name = variable["name"].as_str().unwrap_or_default();
        // Other variables refer to it.
        if name == POD_IP {
            continue;
        }
        let argument = command
            .get_arguments()
            .find(|a| a.get_env().is_some_and(|env| env == name));
        let argument = argument.with_context(|| format!("{path}: the program knows no {name}"))?;
        let long = argument
            .get_long()
            .with_context(|| format!("{name} has no flag"))?;
        if let Some(value) = variable["value"].as_str() {
            let value = value
                .replace(&format!("$({POD_IP})"), "127.128.0.1")
                .replace("$(NAMESAKE_NAMESPACE)", SYSTEM_NAMESPACE);
            flags.push(format!("--{long}={value}"));
        }
    }
    ensure!(flags.len() > 3, "{path} sets nothing: {flags:?}");
    Ok(flags)
}

#[test]
fn the_programs_understand_every_variable_that_the_manifests_set() -> Result<()> {
    for (webhook, broker) in [
        (
            "base/webhook/deployment.yaml",
            "base/broker/deployment.yaml",
        ),
        (
            "overlays/loopback/webhook.yaml",
            "overlays/loopback/broker.yaml",
        ),
    ] {
        let flags = as_flags(webhook, &namesake_webhook::Args::command())?;
        namesake_webhook::Args::try_parse_from(flags)?;
        let flags = as_flags(broker, &namesake_broker::Args::command())?;
        namesake_broker::Args::try_parse_from(flags)?;
    }
    Ok(())
}

/// The webhook of this name in these objects.
fn webhook<'a>(all: &'a [Value], name: &str) -> Result<&'a Value> {
    let mut webhooks = all
        .iter()
        .flat_map(|object| object["webhooks"].as_array().into_iter().flatten());
    webhooks
        .find(|webhook| webhook["name"] == name)
        .with_context(|| format!("no webhook {name}"))
}

#[test]
fn the_final_check_and_the_mutation_see_exactly_the_same_pods() -> Result<()> {
    let all = objects(&file("base/webhook/configurations.yaml")?)?;
    let (mutate, final_check) = (
        webhook(&all, "pods.namesake.dev")?,
        webhook(&all, "validate.namesake.dev")?,
    );
    let pods = |webhook: &Value| {
        let rules = webhook["rules"].as_array().into_iter().flatten();
        rules
            .filter(|rule| rule["resources"].to_string().contains("pods"))
            .cloned()
            .collect::<Vec<_>>()
    };
    ensure!(
        pods(mutate) == pods(final_check) && !pods(final_check).is_empty(),
        "the rules for pods differ"
    );
    for key in ["namespaceSelector", "matchPolicy", "failurePolicy"] {
        ensure!(
            mutate[key] == final_check[key],
            "{key} differs: {} and {}",
            mutate[key],
            final_check[key]
        );
    }
    ensure!(mutate["failurePolicy"] == "Fail", "it does not fail closed");
    for webhook in [mutate, final_check] {
        let conditions = &webhook["matchConditions"];
        ensure!(conditions.is_null(), "{conditions}");
    }
    Ok(())
}

/// The expressions of a selector.
fn expressions(selector: &Value) -> Vec<Value> {
    let all = selector["matchExpressions"].as_array();
    all.cloned().unwrap_or_default()
}

#[test]
fn only_the_webhook_itself_can_skip_the_final_check() -> Result<()> {
    let all = objects(&file("base/webhook/configurations.yaml")?)?;
    let (labels, final_check) = (
        webhook(&all, "labels.namesake.dev")?,
        webhook(&all, "validate.namesake.dev")?,
    );
    let label = |operator: &str| json!({"key": SKIP_FINAL_CHECK_LABEL, "operator": operator, "values": ["prod"]});
    ensure!(expressions(&final_check["objectSelector"]) == [label("NotIn")]);
    ensure!(expressions(&labels["objectSelector"]) == [label("In")]);
    // It is called before all others, and wherever the final check may be skipped.
    ensure!(all[0]["webhooks"][0]["name"] == "labels.namesake.dev");
    ensure!(labels["failurePolicy"] == "Fail" && labels["matchConditions"].is_null());
    ensure!(labels["rules"] == final_check["rules"]);
    let checked = expressions(&final_check["namespaceSelector"]);
    for expression in expressions(&labels["namespaceSelector"]) {
        ensure!(checked.contains(&expression), "{expression}");
    }
    // Called again, it would remove the label of the webhook itself.
    ensure!(labels["reinvocationPolicy"] == "Never");
    ensure!(webhook(&all, "pods.namesake.dev")?["reinvocationPolicy"] == "IfNeeded");
    Ok(())
}

#[test]
fn no_webhook_selects_by_what_a_user_can_write() -> Result<()> {
    let all = objects(&file("base/webhook/configurations.yaml")?)?;
    for name in [
        "pods.namesake.dev",
        "mutate.namesake.dev",
        "rules.namesake.dev",
    ] {
        let webhook = webhook(&all, name)?;
        ensure!(
            webhook["objectSelector"].is_null(),
            "{name} has an objectSelector"
        );
        ensure!(
            !webhook["namespaceSelector"].is_null(),
            "{name} is asked about the whole cluster"
        );
    }
    Ok(())
}

#[test]
fn the_rules_that_come_with_the_manifests_are_valid() -> Result<()> {
    for path in [
        "base/rules.yaml",
        "overlays/gke/rules/rules.yaml",
        "overlays/loopback/rules.yaml",
    ] {
        let text = &file(path)?;
        let rules = Rules::parse(&[Source { file: path, text }])?;
        let selector = format!("values: [{}]", rules.stack());
        ensure!(
            file("base/webhook/configurations.yaml")?.contains(&selector),
            "{path}: the webhooks do not select the stack {}",
            rules.stack()
        );
    }
    Ok(())
}
