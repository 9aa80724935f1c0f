//! `manifests/`, as an admin applies them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use kube::{
    Api, Client,
    api::{DeleteParams, DynamicObject, Patch, PatchParams},
    core::GroupVersionKind,
    discovery::{self, ApiResource, Scope},
};
use namesake_sandbox::{
    ControlPlane, host::work_folder::workspace_root, programs::kubernetes::KUBECTL,
};
use serde_json::Value;

/// The field manager, as in managedFields.
const FIELD_MANAGER: &str = "kubectl";

/// The overlay of a stack beside the first one.
const BESIDE: &str = "
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../../base, rules]
components: [../../stack, ../../stack-suffix]
patches: [{path: webhook-configurations.yaml}]
";

/// The output of `kubectl kustomize` for a folder below `manifests/`.
///
/// # Errors
/// kubectl is missing, or the folder is not a kustomization.
pub fn rendered(control_plane: &ControlPlane, folder: &str) -> Result<String> {
    let path = workspace_root().join("manifests").join(folder);
    kustomized(control_plane, &path)
}

/// The output of `kubectl kustomize` for any folder.
///
/// # Errors
/// kubectl is missing, or the folder is not a kustomization.
pub fn kustomized(control_plane: &ControlPlane, folder: &Path) -> Result<String> {
    let kubectl = control_plane.binaries().path(KUBECTL);
    let output = Command::new(&kubectl)
        .arg("kustomize")
        .arg(folder)
        .output()
        .with_context(|| format!("cannot run {}", kubectl.display()))?;
    ensure!(
        output.status.success(),
        "kubectl kustomize {}: {}",
        folder.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}

/// Copies `manifests/` into a folder, with this line for the stack in the GKE overlay.
///
/// # Errors
/// A file cannot be copied.
pub fn copied(folder: &Path, line: &str) -> Result<()> {
    copy(
        &workspace_root().join("manifests"),
        &folder.join("manifests"),
    )?;
    let rules = folder.join("manifests/overlays/gke/rules/rules.yaml");
    let text = fs::read_to_string(&rules)?;
    ensure!(text.matches("\nstack: prod\n").count() == 1, "{text}");
    let text = text.replace("\nstack: prod\n", &format!("\n{line}\n"));
    Ok(fs::write(&rules, text)?)
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

/// What a stack of this name has of its own beside the first one of a cluster: an overlay as docs/install.md describes it, with
/// the addresses of the loopback overlay.
///
/// # Errors
/// kubectl is missing, or refuses the overlay.
pub fn rendered_beside(control_plane: &ControlPlane, stack: &str) -> Result<String> {
    let folder = tempfile::tempdir()?;
    copied(folder.path(), &format!("stack: {stack}"))?;
    kustomized(control_plane, &overlay_beside(folder.path(), stack)?)
}

/// Writes the overlay of a stack beside the first one into a copy of `manifests/`, and returns its path.
///
/// # Errors
/// A file cannot be written.
pub fn overlay_beside(folder: &Path, stack: &str) -> Result<PathBuf> {
    let overlays = folder.join("manifests/overlays");
    let overlay = overlays.join(stack);
    copy(&overlays.join("gke/rules"), &overlay.join("rules"))?;
    let rules = overlay.join("rules/rules.yaml");
    let text = fs::read_to_string(&rules)?;
    let old = text.lines().find(|line| line.starts_with("stack: "));
    let old = old.context("the rules name no stack")?;
    fs::write(&rules, text.replacen(old, &format!("stack: {stack}"), 1))?;
    // Patches see the names with the suffix.
    let file = "webhook-configurations.yaml";
    let text = fs::read_to_string(overlays.join("loopback").join(file))?;
    let text = text.replace(
        "  name: zz-namesake\n",
        &format!("  name: zz-namesake-{stack}\n"),
    );
    fs::write(overlay.join(file), text)?;
    fs::write(overlay.join("kustomization.yaml"), BESIDE)?;
    Ok(overlay)
}

/// A file below `manifests/`.
///
/// # Errors
/// It cannot be read.
pub fn file(path: &str) -> Result<String> {
    let path = workspace_root().join("manifests").join(path);
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// The objects of a text of several YAML documents.
///
/// # Errors
/// One of them is not YAML.
pub fn objects(text: &str) -> Result<Vec<Value>> {
    let documents = text
        .split("\n---\n")
        .filter(|document| !document.trim().is_empty());
    documents
        .map(|document| {
            serde_saphyr::from_str(document).with_context(|| format!("not YAML:\n{document}"))
        })
        .filter(|object| !matches!(object, Ok(Value::Null)))
        .collect()
}

/// `kind namespace/name`, for messages and golden lists.
#[must_use]
pub fn title(object: &Value) -> String {
    let text = |path: &str| {
        object
            .pointer(path)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
    let slash = if namespace.is_empty() { "" } else { "/" };
    format!("{} {namespace}{slash}{name}", text("/kind"))
}

/// Applies one object, like `kubectl apply --server-side --force-conflicts`; `namespace` is for objects that name none.
///
/// # Errors
/// The API server refuses it.
pub async fn apply(client: &Client, object: &Value, namespace: &str, dry_run: bool) -> Result<()> {
    let (api, name) = api_of(client, object, namespace).await?;
    let params = PatchParams {
        dry_run,
        ..PatchParams::apply(FIELD_MANAGER).force()
    }
    .validation_strict();
    api.patch(&name, &params, &Patch::Apply(object))
        .await
        .with_context(|| format!("the API server refuses {}", title(object)))?;
    Ok(())
}

/// Whether an object of this kind and name exists.
///
/// # Errors
/// The API server does not answer.
pub async fn exists(client: &Client, object: &Value, namespace: &str) -> Result<bool> {
    // Its kind may be gone too.
    let Ok((api, name)) = api_of(client, object, namespace).await else {
        return Ok(false);
    };
    Ok(api.get_opt(&name).await?.is_some())
}

/// Deletes one object, if it exists.
///
/// # Errors
/// The API server refuses.
pub async fn delete(client: &Client, object: &Value, namespace: &str) -> Result<()> {
    let (api, name) = api_of(client, object, namespace).await?;
    match api.delete(&name, &DeleteParams::default()).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        other => {
            other.with_context(|| format!("cannot delete {}", title(object)))?;
            Ok(())
        }
    }
}

/// Applies objects, does some work, and deletes the objects, even if the work fails.
///
/// # Errors
/// The API server refuses an object, or the work fails.
pub async fn while_applied<T>(
    client: &Client,
    objects: &[Value],
    namespace: &str,
    work: impl AsyncFnOnce() -> Result<T>,
) -> Result<T> {
    let applied = async {
        for object in objects {
            apply(client, object, namespace, false).await?;
        }
        work().await
    }
    .await;
    for object in objects {
        let (api, name) = api_of(client, object, namespace).await?;
        // One that was refused does not exist.
        let _ = api.delete(&name, &DeleteParams::default()).await;
    }
    applied
}

/// The API of an object, and its name.
async fn api_of(
    client: &Client,
    object: &Value,
    namespace: &str,
) -> Result<(Api<DynamicObject>, String)> {
    let (resource, scope) = resource_of(client, object)
        .await
        .with_context(|| title(object))?;
    let text = |path: &str| object.pointer(path).and_then(Value::as_str);
    let namespace = text("/metadata/namespace").unwrap_or(namespace);
    let api = match scope {
        Scope::Cluster => Api::all_with(client.clone(), &resource),
        Scope::Namespaced => Api::namespaced_with(client.clone(), namespace, &resource),
    };
    let name = text("/metadata/name").with_context(|| format!("{} has no name", title(object)))?;
    Ok((api, name.to_owned()))
}

async fn resource_of(client: &Client, object: &Value) -> Result<(ApiResource, Scope)> {
    let text = |key: &str| object[key].as_str().unwrap_or_default();
    let (group, version) = text("apiVersion")
        .split_once('/')
        .unwrap_or(("", text("apiVersion")));
    let kind = GroupVersionKind::gvk(group, version, text("kind"));
    let (resource, capabilities) = discovery::pinned_kind(client, &kind).await?;
    Ok((resource, capabilities.scope))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_documents_are_several_objects() {
        let text = "# a comment\nkind: A\nmetadata: {name: a}\n---\nkind: B\nmetadata: {name: b, namespace: ns}\n---\n# nothing\n";
        let all = objects(text).unwrap();
        let titles: Vec<_> = all.iter().map(title).collect();
        assert_eq!(titles, ["A a", "B ns/b"]);
    }
}
