//! The program itself: how it ends, and what it says when something is missing.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "all of it is tests"
)]

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_namesake-sandbox");

/// Starts a control plane, by way of `command`, and waits until it is up. Returns its work folder.
fn started(command: &mut Command) -> (Child, PathBuf) {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let line = lines
        .find(|line| line.starts_with("export KUBECONFIG="))
        .expect("it did not come up");
    let kubeconfig = PathBuf::from(line.split_once('=').unwrap().1);
    let folder = kubeconfig.parent().unwrap().parent().unwrap().to_path_buf();
    assert!(
        processes_of(&folder).len() >= 3,
        "etcd, kube-apiserver and kube-controller-manager were expected"
    );
    (child, folder)
}

fn control_plane() -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(["control-plane", "--print-env"]);
    command
}

/// Living processes whose command line names the folder.
fn processes_of(folder: &Path) -> Vec<i32> {
    let pids = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse::<i32>().ok());
    let names_it = |pid: &i32| {
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&command).contains(&folder.display().to_string())
    };
    pids.filter(names_it).collect()
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
}

#[test]
fn asked_to_end_it_leaves_neither_processes_nor_files() {
    for kind in [Signal::SIGINT, Signal::SIGTERM] {
        let (mut child, folder) = started(&mut control_plane());
        signal(&child, kind);
        assert_eq!(child.wait().unwrap().code(), Some(130));
        assert_eq!(processes_of(&folder), [0_i32; 0], "after {kind}");
        assert!(!folder.exists(), "after {kind}");
    }
}

#[test]
fn killed_it_leaves_no_processes() {
    let (mut child, folder) = started(&mut control_plane());
    signal(&child, Signal::SIGKILL);
    child.wait().unwrap();
    until("the end of its processes", || {
        processes_of(&folder).is_empty()
    });
    let _ = fs::remove_dir_all(folder);
}

#[test]
fn it_ends_with_the_process_that_started_it() {
    let script = format!("{PROGRAM} control-plane --print-env & wait");
    let (mut shell, folder) = started(Command::new("/bin/sh").args(["-c", &script]));
    signal(&shell, Signal::SIGKILL);
    shell.wait().unwrap();
    until("the end of its processes", || {
        processes_of(&folder).is_empty()
    });
    until("the end of its folder", || !folder.exists());
}

fn said(command: &mut Command) -> (Output, String) {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, text)
}

#[test]
fn a_missing_tool_is_named_with_what_to_install() {
    let nothing = tempfile::tempdir().unwrap();
    let mut build = Command::new(PROGRAM);
    let (output, text) = said(
        build
            .arg("build")
            .env("PATH", nothing.path())
            .env_remove("KUBEBUILDER_ASSETS"),
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text.contains("go is not installed") && text.contains("https://go.dev/dl"),
        "{text}"
    );
}

#[test]
fn assets_that_lack_a_program_are_refused_by_name() {
    let nothing = tempfile::tempdir().unwrap();
    let mut build = Command::new(PROGRAM);
    let (output, text) = said(build.arg("build").env("KUBEBUILDER_ASSETS", nothing.path()));
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("etcd, kube-apiserver"), "{text}");
}

#[test]
fn wrong_arguments_are_explained() {
    for args in [&["demo", "--propagation", "-1"][..], &["fly"], &[]] {
        let (output, text) = said(Command::new(PROGRAM).args(args));
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(text.contains("Usage") || text.contains("--help"), "{text}");
    }
}
