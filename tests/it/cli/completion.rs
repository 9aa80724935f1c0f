//! Completions of `kubectl namesake`, as kubectl passes them to a shell.

use std::{os::unix::fs::symlink, process::Command};

use anyhow::{Context, Result, ensure};
use namesake_sandbox::{
    WorkFolder,
    programs::kubernetes::{Binaries, KUBECTL},
};

#[test]
fn kubectl_offers_the_commands_of_its_plugin() -> Result<()> {
    let kubectl = Binaries::find_or_build(&mut |line| println!("{line}"))?.path(KUBECTL);
    let programs = std::env::current_exe()?;
    let programs = programs
        .ancestors()
        .nth(2)
        .context("no folder of programs")?;
    let path = WorkFolder::create()?;
    for name in ["kubectl-namesake", "kubectl_complete-namesake"] {
        symlink(programs.join("kubectl-namesake"), path.path().join(name))?;
    }
    let output = Command::new(kubectl)
        .args(["__complete", "namesake", "list", "--not"])
        .env("PATH", path.path())
        .env("HOME", path.path())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(
        text.starts_with("--not-ready\t") && text.trim_end().ends_with(":4"),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
