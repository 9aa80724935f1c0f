//! The patch that gives the containers of a pod the token for the gateway: a projected volume, its mounts, and two variables. Pure.
//!
//! Only pods get it, never a template: the token is bound to the pod, and the user is the one that the pod was given.

use namesake_api::names::{
    ENV_GATEWAY_TOKEN_FILE, GATEWAY_AUDIENCE, GATEWAY_TOKEN_FILE, GATEWAY_TOKEN_FOLDER,
    GATEWAY_TOKEN_SECONDS, GATEWAY_TOKEN_VOLUME,
};
use serde_json::{Value, json};

use super::environment::USER;
use crate::decide::pod_model::containers::Digests;
use crate::decide::pod_model::gateway_token;
use crate::review::patch::Patch;
use crate::review::{Container, Spec, Volume};

/// Adds what is missing to those containers that whoever asked for the pod asked for. `user`: whom Metaflow's client names to the
/// metadata service, also where a template says `argo-workflows`.
pub(super) fn add(patch: &mut Patch, spec: &Spec<'_>, requested: &Digests, user: Option<&str>) {
    let is_there = |volume: &Volume<'_>| volume.name.as_str() == GATEWAY_TOKEN_VOLUME;
    append(
        patch,
        "/spec/volumes",
        spec.volumes.as_deref(),
        is_there,
        &volume(),
    );
    let lists = [
        ("initContainers", &spec.init_containers),
        ("containers", &spec.containers),
    ];
    for (list, containers) in lists {
        for (at, container) in containers.iter().flatten().enumerate() {
            if requested.contains_key(container.name()) {
                add_to(patch, &format!("/spec/{list}/{at}"), container, user);
            }
        }
    }
}

fn add_to(patch: &mut Patch, path: &str, container: &Container<'_>, user: Option<&str>) {
    let mounts = container.volume_mounts.as_deref();
    let mount =
        json!({"name": GATEWAY_TOKEN_VOLUME, "mountPath": GATEWAY_TOKEN_FOLDER, "readOnly": true});
    append(
        patch,
        &format!("{path}/volumeMounts"),
        mounts,
        gateway_token::is_mount,
        &mount,
    );
    let file = format!("{GATEWAY_TOKEN_FOLDER}/{GATEWAY_TOKEN_FILE}");
    let variables = [(ENV_GATEWAY_TOKEN_FILE, Some(file.as_str())), (USER, user)];
    let variables = variables
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    set_variables(patch, &format!("{path}/env"), container, variables);
}

fn set_variables<'v>(
    patch: &mut Patch,
    path: &str,
    container: &Container<'_>,
    variables: impl Iterator<Item = (&'v str, &'v str)>,
) {
    let shown = |(name, value): (&str, &str)| json!({"name": name, "value": value});
    let Some(env) = &container.env else {
        patch.set(path, variables.map(shown).collect::<Vec<_>>());
        return;
    };
    for (name, value) in variables {
        let of_the_name = env
            .iter()
            .enumerate()
            .filter(|(_, v)| v.name.as_str() == name);
        let of_the_name: Vec<_> = of_the_name.collect();
        if of_the_name.is_empty() {
            patch.set(format!("{path}/-"), shown((name, value)));
        }
        for (at, variable) in of_the_name {
            if variable.value_from.is_some() {
                patch.remove(format!("{path}/{at}/valueFrom"));
            }
            if variable.value.as_deref() != Some(value) {
                patch.set(format!("{path}/{at}/value"), value);
            }
        }
    }
}

// Appends a value to a list, unless it is there.
fn append<T>(
    patch: &mut Patch,
    path: &str,
    list: Option<&[T]>,
    is_there: impl Fn(&T) -> bool,
    value: &Value,
) {
    match list {
        None => patch.set(path, json!([value])),
        Some(list) if list.iter().any(is_there) => {}
        Some(_) => patch.set(format!("{path}/-"), value.clone()),
    }
}

fn volume() -> Value {
    let token = json!({"audience": GATEWAY_AUDIENCE, "expirationSeconds": GATEWAY_TOKEN_SECONDS, "path": GATEWAY_TOKEN_FILE});
    json!({"name": GATEWAY_TOKEN_VOLUME, "projected": {"sources": [{"serviceAccountToken": token}]}})
}
