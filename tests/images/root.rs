//! The root of a container: the files of an image, and what a kubelet adds.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::PathBuf,
    process::Command,
};

use anyhow::{Context, Result};
use serde_json::Value;
use tempfile::TempDir;

use crate::registry::Registry;

/// An unpacked image.
pub(crate) struct Root {
    folder: TempDir,
    /// What the image says about how it is run.
    pub(crate) config: Value,
}

impl Root {
    /// Unpacks an image into an empty folder.
    pub(crate) fn unpack(registry: &Registry, image: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let files = registry.files(image)?;
        let mut archive = tar::Archive::new(&*files);
        archive.set_preserve_permissions(true);
        archive.unpack(folder.path())?;
        // The user of the program has to be able to use the root.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        let config: Value = serde_json::from_str(&registry.about("config", image)?)?;
        Ok(Self {
            folder,
            config: config["config"].clone(),
        })
    }

    /// Where a path of the container is here.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path.trim_start_matches('/'))
    }

    /// Writes a file that everybody in the container can read.
    pub(crate) fn write(&self, path: &str, text: &str) -> Result<()> {
        let path = self.path(path);
        fs::create_dir_all(path.parent().context("a file is in a folder")?)?;
        Ok(fs::write(path, text)?)
    }

    /// The command that runs the image's program: with this folder as its root, and with the image's user and environment. Only
    /// root can choose a user; for others it runs as they, in a user namespace.
    pub(crate) fn program(&self) -> Result<Command> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let user = text(&self.config["User"]).context("the image has no user")?;
        let (user, group) = user.split_once(':').context("the image has no group")?;
        let program = text(&self.config["Entrypoint"][0]).context("the image has no program")?;
        let mut command = Command::new("/usr/bin/unshare");
        command.arg("--root").arg(self.folder.path());
        command.arg("--wd=/");
        if fs::metadata("/proc/self")?.uid() == 0 {
            command.args(["--setgid", group, "--setuid", user]);
        } else {
            command.args(["--user", "--map-root-user"]);
        }
        command.arg("--").arg(program);
        let env = self.config["Env"].as_array().into_iter().flatten();
        let env = env.filter_map(|entry| entry.as_str()?.split_once('='));
        // A container engine sets HOME, to this for a user who is not in /etc/passwd.
        command.env_clear().envs(env).env("HOME", "/");
        Ok(command)
    }
}
