//! Mount paths. For a container without a mount namespace, paths under a mount are replaced by paths under the pod's folder, in its
//! environment, command and arguments.

use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::Container;

/// Mount paths of a container and their folders, the longest path first.
#[derive(Debug, Default)]
pub(super) struct Mounts(Vec<(String, PathBuf)>);

impl Mounts {
    /// The mounts of a container whose pod keeps its volumes in the folder.
    pub(super) fn of(container: &Container, volumes: &Path) -> Self {
        let mut mounts: Vec<(String, PathBuf)> = container
            .volume_mounts
            .iter()
            .flatten()
            .map(|mount| {
                let mut folder = volumes.join(&mount.name);
                folder.extend(mount.sub_path.as_deref());
                (mount.mount_path.trim_end_matches('/').to_owned(), folder)
            })
            .filter(|(path, _)| !path.is_empty())
            .collect();
        mounts.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        Self(mounts)
    }

    /// The folders and their mount paths, each mount path before those below it.
    pub(super) fn outermost_first(&self) -> Vec<(PathBuf, String)> {
        let mounts = self.0.iter().rev();
        mounts
            .map(|(path, folder)| (folder.clone(), path.clone()))
            .collect()
    }

    /// The folder of a mount path, if there is one.
    pub(super) fn folder(&self, path: &str) -> Option<&Path> {
        self.0
            .iter()
            .find(|(mount, _)| mount == path)
            .map(|(_, folder)| folder.as_path())
    }

    /// The text with every path under a mount replaced.
    pub(super) fn rewrite(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let found = if out.chars().next_back().is_some_and(is_path_char) {
                None
            } else {
                self.at_start(rest)
            };
            let (piece, length) = match found {
                Some((mount, folder)) => (folder.display().to_string(), mount.len()),
                None => (first.to_string(), first.len_utf8()),
            };
            out.push_str(&piece);
            rest = rest.get(length..).unwrap_or_default();
        }
        out
    }

    fn at_start(&self, text: &str) -> Option<&(String, PathBuf)> {
        self.0.iter().find(|(mount, _)| {
            text.strip_prefix(mount.as_str()).is_some_and(|after| {
                after
                    .chars()
                    .next()
                    .is_none_or(|next| next == '/' || !is_path_char(next))
            })
        })
    }
}

fn is_path_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_whole_paths_under_a_mount_are_rewritten() {
        let container = serde_json::from_value(json!({"name": "c", "volumeMounts": [
            {"name": "run", "mountPath": "/var/run/"},
            {"name": "token", "mountPath": "/var/run/secrets", "subPath": "s"},
        ]}))
        .unwrap();
        let mounts = Mounts::of(&container, Path::new("/v"));
        for (text, expected) in [
            ("/var/run/secrets/token", "/v/token/s/token"),
            ("--file=/var/run/x", "--file=/v/run/x"),
            ("a:/var/run:b", "a:/v/run:b"),
            ("/var/running", "/var/running"),
            ("/opt/var/run", "/opt/var/run"),
            ("cat /var/run/secrets && é", "cat /v/token/s && é"),
        ] {
            assert_eq!(mounts.rewrite(text), expected, "{text}");
        }
        assert_eq!(mounts.folder("/var/run"), Some(Path::new("/v/run")));
    }
}
