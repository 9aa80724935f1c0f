//! The name of the stack, which is written only once, in the rules.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Result, ensure};
use namesake_tests::{
    cluster::{
        Cluster,
        manifests::{copied, kustomized, objects, title},
    },
    namespace::runtime::runtime,
};
use serde_json::Value;

use super::webhook;

/// All strings in an object that are or quote this word.
fn naming<'a>(value: &'a Value, word: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) if text == word || text.contains(&format!("'{word}'")) => {
            found.push(text);
        }
        Value::Array(all) => all.iter().for_each(|one| naming(one, word, found)),
        Value::Object(all) => all.values().for_each(|one| naming(one, word, found)),
        _ => {}
    }
}

#[test]
fn another_stack_is_one_line_of_the_rules() -> Result<()> {
    runtime().block_on(async {
        let control_plane = &Cluster::shared().await?.control_plane;
        let folder = tempfile::tempdir()?;
        copied(folder.path(), "stack: blue   # not prod")?;
        let rendered = |overlay: &str| {
            let path = folder.path().join("manifests/overlays").join(overlay);
            objects(&kustomized(control_plane, &path)?)
        };
        let all = rendered("gke")?;
        for object in &all {
            let mut left = Vec::new();
            naming(object, "prod", &mut left);
            ensure!(left.is_empty(), "{}: {left:?}", object["metadata"]["name"]);
            ensure!(
                object["metadata"]["name"] != "namesake-stack",
                "it would be applied"
            );
        }
        for name in [
            "pods.namesake.dev",
            "mutate.namesake.dev",
            "validate.namesake.dev",
            "guard.namesake.dev",
        ] {
            let selector = webhook(&all, name)?["namespaceSelector"].to_string();
            ensure!(
                selector.contains("\"values\":[\"blue\"]"),
                "{name}: {selector}"
            );
        }
        let selector = webhook(&all, "namespaces.namesake.dev")?["objectSelector"].to_string();
        ensure!(selector.contains("\"values\":[\"blue\"]"), "{selector}");
        for role in ["namesake-webhook", "namesake-broker"] {
            let mut roles = all.iter().filter(|object| {
                object["kind"] == "ClusterRole" && object["metadata"]["name"] == role
            });
            let rule = roles.next().map(|role| role["rules"][0].to_string());
            ensure!(
                rule.as_ref().is_some_and(|rule| rule.contains("\"serve\"")
                    && rule.contains("\"resourceNames\":[\"blue\"]")),
                "{role}: {rule:?}"
            );
        }
        for namespace in ["try", "research"] {
            let label = &rendered(&format!("gke/{namespace}"))?[0]["metadata"]["labels"];
            ensure!(
                label["namesake.dev/stack"] == "blue",
                "{namespace}: {label}"
            );
        }
        Ok(())
    })
}

/// Uncomments the component of a stack that is not the only one, wherever an overlay has it.
fn with_suffix(folder: &Path, overlay: &str) -> Result<()> {
    let file = folder.join(format!("manifests/overlays/{overlay}/kustomization.yaml"));
    let text = fs::read_to_string(&file)?;
    let suffix = text.lines().find(|line| line.ends_with("/stack-suffix"));
    let suffix = suffix.unwrap_or_default();
    ensure!(suffix.trim_start().starts_with("# - "), "{overlay}: {text}");
    let active = suffix.replacen("# ", "", 1);
    Ok(fs::write(&file, text.replacen(suffix, &active, 1))?)
}

/// All strings in an object that contain the name of the first stack's namespace.
fn at_home(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            let rest = text.replace("namesake-system-blue", "");
            if rest.contains("namesake-system") {
                found.push(text.clone());
            }
        }
        Value::Array(all) => all.iter().for_each(|one| at_home(one, found)),
        Value::Object(all) => all
            .iter()
            .filter(|(key, _)| *key != "policyName")
            .for_each(|(_, one)| at_home(one, found)),
        _ => {}
    }
}

#[test]
fn a_stack_with_a_suffix_has_no_object_of_another_and_does_not_name_its_namespace() -> Result<()> {
    runtime().block_on(async {
        let control_plane = &Cluster::shared().await?.control_plane;
        let folder = tempfile::tempdir()?;
        let render = |overlay: &str| {
            let path = folder.path().join("manifests/overlays").join(overlay);
            objects(&kustomized(control_plane, &path)?)
        };
        let titles = |all: &[Value]| all.iter().map(title).collect::<BTreeSet<_>>();
        copied(folder.path(), "stack: prod")?;
        let first = titles(&render("gke-iap")?);
        copied(folder.path(), "stack: blue")?;
        for overlay in ["gke-iap", "gke/try"] {
            with_suffix(folder.path(), overlay)?;
            let all = render(overlay)?;
            for object in &all {
                let mut left = Vec::new();
                at_home(object, &mut left);
                ensure!(left.is_empty(), "{}: {left:?}", title(object));
            }
            let both: Vec<_> = titles(&all).intersection(&first).cloned().collect();
            ensure!(both.is_empty(), "{overlay}: {both:?}");
        }
        Ok(())
    })
}
