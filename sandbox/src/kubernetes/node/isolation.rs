//! Mount and PID namespaces, with util-linux's `unshare` and `nsenter`, for pods that rely on fixed paths and on being process 1:
//! each container sees the machine's files, writes into memory, and has its volumes at their mount paths.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result};

use crate::host::children::Launch;

/// Runs in the new namespaces: creates a root with the machine's files that keeps changes in memory.
/// Arguments: root, second script, PATH, working directory; visible folders, `--`; the machine's mounts, `--`; the rest.
const MAKE_ROOT: &str = r#"set -eu
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
root=$1 second=$2 path=$3 folder=$4
shift 4
mount -t tmpfs -o mode=755 sandbox "$root"
mkdir "$root/upper" "$root/work" "$root/all"
mount -t overlay -o "lowerdir=/,upperdir=$root/upper,workdir=$root/work" sandbox "$root/all"
kept=
while [ "$1" != -- ]; do kept="$kept$1
"; shift; done
shift
while [ "$1" != -- ]; do mount --rbind "$1" "$root/all$1" || :; shift; done
shift
mount -t proc sandbox "$root/all/proc"
mount -t tmpfs -o mode=1777 sandbox "$root/all/tmp"
mount -t tmpfs -o mode=755 sandbox "$root/all/run"
printf %s "$kept" | while IFS= read -r it; do
  mkdir -p "$root/all$it"
  mount --bind "$it" "$root/all$it"
done
cd "$root/all"
exec chroot . /bin/sh -c "$second" sandbox "$path" "$folder" "$@"
"#;

/// Runs in the new root: mounts the volumes, and becomes the program. Arguments: PATH, working directory; pairs of a volume's folder
/// and its mount path, `--`; the program and its arguments. A volume at `/tmp` would hide the folders of other volumes below it, so
/// all are bound elsewhere first.
const MOUNT_VOLUMES: &str = r#"set -eu
path=$1 folder=$2
shift 2
held=/.sandbox-volumes
mkdir -p "$held"
number=0 source=
for it; do
  if [ "$it" = -- ]; then break; fi
  if [ -z "$source" ]; then source=$it; continue; fi
  number=$((number + 1))
  if [ -d "$source" ]; then mkdir -p "$held/$number"; else : >>"$held/$number"; fi
  mount --bind "$source" "$held/$number"
  source=
done
number=0
while [ "$1" != -- ]; do
  number=$((number + 1))
  if [ -d "$held/$number" ]; then mkdir -p "$2"; else mkdir -p "$(dirname "$2")"; : >>"$2"; fi
  mount --bind "$held/$number" "$2"
  shift 2
done
shift
cd "$folder"
export PATH="$path"
exec "$@"
"#;

/// Proof that this machine allows creating namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Isolation(());

/// The file system of one container.
#[derive(Debug)]
pub(super) struct View<'a> {
    /// An empty folder for its root.
    pub(super) root: &'a Path,
    /// Folders of the machine that are visible, also below those that are in memory.
    pub(super) visible: &'a [PathBuf],
    /// Folders or files of volumes, and their mount paths.
    pub(super) mounts: Vec<(PathBuf, String)>,
}

impl Isolation {
    /// Checks whether it works. The error says why this machine does not allow it, and the remedy.
    pub(super) fn probe(folder: &Path) -> Result<Self, String> {
        let isolation = Self(());
        match isolation.test(folder) {
            Ok(()) => Ok(isolation),
            Err(error) => Err(format!(
                "this pod needs mount and PID namespaces and an overlay file system, which this machine does not allow: {error:#}; \
                 run as root (a user namespace is not enough), with util-linux's unshare, nsenter and mount installed"
            )),
        }
    }

    fn test(self, folder: &Path) -> Result<()> {
        let root = folder.join("probe");
        std::fs::create_dir_all(&root)
            .with_context(|| format!("cannot create {}", root.display()))?;
        let launch = Launch::new("probe", Path::new("true"), Vec::new(), folder);
        let view = View {
            root: &root,
            visible: &[],
            mounts: Vec::new(),
        };
        let inside = self.isolate(launch, &view);
        let output = Command::new(&inside.program)
            .args(&inside.args)
            .stdin(Stdio::null())
            .output()
            .context("cannot start unshare")?;
        let _ = std::fs::remove_dir(&root);
        anyhow::ensure!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(())
    }

    /// The same program in its own namespaces.
    pub(super) fn isolate(self, launch: Launch, view: &View) -> Launch {
        let text = |path: &Path| path.display().to_string();
        let path = launch.env.iter().find(|(name, _)| name == "PATH");
        let path = path.map_or("/usr/local/bin:/usr/bin:/bin", |(_, value)| value.as_str());
        let folder = launch.folder.as_deref().unwrap_or(Path::new("/"));
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let end = || "--".to_owned();
        let mut args: Vec<String> = ["--mount", "--pid", "--fork", "--kill-child"]
            .map(str::to_owned)
            .into();
        args.extend(["/bin/sh", "-c", MAKE_ROOT, "sandbox"].map(str::to_owned));
        args.extend([
            text(view.root),
            MOUNT_VOLUMES.to_owned(),
            path.to_owned(),
            text(folder),
        ]);
        args.extend(view.visible.iter().map(|it| text(it)).chain([end()]));
        args.extend(machine_mounts(&mounts).into_iter().chain([end()]));
        for (source, place) in &view.mounts {
            args.extend([text(source), place.clone()]);
        }
        // Again where a volume hides them.
        let is_hidden =
            |folder: &&PathBuf| view.mounts.iter().any(|(_, at)| folder.starts_with(at));
        for folder in view.visible.iter().filter(is_hidden) {
            args.extend([text(folder), text(folder)]);
        }
        args.extend([end(), text(&launch.program)]);
        args.extend(launch.args.iter().cloned());
        Launch {
            program: "unshare".into(),
            args,
            folder: None,
            ..launch
        }
    }

    /// A command in the namespaces of a container; `process` is the process id of its `unshare`.
    pub(super) fn enter(self, process: i32, command: &[String]) -> Result<Command> {
        let children = format!("/proc/{process}/task/{process}/children");
        let children = std::fs::read_to_string(&children)
            .with_context(|| format!("cannot read {children}"))?;
        let first = children.split_whitespace().next();
        let first = first.context("the container has no process")?;
        let mut enter = Command::new("nsenter");
        enter.args(["--target", first, "--mount", "--pid", "--root", "--wd"]);
        enter.arg("--").args(command).stdin(Stdio::null());
        Ok(enter)
    }
}

/// The machine's mount points that are visible in a container: the topmost ones, without those that each container has its own of.
fn machine_mounts(mountinfo: &str) -> Vec<String> {
    const OWN: [&str; 3] = ["/proc", "/run", "/tmp"];
    let is_below = |point: &str, folder: &str| {
        point
            .strip_prefix(folder)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let points = mountinfo
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        // Mount points with escaped characters are left out.
        .filter(|point| *point != "/" && !point.contains('\\'))
        .filter(|point| !OWN.iter().any(|own| is_below(point, own)));
    let mut points: Vec<&str> = points.collect();
    points.sort_unstable();
    let mut top: Vec<String> = Vec::new();
    for point in points {
        if !top.iter().any(|above| is_below(point, above)) {
            top.push(point.to_owned());
        }
    }
    top
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_topmost_mounts_are_listed_and_no_temporary_folders() {
        let line = |point: &str| format!("36 35 98:0 / {point} rw - ext4 /dev/x rw\n");
        let points = [
            "/",
            "/dev/pts",
            "/proc",
            "/dev",
            "/run/lock",
            "/tmp",
            "/home",
            "/tmpfs",
            "/a\\040b",
        ];
        let mountinfo: String = points.map(line).concat();
        assert_eq!(machine_mounts(&mountinfo), ["/dev", "/home", "/tmpfs"]);
    }

    /// Returns `None` on a machine that does not allow namespaces.
    fn run_inside(folder: &Path, script: &str, mounts: Vec<(PathBuf, String)>) -> Option<String> {
        let isolation = match Isolation::probe(folder) {
            Ok(isolation) => isolation,
            Err(message) => {
                assert!(message.contains("run as root"), "{message}");
                return None;
            }
        };
        let root = folder.join("root");
        std::fs::create_dir(&root).unwrap();
        let args = vec!["-c".to_owned(), script.to_owned()];
        let launch = Launch::new("main", Path::new("/bin/sh"), args, folder);
        let view = View {
            root: &root,
            visible: &[folder.to_path_buf()],
            mounts,
        };
        let inside = isolation.isolate(launch, &view);
        let output = Command::new(&inside.program)
            .args(&inside.args)
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{errors}");
        Some(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    #[test]
    fn a_volume_that_hides_the_folder_of_another_does_not_remove_it() {
        let folder = tempfile::tempdir().unwrap();
        let (outer, word) = (folder.path().join("outer"), folder.path().join("word"));
        std::fs::create_dir(&outer).unwrap();
        std::fs::write(&word, "hello").unwrap();
        let above = folder.path().parent().unwrap().display().to_string();
        let place = "/var/run/namesake-isolation-test".to_owned();
        let script = format!("cat {place} && cat {} && ls -A {above}", word.display());
        let mounts = vec![(outer, above), (word.clone(), place)];
        let Some(output) = run_inside(folder.path(), &script, mounts) else {
            return;
        };
        let own = folder.path().file_name().unwrap().display();
        assert_eq!(output, format!("hellohello{own}\n"));
    }

    #[test]
    fn a_container_has_its_volumes_at_their_mount_paths_and_leaves_no_trace_on_the_machine() {
        let folder = tempfile::tempdir().unwrap();
        let volume = folder.path().join("volume");
        std::fs::create_dir(&volume).unwrap();
        std::fs::write(volume.join("word"), "hello").unwrap();
        let place = "/var/run/namesake-isolation-test".to_owned();
        let script = format!(
            "cat {place}/word; echo; echo $$; echo made >{place}/made; echo lost >/namesake-isolation-test"
        );
        let mounts = vec![(volume.clone(), place.clone())];
        let Some(output) = run_inside(folder.path(), &script, mounts) else {
            return;
        };
        assert_eq!(output, "hello\n1\n");
        assert_eq!(
            std::fs::read_to_string(volume.join("made")).unwrap(),
            "made\n"
        );
        for path in [place.as_str(), "/namesake-isolation-test"] {
            assert!(!Path::new(path).exists(), "{path} is on the machine");
        }
    }
}
