//! Chart and kustomization render the same objects.

use std::{collections::BTreeMap, fs};

use anyhow::{Context, Result, ensure};
use namesake_api::names::SYSTEM_NAMESPACE;
use namesake_sandbox::kubernetes::users::ADMIN;
use namesake_tests::{
    cluster::{
        Cluster,
        manifests::{apply, copied, kustomized, objects, title},
    },
    namespace::runtime::runtime,
};
use serde_json::Value;

use super::{EXAMPLE, helms, rendered};

/// Objects by their title, without what only one of the two has on purpose.
fn by_title(all: Vec<Value>) -> Result<BTreeMap<String, Value>> {
    let mut found = BTreeMap::new();
    for mut object in all {
        let annotations = &object["metadata"]["annotations"];
        // Helm creates the namespace; hooks are Helm's own.
        if object["kind"] == "Namespace" || annotations["helm.sh/hook"].is_string() {
            continue;
        }
        if let Some(metadata) = object["metadata"].as_object_mut() {
            let annotations = metadata
                .get_mut("annotations")
                .and_then(Value::as_object_mut);
            let is_empty = annotations.is_some_and(|annotations| {
                annotations.remove("helm.sh/resource-policy");
                annotations.is_empty()
            });
            if is_empty {
                metadata.remove("annotations");
            }
        }
        // The same rules, without comments.
        if let Some(rules) = object.pointer_mut("/data/rules.yaml") {
            *rules = serde_saphyr::from_str(rules.as_str().context("no text")?)?;
        }
        let title = title(&object);
        let twice = found.insert(title.clone(), object);
        ensure!(twice.is_none(), "{title} twice");
    }
    Ok(found)
}

/// The objects of `manifests/cluster` and of the GKE overlay with the nightly doctor and these metrics, for a stack with or without a
/// suffix.
async fn kustomize(
    stack: &str,
    with_suffix: bool,
    metrics: &str,
) -> Result<BTreeMap<String, Value>> {
    let control_plane = &Cluster::shared().await?.control_plane;
    let folder = tempfile::tempdir()?;
    copied(folder.path(), &format!("stack: {stack}"))?;
    let file = folder
        .path()
        .join("manifests/overlays/gke/kustomization.yaml");
    let mut text = fs::read_to_string(&file)?;
    let components = ["doctor", "metrics", "metrics/gke", "stack-suffix"];
    for component in &components[..3 + usize::from(with_suffix)] {
        let on = component.replace("/gke", &format!("/{metrics}"));
        let (off, on) = (
            format!("# - ../../{component}\n"),
            format!("- ../../{on}\n"),
        );
        ensure!(text.matches(&off).count() == 1, "{text}");
        text = text.replacen(&off, &on, 1);
    }
    fs::write(&file, text)?;
    let overlay = folder.path().join("manifests/overlays/gke");
    let mut all = objects(&kustomized(control_plane, &overlay)?)?;
    let cluster = folder.path().join("manifests/cluster");
    all.extend(objects(&kustomized(control_plane, &cluster)?)?);
    by_title(all)
}

fn check(
    stack: &str,
    with_suffix: bool,
    namespace: &str,
    metrics: &str,
    more: &[&str],
) -> Result<()> {
    let wanted = runtime().block_on(kustomize(stack, with_suffix, metrics))?;
    let metrics = format!("metrics.scrapedBy={metrics}");
    let more = [more, &["--set", &metrics]].concat();
    ensure!(wanted.len() > 60, "{}", wanted.len());
    for program in helms()? {
        let found = by_title(rendered(program, EXAMPLE, namespace, &more)?)?;
        let (left, right): (Vec<_>, Vec<_>) = (wanted.keys().collect(), found.keys().collect());
        ensure!(left == right, "{program:?}:\n{left:?}\n{right:?}");
        for (title, object) in &wanted {
            let other = found.get(title).context("none")?;
            ensure!(
                object == other,
                "{program:?}: {title} differs:\n{object:#}\n{other:#}"
            );
        }
    }
    Ok(())
}

#[test]
fn the_chart_renders_the_same_objects_as_the_kustomization() -> Result<()> {
    check("prod", false, "namesake-system", "gke", &[])
}

#[test]
fn the_chart_renders_the_same_objects_as_the_kustomization_of_a_stack_with_a_suffix() -> Result<()>
{
    let more = ["--set", "stack=blue,nameSuffix=true"];
    check(
        "blue",
        true,
        "namesake-system-blue",
        "prometheus-operator",
        &more,
    )
}

#[test]
fn the_api_server_accepts_every_object_of_the_chart() -> Result<()> {
    runtime().block_on(async {
        let control_plane = &Cluster::shared().await?.control_plane;
        let client = control_plane.client(ADMIN).await?;
        let all = rendered(&helms()?[1], EXAMPLE, SYSTEM_NAMESPACE, &[])?;
        // Pods of hooks need an account, which a dry run does not create.
        let is_hook =
            |object: &&Value| object["metadata"]["annotations"]["helm.sh/hook"].is_string();
        for object in all.iter().filter(|object| !is_hook(object)) {
            apply(&client, object, SYSTEM_NAMESPACE, true).await?;
        }
        Ok(())
    })
}
