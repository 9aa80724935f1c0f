//! A pod's volumes as folders: what a kubelet would mount is written below the pod's folder.

use std::{
    collections::BTreeSet,
    fs,
    path::{Component, Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{
    DownwardAPIVolumeFile, KeyToPath, Pod, ServiceAccountTokenProjection, Volume, VolumeProjection,
};
use kube::Client;
use secrecy::ExposeSecret;

use super::{
    env::{Objects, Sources, field},
    tokens::{self, PodIdentity},
};
use crate::kubernetes::users::write_private;

/// A token file that has to be renewed before the token expires.
#[derive(Debug)]
pub(super) struct TokenFile {
    path: PathBuf,
    audience: Option<String>,
    lifetime: Duration,
}

impl TokenFile {
    /// Writes a new token, atomically for readers. Returns when it has to be renewed.
    pub(super) async fn write(&self, node: &Client, pod: &PodIdentity) -> Result<Duration> {
        let token = tokens::request(node, pod, self.audience.as_deref(), self.lifetime).await?;
        let fresh = self.path.with_extension("new");
        write_private(&fresh, token.token.expose_secret())?;
        fs::rename(&fresh, &self.path)
            .with_context(|| format!("cannot write {}", self.path.display()))?;
        let left = token.expires.duration_since(Timestamp::now()).as_secs();
        // Like a kubelet: after 80 % of its lifetime.
        Ok(Duration::from_secs(
            u64::try_from(left * 4 / 5).unwrap_or(0).max(1),
        ))
    }
}

/// Writes all volumes except tokens; returns the token files that remain to be written.
pub(super) fn write(pod: &Pod, sources: &Sources, volumes: &Path) -> Result<Vec<TokenFile>> {
    let mut tokens = Vec::new();
    for volume in pod
        .spec
        .iter()
        .flat_map(|spec| spec.volumes.iter().flatten())
    {
        let folder = volumes.join(&volume.name);
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        let found = one(pod, volume, sources, &folder)
            .with_context(|| format!("volume {:?}", volume.name))?;
        tokens.extend(found);
    }
    Ok(tokens)
}

fn one(pod: &Pod, volume: &Volume, sources: &Sources, folder: &Path) -> Result<Vec<TokenFile>> {
    if volume.empty_dir.is_some() {
        return Ok(Vec::new());
    }
    if let Some(secret) = &volume.secret {
        let name = secret.secret_name.as_deref().unwrap_or_default();
        let optional = secret.optional.unwrap_or(false);
        object(
            &sources.secrets,
            "Secret",
            name,
            secret.items.as_deref(),
            optional,
            folder,
        )?;
        return Ok(Vec::new());
    }
    if let Some(map) = &volume.config_map {
        let optional = map.optional.unwrap_or(false);
        object(
            &sources.config_maps,
            "ConfigMap",
            &map.name,
            map.items.as_deref(),
            optional,
            folder,
        )?;
        return Ok(Vec::new());
    }
    if let Some(downward) = &volume.downward_api {
        fields(pod, downward.items.iter().flatten(), folder)?;
        return Ok(Vec::new());
    }
    if let Some(projected) = &volume.projected {
        let mut tokens = Vec::new();
        for source in projected.sources.iter().flatten() {
            tokens.extend(projection(pod, source, sources, folder)?);
        }
        return Ok(tokens);
    }
    bail!("this node supports emptyDir, secret, configMap, downwardAPI and projected volumes only")
}

fn projection(
    pod: &Pod,
    source: &VolumeProjection,
    sources: &Sources,
    folder: &Path,
) -> Result<Option<TokenFile>> {
    if let Some(token) = &source.service_account_token {
        return token_file(token, folder).map(Some);
    }
    if let Some(map) = &source.config_map {
        let optional = map.optional.unwrap_or(false);
        object(
            &sources.config_maps,
            "ConfigMap",
            &map.name,
            map.items.as_deref(),
            optional,
            folder,
        )?;
    } else if let Some(secret) = &source.secret {
        let optional = secret.optional.unwrap_or(false);
        object(
            &sources.secrets,
            "Secret",
            &secret.name,
            secret.items.as_deref(),
            optional,
            folder,
        )?;
    } else if let Some(downward) = &source.downward_api {
        fields(pod, downward.items.iter().flatten(), folder)?;
    } else {
        bail!(
            "this node supports serviceAccountToken, configMap, secret and downwardAPI in projected volumes only"
        );
    }
    Ok(None)
}

fn token_file(token: &ServiceAccountTokenProjection, folder: &Path) -> Result<TokenFile> {
    let seconds = u64::try_from(token.expiration_seconds.unwrap_or(3600)).unwrap_or(3600);
    let path = inside(folder, &token.path)?;
    Ok(TokenFile {
        path,
        audience: token.audience.clone(),
        lifetime: Duration::from_secs(seconds),
    })
}

fn object(
    objects: &Objects,
    kind: &str,
    name: &str,
    items: Option<&[KeyToPath]>,
    optional: bool,
    folder: &Path,
) -> Result<()> {
    if let Some(items) = items {
        for item in items {
            if let Some(value) = Sources::key(objects, kind, name, &item.key, optional)? {
                write_file(folder, &item.path, &value)?;
            }
        }
        return Ok(());
    }
    for (key, value) in Sources::all(objects, kind, name, optional)?
        .into_iter()
        .flatten()
    {
        write_file(folder, key, value)?;
    }
    Ok(())
}

fn fields<'a>(
    pod: &Pod,
    items: impl Iterator<Item = &'a DownwardAPIVolumeFile>,
    folder: &Path,
) -> Result<()> {
    for item in items {
        let reference = item
            .field_ref
            .as_ref()
            .context("this node supports fieldRef only")?;
        write_file(
            folder,
            &item.path,
            field(pod, &reference.field_path)?.as_bytes(),
        )?;
    }
    Ok(())
}

fn write_file(folder: &Path, path: &str, value: &[u8]) -> Result<()> {
    let path = inside(folder, path)?;
    fs::write(&path, value).with_context(|| format!("cannot write {}", path.display()))
}

/// A path below the folder; its parent is created. A path that leads out of the folder is refused.
fn inside(folder: &Path, path: &str) -> Result<PathBuf> {
    if path.is_empty()
        || !Path::new(path)
            .components()
            .all(|part| matches!(part, Component::Normal(_)))
    {
        bail!("{path:?} is not a path below the volume");
    }
    let path = folder.join(path);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)
            .with_context(|| format!("cannot create {}", parent.display()))?;
    }
    Ok(path)
}

/// The names of the Secrets and ConfigMaps that a pod refers to.
pub(super) fn references(pod: &Pod) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut secrets, mut maps) = (BTreeSet::new(), BTreeSet::new());
    let Some(spec) = &pod.spec else {
        return (secrets, maps);
    };
    for container in spec
        .containers
        .iter()
        .chain(spec.init_containers.iter().flatten())
    {
        for source in container
            .env
            .iter()
            .flatten()
            .filter_map(|variable| variable.value_from.as_ref())
        {
            secrets.extend(source.secret_key_ref.iter().map(|it| it.name.clone()));
            maps.extend(source.config_map_key_ref.iter().map(|it| it.name.clone()));
        }
        for from in container.env_from.iter().flatten() {
            secrets.extend(from.secret_ref.iter().map(|it| it.name.clone()));
            maps.extend(from.config_map_ref.iter().map(|it| it.name.clone()));
        }
    }
    for volume in spec.volumes.iter().flatten() {
        secrets.extend(volume.secret.iter().filter_map(|it| it.secret_name.clone()));
        maps.extend(volume.config_map.iter().map(|it| it.name.clone()));
        for source in volume
            .projected
            .iter()
            .flat_map(|it| it.sources.iter().flatten())
        {
            secrets.extend(source.secret.iter().map(|it| it.name.clone()));
            maps.extend(source.config_map.iter().map(|it| it.name.clone()));
        }
    }
    (secrets, maps)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    type Data = std::collections::BTreeMap<String, Vec<u8>>;

    fn pod() -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "p", "namespace": "lab", "uid": "u"},
            "spec": {"containers": [], "volumes": [
                {"name": "scratch", "emptyDir": {}},
                {"name": "api", "projected": {"sources": [
                    {"serviceAccountToken": {"path": "token", "audience": "a", "expirationSeconds": 600}},
                    {"configMap": {"name": "root", "items": [{"key": "ca.crt", "path": "sub/ca.crt"}]}},
                    {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
                ]}},
                {"name": "all", "secret": {"secretName": "s"}},
            ]},
        }))
        .unwrap()
    }

    fn sources() -> Sources {
        let mut sources = Sources::default();
        sources.config_maps.insert(
            "root".into(),
            Data::from([("ca.crt".into(), b"PEM".to_vec())]),
        );
        sources.secrets.insert(
            "s".into(),
            Data::from([("a".into(), b"1".to_vec()), ("b".into(), vec![0xff])]),
        );
        sources
    }

    #[test]
    fn volumes_become_folders() {
        let folder = tempfile::tempdir().unwrap();
        let tokens = super::write(&pod(), &sources(), folder.path()).unwrap();
        assert!(folder.path().join("scratch").is_dir());
        assert_eq!(
            fs::read(folder.path().join("api/sub/ca.crt")).unwrap(),
            b"PEM"
        );
        assert_eq!(
            fs::read(folder.path().join("api/namespace")).unwrap(),
            b"lab"
        );
        assert_eq!(fs::read(folder.path().join("all/b")).unwrap(), [0xff]);
        assert_eq!(tokens.len(), 1);
        assert_eq!(tokens[0].path, folder.path().join("api/token"));
        assert_eq!(
            references(&pod()),
            (
                BTreeSet::from(["s".to_owned()]),
                BTreeSet::from(["root".to_owned()])
            )
        );
    }

    #[test]
    fn errors_name_a_missing_object_and_an_unsupported_volume() {
        let folder = tempfile::tempdir().unwrap();
        let error = super::write(&pod(), &Sources::default(), folder.path()).unwrap_err();
        assert!(
            format!("{error:#}").contains("volume \"api\": ConfigMap \"root\""),
            "{error:#}"
        );
        let mut pod = pod();
        let host = json!([{"name": "h", "hostPath": {"path": "/"}}]);
        pod.spec.as_mut().unwrap().volumes = serde_json::from_value(host).unwrap();
        assert!(super::write(&pod, &sources(), folder.path()).is_err());
    }

    #[test]
    fn a_path_that_leads_out_of_the_volume_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["../x", "/etc/passwd", "", "a/../../b"] {
            assert!(inside(folder.path(), path).is_err(), "{path}");
        }
    }
}
