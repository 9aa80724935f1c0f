//! The users of the sandbox's API server: people, and the components of the control plane.

use std::{
    fs,
    io::{Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use data_encoding::{BASE64, HEXLOWER};
use kube::config::{KubeConfigOptions, Kubeconfig};
use secrecy::{ExposeSecret, SecretString};

/// A cluster administrator.
pub const ADMIN: &str = "admin";
/// A data scientist, in the group research@acme.com.
pub const ALICE: &str = "alice@acme.com";
/// A data scientist.
pub const BOB: &str = "bob@acme.com";
/// A malicious user with the same rights as the others.
pub const MALLORY: &str = "mallory@acme.com";
/// The people who have the ClusterRole `edit` in namespaces of the sandbox.
pub const PEOPLE: [&str; 3] = [ALICE, BOB, MALLORY];
/// The scheduler, which binds pods to the node.
pub const SCHEDULER: &str = "system:kube-scheduler";
/// The node itself.
pub const NODE_USER: &str = "system:node:loopback";
pub(crate) const CONTROLLER_MANAGER: &str = "system:kube-controller-manager";

const ALL: [(&str, &[&str]); 7] = [
    (ADMIN, &["system:masters"]),
    (ALICE, &["research@acme.com"]),
    (BOB, &[]),
    (MALLORY, &[]),
    (CONTROLLER_MANAGER, &[]),
    (SCHEDULER, &[]),
    (NODE_USER, &["system:nodes"]),
];

/// Every user, with a token for this run.
#[derive(Debug)]
pub(crate) struct Users(Vec<(&'static str, &'static [&'static str], SecretString)>);

impl Users {
    /// Generates new tokens for all.
    pub(crate) fn generate() -> Result<Self> {
        let users = ALL
            .iter()
            .map(|(name, groups)| Ok((*name, *groups, random_token()?)));
        Ok(Self(users.collect::<Result<_>>()?))
    }

    /// Writes the API server's token file: `token,user,uid,"group,group"`.
    pub(crate) fn write_token_file(&self, path: &Path) -> Result<()> {
        let lines = self.0.iter().map(|(name, groups, token)| {
            format!(
                "{},{name},{name},\"{}\"\n",
                token.expose_secret(),
                groups.join(",")
            )
        });
        write_private(path, &lines.collect::<String>())
    }

    /// Writes a kubeconfig for each user into the folder.
    pub(crate) fn write_kubeconfigs(
        &self,
        folder: &Path,
        server: &str,
        ca_pem: &str,
    ) -> Result<()> {
        for (name, _, token) in &self.0 {
            let text = kubeconfig(
                name,
                server,
                ca_pem,
                &format!("token: {}", token.expose_secret()),
            );
            write_private(&kubeconfig_path(folder, name), &text)?;
        }
        Ok(())
    }
}

/// Where the kubeconfig of a user is: `alice.yaml` for `alice@acme.com`.
#[must_use]
pub fn kubeconfig_path(folder: &Path, user: &str) -> PathBuf {
    let local = user.split('@').next().unwrap_or(user).replace(':', "-");
    folder.join(format!("{local}.yaml"))
}

/// A kubeconfig; `credential` is one line of its user entry (`token: …` or `tokenFile: …`).
pub(crate) fn kubeconfig(user: &str, server: &str, ca_pem: &str, credential: &str) -> String {
    let ca = BASE64.encode(ca_pem.as_bytes());
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: sandbox\n\
         clusters:\n- name: sandbox\n  cluster:\n    server: {server}\n    certificate-authority-data: {ca}\n\
         users:\n- name: {user}\n  user:\n    {credential}\n\
         contexts:\n- name: sandbox\n  context: {{cluster: sandbox, user: \"{user}\", namespace: {}}}\n",
        crate::RESEARCH
    )
}

/// A client that uses a kubeconfig file. It belongs to the current tokio runtime.
///
/// # Errors
/// The file cannot be read, or has no user.
pub async fn client_from(path: &Path) -> Result<kube::Client> {
    Ok(kube::Client::try_from(config_from(path).await?)?)
}

/// The configuration of such a client, to which a test can add impersonation or timeouts.
///
/// # Errors
/// The file cannot be read, or has no user.
pub async fn config_from(path: &Path) -> Result<kube::Config> {
    let file = Kubeconfig::read_from(path)
        .with_context(|| format!("cannot read the kubeconfig {}", path.display()))?;
    Ok(kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?)
}

/// Writes a file that only its owner can read.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<()> {
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}

fn random_token() -> Result<SecretString> {
    let mut bytes = [0_u8; 16];
    fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .context("cannot read /dev/urandom")?;
    Ok(HEXLOWER.encode(&bytes).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_user_has_a_kubeconfig_with_a_token_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let users = Users::generate().unwrap();
        users
            .write_kubeconfigs(folder.path(), "https://127.0.0.1:1", "PEM")
            .unwrap();
        let mut tokens = Vec::new();
        for (name, _) in ALL {
            let file = Kubeconfig::read_from(kubeconfig_path(folder.path(), name)).unwrap();
            let auth = file.auth_infos[0].auth_info.clone().unwrap();
            assert_eq!(file.auth_infos[0].name, name);
            tokens.push(auth.token.unwrap().expose_secret().to_owned());
        }
        tokens.sort();
        tokens.dedup();
        assert_eq!(tokens.len(), ALL.len());
    }

    #[test]
    fn a_token_file_is_readable_by_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.csv");
        Users::generate().unwrap().write_token_file(&path).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.contains(",alice@acme.com,alice@acme.com,\"research@acme.com\""),
            "{text}"
        );
    }
}
