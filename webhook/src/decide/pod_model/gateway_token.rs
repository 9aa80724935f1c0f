//! The volume with the token for the gateway: what it is, and what takes its place. Pure.

use namesake_api::names::{
    GATEWAY_AUDIENCE, GATEWAY_TOKEN_FILE, GATEWAY_TOKEN_FOLDER, GATEWAY_TOKEN_SECONDS,
    GATEWAY_TOKEN_VOLUME,
};
use namesake_core::Reason;

use crate::decide::kinds::Template;
use crate::decide::pod_model::containers;
use crate::review::refused::Refused;
use crate::review::{Mount, Spec, Volume};

/// Checks that nothing in a pod has the name or the place of the token.
///
/// # Errors
/// Another volume of the name, or another mount at the folder.
pub(crate) fn check_pod(spec: &Spec<'_>) -> Result<(), Refused> {
    in_place_of_it(spec).map_or(Ok(()), |what| Err(reserved(&what)))
}

/// As [`check_pod`], for the pods of a template. It has no token yet: only pods get one.
///
/// # Errors
/// As for [`check_pod`].
pub(crate) fn check_template(template: &Template<'_>) -> Result<(), Refused> {
    let mut volumes = template.volumes.iter();
    if volumes.any(|name| *name == GATEWAY_TOKEN_VOLUME) {
        return Err(reserved(&volume_of_the_name()));
    }
    let mut paths = template.mount_paths.iter();
    let taken = paths.find(|path| is_inside(path));
    taken.map_or(Ok(()), |path| Err(reserved(&mount_at(path))))
}

/// What is in place of the token in a pod, if something is.
pub(crate) fn in_place_of_it(spec: &Spec<'_>) -> Option<String> {
    let volumes = spec.volumes.iter().flatten();
    let mut of_the_name = volumes.filter(|v| v.name.as_str() == GATEWAY_TOKEN_VOLUME);
    if of_the_name.any(|volume| !is_token(volume)) {
        return Some(volume_of_the_name());
    }
    let mounts = containers::all(spec).flat_map(|(_, c)| c.volume_mounts.iter().flatten());
    let mut inside = mounts.filter(|mount| is_inside(&mount.mount_path));
    let other = inside.find(|mount| !is_mount(mount));
    other.map(|mount| mount_at(&mount.mount_path))
}

/// Whether a mount is the one of the token.
pub(crate) fn is_mount(mount: &Mount<'_>) -> bool {
    mount.name.as_str() == GATEWAY_TOKEN_VOLUME
        && mount.mount_path.as_str() == GATEWAY_TOKEN_FOLDER
        && mount.sub_path.as_ref().is_none_or(|path| path.is_empty())
}

// The API server adds only the mode of the files.
fn is_token(volume: &Volume<'_>) -> bool {
    let sources = volume.projected.as_ref().and_then(|p| p.sources.as_ref());
    let Some([source]) = sources.map(Vec::as_slice) else {
        return false;
    };
    source.service_account_token.as_ref().is_some_and(|token| {
        token.audience.as_deref() == Some(GATEWAY_AUDIENCE)
            && token.expiration_seconds == Some(GATEWAY_TOKEN_SECONDS)
            && token.path.as_str() == GATEWAY_TOKEN_FILE
    })
}

fn is_inside(path: &str) -> bool {
    let rest = path.strip_prefix(GATEWAY_TOKEN_FOLDER);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn volume_of_the_name() -> String {
    format!("another volume {GATEWAY_TOKEN_VOLUME}")
}

fn mount_at(path: &str) -> String {
    format!("another mount at {path}")
}

fn reserved(what: &str) -> Refused {
    Refused::new(
        Reason::GatewayTokenTaken,
        format!(
            "this pod has {what}, where Namesake puts the token with which it authenticates to the gateway: remove it, or give it another \
             name and another path"
        ),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn token() -> Value {
        json!({"name": "namesake-gateway-token", "projected": {"sources": [
            {"serviceAccountToken": {"audience": "namesake-gateway", "expirationSeconds": 3600, "path": "token"}}]}})
    }

    fn mount(name: &str, path: &str) -> Value {
        json!({"name": name, "mountPath": path, "readOnly": true})
    }

    fn found(volume: &Value, mount: &Value) -> Option<String> {
        let spec = json!({"volumes": [volume], "containers": [{"name": "c"}], "initContainers": [{"volumeMounts": [mount]}]});
        in_place_of_it(&serde_json::from_str(&spec.to_string()).unwrap())
    }

    #[test]
    fn only_the_token_itself_may_have_its_name_and_its_place() {
        let ours = mount(GATEWAY_TOKEN_VOLUME, GATEWAY_TOKEN_FOLDER);
        let mut defaulted = token();
        defaulted["projected"]["defaultMode"] = json!(420);
        assert_eq!(found(&token(), &ours), None);
        assert_eq!(found(&defaulted, &ours), None);
        for (pointer, value) in [
            ("/projected", Value::Null),
            (
                "/projected/sources/0/serviceAccountToken/audience",
                json!("vault"),
            ),
            (
                "/projected/sources/0/serviceAccountToken/expirationSeconds",
                json!(86400),
            ),
            ("/projected/sources/0/serviceAccountToken/path", json!("t")),
            ("/projected/sources/0", json!({"secret": {"name": "s"}})),
            ("/projected/sources", json!([])),
        ] {
            let mut other = token();
            *other.pointer_mut(pointer).unwrap() = value;
            assert_eq!(
                found(&other, &ours),
                Some(volume_of_the_name()),
                "{pointer}"
            );
        }
        let empty = json!({"name": "own", "emptyDir": {}});
        for path in [
            GATEWAY_TOKEN_FOLDER.to_owned(),
            format!("{GATEWAY_TOKEN_FOLDER}/"),
            format!("{GATEWAY_TOKEN_FOLDER}/token"),
        ] {
            assert_eq!(found(&empty, &mount("own", &path)), Some(mount_at(&path)));
        }
        let mut part = ours;
        part["subPath"] = json!("x");
        assert!(found(&token(), &part).is_some());
        for path in [
            "/var/run/secrets/namesake.dev",
            "/var/run/secrets/namesake.dev/gateway-2",
            "/data",
        ] {
            assert_eq!(found(&empty, &mount("own", path)), None);
        }
    }
}
