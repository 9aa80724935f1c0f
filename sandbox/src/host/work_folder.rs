//! The work folder of one run: logs, kubeconfigs, keys, data.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
};

use anyhow::{Context, Result};
use nix::{errno::Errno, sys::signal, unistd::Pid};

/// How many folders of runs that did not remove theirs are kept for inspection.
const KEPT_RUNS: usize = 5;

/// The folder of the workspace that this crate was built from.
#[must_use]
pub fn workspace_root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// A folder `target/sandbox/run-<UTC time>-<pid>`, removed when dropped unless [`WorkFolder::keep`] was called or the thread
/// is panicking.
#[derive(Debug)]
pub struct WorkFolder {
    path: PathBuf,
    keep: AtomicBool,
}

impl WorkFolder {
    /// Creates a new folder under the workspace's `target/sandbox`, and removes all but the last few that earlier runs left.
    ///
    /// # Errors
    /// The folder cannot be created.
    pub fn create() -> Result<Self> {
        Self::create_in(&workspace_root().join("target").join("sandbox"))
    }

    /// Creates a new folder under `parent`.
    ///
    /// # Errors
    /// The folder cannot be created.
    pub fn create_in(parent: &Path) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        prune(parent);
        let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S");
        let pid = std::process::id();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = match number {
            0 => format!("run-{time}-{pid}"),
            more => format!("run-{time}-{pid}-{more}"),
        };
        let path = parent.join(name);
        for sub in ["logs", "kubeconfigs", "keys", "data", "pods"] {
            let folder = path.join(sub);
            fs::create_dir_all(&folder)
                .with_context(|| format!("cannot create the work folder {}", folder.display()))?;
        }
        Ok(Self {
            path,
            keep: AtomicBool::new(false),
        })
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// One log file per process.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }

    /// One kubeconfig per user.
    #[must_use]
    pub fn kubeconfigs(&self) -> PathBuf {
        self.path.join("kubeconfigs")
    }

    /// Certificates, keys and tokens of the control plane.
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.path.join("keys")
    }

    /// Data of etcd and of the storage.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    /// One folder per pod.
    #[must_use]
    pub fn pods(&self) -> PathBuf {
        self.path.join("pods")
    }

    /// Leaves the folder where it is when this is dropped.
    pub fn keep(&self) {
        self.keep.store(true, Ordering::Relaxed);
    }

    /// Whether the folder stays.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.keep.load(Ordering::Relaxed)
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        if std::thread::panicking() || self.is_kept() {
            // The data of etcd is large, and no help in finding an error.
            remove(&self.data());
            return;
        }
        remove(&self.path);
    }
}

fn remove(folder: &Path) {
    if let Err(error) = fs::remove_dir_all(folder)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(folder = %folder.display(), %error, "cannot remove a work folder");
    }
}

/// Removes the folders of runs whose process no longer exists, except the newest few.
fn prune(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else {
        return;
    };
    let mut ended: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .filter(|entry| {
            entry
                .file_name()
                .to_str()
                .and_then(pid_of_run)
                .is_some_and(|pid| !is_alive(pid))
        })
        .map(|entry| entry.path())
        .collect();
    ended.sort();
    ended.truncate(ended.len().saturating_sub(KEPT_RUNS));
    for folder in ended {
        remove(&folder);
    }
}

/// The process that created a folder of this name.
fn pid_of_run(name: &str) -> Option<i32> {
    let mut parts = name.strip_prefix("run-")?.split('-');
    let _time = parts.next()?;
    parts.next()?.parse().ok()
}

/// Whether a process of this id exists.
#[must_use]
pub fn is_alive(pid: i32) -> bool {
    signal::kill(Pid::from_raw(pid), None) != Err(Errno::ESRCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_removed_with_its_run_unless_it_is_kept() {
        let parent = tempfile::tempdir().unwrap();
        let gone = WorkFolder::create_in(parent.path()).unwrap();
        let kept = WorkFolder::create_in(parent.path()).unwrap();
        kept.keep();
        let (gone_path, kept_path) = (gone.path().to_path_buf(), kept.path().to_path_buf());
        assert_ne!(gone_path, kept_path);
        drop(gone);
        drop(kept);
        assert!(!gone_path.exists());
        assert!(kept_path.join("logs").exists());
        assert!(!kept_path.join("data").exists());
    }

    #[test]
    fn only_the_newest_folders_of_earlier_runs_are_kept() {
        let parent = tempfile::tempdir().unwrap();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let dead = child.id();
        child.wait().unwrap();
        let mine = format!("run-20200101T000000-{}", std::process::id());
        fs::create_dir(parent.path().join(&mine)).unwrap();
        for hour in 0..8 {
            fs::create_dir(
                parent
                    .path()
                    .join(format!("run-20260101T{hour:02}0000-{dead}")),
            )
            .unwrap();
        }
        let _new = WorkFolder::create_in(parent.path()).unwrap();
        let mut names: Vec<String> = fs::read_dir(parent.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names.len(), KEPT_RUNS + 2, "{names:?}");
        assert!(names.contains(&mine), "a living run's folder was removed");
        assert!(
            !names.contains(&format!("run-20260101T020000-{dead}")),
            "{names:?}"
        );
    }
}
