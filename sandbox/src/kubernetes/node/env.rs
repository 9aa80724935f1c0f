//! A container's environment variables, as a kubelet computes them. Pure: Secrets and ConfigMaps were read before.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::{Container, EnvFromSource, EnvVarSource, Pod};
use kube::ResourceExt as _;

use super::address;

/// Name → keys → values, of the Secrets or ConfigMaps that a pod names and that exist.
pub(super) type Objects = BTreeMap<String, BTreeMap<String, Vec<u8>>>;

/// The Secrets and ConfigMaps that a pod refers to.
#[derive(Debug, Default)]
pub(super) struct Sources {
    pub(super) secrets: Objects,
    pub(super) config_maps: Objects,
}

impl Sources {
    /// One key; `None` if it is optional and absent.
    pub(super) fn key(
        objects: &Objects,
        kind: &str,
        name: &str,
        key: &str,
        optional: bool,
    ) -> Result<Option<Vec<u8>>> {
        match objects.get(name).and_then(|data| data.get(key)) {
            Some(value) => Ok(Some(value.clone())),
            None if optional => Ok(None),
            None => bail!("{kind} {name:?} with key {key:?} not found"),
        }
    }

    /// All keys; none if it is optional and absent.
    pub(super) fn all<'a>(
        objects: &'a Objects,
        kind: &str,
        name: &str,
        optional: bool,
    ) -> Result<Option<&'a BTreeMap<String, Vec<u8>>>> {
        match objects.get(name) {
            Some(data) => Ok(Some(data)),
            None if optional => Ok(None),
            None => bail!("{kind} {name:?} not found"),
        }
    }
}

/// The environment of a container: the node's, `envFrom` and `env`; later ones override earlier ones.
pub(super) fn environment(
    pod: &Pod,
    container: &Container,
    sources: &Sources,
    node: &[(String, String)],
) -> Result<BTreeMap<String, String>> {
    let mut env: BTreeMap<String, String> = node.iter().cloned().collect();
    // As container runtimes do.
    env.insert("HOSTNAME".to_owned(), pod.name_any());
    for from in container.env_from.iter().flatten() {
        env.extend(env_from(from, sources)?);
    }
    for variable in container.env.iter().flatten() {
        let value = match (&variable.value, &variable.value_from) {
            (_, Some(source)) => value_from(pod, source, sources)
                .with_context(|| format!("environment variable {}", variable.name))?,
            (Some(text), None) => Some(expand(text, &env)),
            (None, None) => Some(String::new()),
        };
        if let Some(value) = value {
            env.insert(variable.name.clone(), value);
        }
    }
    Ok(env)
}

fn env_from(from: &EnvFromSource, sources: &Sources) -> Result<Vec<(String, String)>> {
    let prefix = from.prefix.as_deref().unwrap_or_default();
    let data = if let Some(secret) = &from.secret_ref {
        Sources::all(
            &sources.secrets,
            "Secret",
            &secret.name,
            secret.optional.unwrap_or(false),
        )?
    } else if let Some(map) = &from.config_map_ref {
        Sources::all(
            &sources.config_maps,
            "ConfigMap",
            &map.name,
            map.optional.unwrap_or(false),
        )?
    } else {
        bail!("an entry of envFrom names neither a Secret nor a ConfigMap");
    };
    let variables = data
        .into_iter()
        .flatten()
        .map(|(key, value)| (format!("{prefix}{key}"), text(value)));
    Ok(variables.collect())
}

fn value_from(pod: &Pod, source: &EnvVarSource, sources: &Sources) -> Result<Option<String>> {
    if let Some(reference) = &source.field_ref {
        return field(pod, &reference.field_path).map(Some);
    }
    let value = if let Some(secret) = &source.secret_key_ref {
        Sources::key(
            &sources.secrets,
            "Secret",
            &secret.name,
            &secret.key,
            secret.optional.unwrap_or(false),
        )?
    } else if let Some(map) = &source.config_map_key_ref {
        Sources::key(
            &sources.config_maps,
            "ConfigMap",
            &map.name,
            &map.key,
            map.optional.unwrap_or(false),
        )?
    } else {
        bail!("this node supports fieldRef, secretKeyRef and configMapKeyRef only");
    };
    Ok(value.as_deref().map(text))
}

fn text(bytes: impl AsRef<[u8]>) -> String {
    String::from_utf8_lossy(bytes.as_ref()).into_owned()
}

/// A field of the pod, by the downward API's paths.
pub(super) fn field(pod: &Pod, path: &str) -> Result<String> {
    let meta = &pod.metadata;
    let spec = pod.spec.as_ref();
    let value = match path {
        "metadata.name" => meta.name.clone(),
        "metadata.namespace" => meta.namespace.clone(),
        "metadata.uid" => meta.uid.clone(),
        "metadata.labels" => Some(lines(meta.labels.as_ref())),
        "metadata.annotations" => Some(lines(meta.annotations.as_ref())),
        "spec.nodeName" => Some(crate::NODE.to_owned()),
        "spec.serviceAccountName" => spec.and_then(|spec| spec.service_account_name.clone()),
        "status.hostIP" | "status.hostIPs" => Some("127.0.0.1".to_owned()),
        "status.podIP" | "status.podIPs" => {
            let uid = meta.uid.as_deref().unwrap_or_default();
            Some(address::of_pod(uid).to_string())
        }
        _ => {
            let of = |prefix: &str| path.strip_prefix(prefix)?.strip_suffix("']");
            match (of("metadata.labels['"), of("metadata.annotations['")) {
                (Some(key), _) => meta.labels.as_ref().and_then(|all| all.get(key)).cloned(),
                (_, Some(key)) => meta
                    .annotations
                    .as_ref()
                    .and_then(|all| all.get(key))
                    .cloned(),
                _ => bail!("unknown field path {path:?}"),
            }
        }
    };
    Ok(value.unwrap_or_default())
}

fn lines(map: Option<&BTreeMap<String, String>>) -> String {
    map.into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={value:?}\n"))
        .collect()
}

/// Replaces `$(NAME)` by the variable's value if there is one; `$$` is one `$`.
pub(super) fn expand(text: &str, env: &BTreeMap<String, String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let after = from.get(1..).unwrap_or_default();
        if let Some(tail) = after.strip_prefix('$') {
            out.push('$');
            rest = tail;
            continue;
        }
        let reference = after
            .strip_prefix('(')
            .and_then(|inner| inner.split_once(')'));
        match reference.and_then(|(name, tail)| env.get(name).map(|value| (value, tail))) {
            Some((value, tail)) => {
                out.push_str(value);
                rest = tail;
            }
            None => {
                out.push('$');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod() -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "p", "namespace": "n", "uid": "u", "labels": {"team": "ml"}},
            "spec": {"serviceAccountName": "mf-alice", "containers": []},
        }))
        .unwrap()
    }

    fn container(env: &serde_json::Value) -> Container {
        serde_json::from_value(json!({"name": "c", "env": env})).unwrap()
    }

    #[test]
    fn references_are_expanded_as_kubernetes_does() {
        let env = BTreeMap::from([("A".to_owned(), "1".to_owned())]);
        for (text, expected) in [
            ("$(A)/x", "1/x"),
            ("$$(A)", "$(A)"),
            ("$(B)", "$(B)"),
            ("$A ${A} $", "$A ${A} $"),
            ("$(A", "$(A"),
            ("é$(A)", "é1"),
        ] {
            assert_eq!(expand(text, &env), expected, "{text}");
        }
    }

    #[test]
    fn later_variables_see_earlier_ones_and_replace_the_nodes() {
        let env = json!([
            {"name": "PATH", "value": "/mine"},
            {"name": "KSA", "valueFrom": {"fieldRef": {"fieldPath": "spec.serviceAccountName"}}},
            {"name": "TEAM", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['team']"}}},
            {"name": "BOTH", "value": "$(KSA)+$(TEAM)"},
        ]);
        let node = [
            ("PATH".to_owned(), "/node".to_owned()),
            ("HOME".to_owned(), "/home".to_owned()),
        ];
        let env = environment(&pod(), &container(&env), &Sources::default(), &node).unwrap();
        assert_eq!(env["PATH"], "/mine");
        assert_eq!(env["HOME"], "/home");
        assert_eq!(env["BOTH"], "mf-alice+ml");
    }

    #[test]
    fn the_error_for_a_missing_secret_names_it_unless_it_is_optional() {
        let reference = |optional: bool| json!([{"name": "X", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": optional}}}]);
        let error = environment(
            &pod(),
            &container(&reference(false)),
            &Sources::default(),
            &[],
        )
        .unwrap_err();
        assert!(
            format!("{error:#}").contains("Secret \"s\" with key \"k\" not found"),
            "{error:#}"
        );
        let env = environment(
            &pod(),
            &container(&reference(true)),
            &Sources::default(),
            &[],
        )
        .unwrap();
        assert!(!env.contains_key("X"));
        let mut sources = Sources::default();
        sources
            .secrets
            .insert("s".into(), BTreeMap::from([("k".into(), b"v".to_vec())]));
        let env = environment(&pod(), &container(&reference(false)), &sources, &[]).unwrap();
        assert_eq!(env["X"], "v");
    }

    #[test]
    fn an_unknown_field_path_is_an_error() {
        assert!(field(&pod(), "status.phase").is_err());
        assert!(field(&pod(), "metadata.labels['x").is_err());
    }
}
