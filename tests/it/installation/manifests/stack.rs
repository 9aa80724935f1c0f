//! The name of the stack, which is written only once, in the rules.

use std::{fs, path::Path};

use anyhow::{Result, ensure};
use namesake_sandbox::host::work_folder::workspace_root;
use namesake_tests::{
    cluster::{
        Cluster,
        manifests::{kustomized, objects},
    },
    namespace::runtime::runtime,
};
use serde_json::Value;

use super::webhook;

/// Copies `manifests/`, with this line for the stack in the GKE overlay.
pub(crate) fn copied(folder: &Path, line: &str) -> Result<()> {
    copy(
        &workspace_root().join("manifests"),
        &folder.join("manifests"),
    )?;
    let rules = folder.join("manifests/overlays/gke/rules/rules.yaml");
    let text = fs::read_to_string(&rules)?;
    ensure!(text.matches("\nstack: prod\n").count() == 1, "{text}");
    fs::write(
        &rules,
        text.replace("\nstack: prod\n", &format!("\n{line}\n")),
    )?;
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

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
        let policies = all.iter().filter(|object| {
            let mut quoted = Vec::new();
            naming(object, "blue", &mut quoted);
            object["kind"] == "ValidatingAdmissionPolicy" && quoted == ["'blue'"]
        });
        ensure!(
            policies.count() == 2,
            "namesake-pods and namesake-opt-in-advice"
        );
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
