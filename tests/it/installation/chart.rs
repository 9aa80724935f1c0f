//! `charts/namesake`: the same objects as `manifests/`, with Helm 3 and Helm 4.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use anyhow::{Result, anyhow, ensure};
use namesake_sandbox::{
    cli::output::say, host::work_folder::workspace_root, programs::helm::find_or_build,
};
use namesake_tests::cluster::manifests::objects;
use serde_json::Value;

mod admin;
mod generated;
mod healthy;
mod page;
mod release;
mod same;
mod schema;
mod upgrade;
mod values;

/// The values of the example, which are those of `manifests/overlays/gke`.
const EXAMPLE: &str = "ci/gke-values.yaml";

fn chart() -> PathBuf {
    workspace_root().join("charts").join("namesake")
}

/// Helm 3 and Helm 4, which are built on their first use.
fn helms() -> Result<&'static [PathBuf; 2]> {
    static FOUND: OnceLock<Result<[PathBuf; 2], String>> = OnceLock::new();
    let found = FOUND
        .get_or_init(|| find_or_build(&mut |line| say(line)).map_err(|error| format!("{error:#}")));
    found.as_ref().map_err(|error| anyhow!("{error}"))
}

/// What a command of Helm printed.
struct Said {
    is_success: bool,
    out: String,
    problems: String,
}

impl Said {
    /// The output of a command that succeeded.
    fn success(self) -> Result<String> {
        ensure!(self.is_success, "{}{}", self.out, self.problems);
        Ok(self.out)
    }

    /// The output of a command that was refused.
    fn refusal(self) -> Result<String> {
        ensure!(!self.is_success, "not refused:\n{}", self.out);
        Ok(self.out + &self.problems)
    }
}

/// Runs Helm, without the configuration of whoever runs the test.
fn helm(program: &Path, args: &[&str], kubeconfig: Option<&Path>) -> Result<Said> {
    let home = tempfile::tempdir()?;
    let none = home.path().join("none");
    let output = Command::new(program)
        .args(args)
        .current_dir(chart())
        .env("HOME", home.path())
        .env("KUBECONFIG", kubeconfig.unwrap_or(&none))
        .output()?;
    Ok(Said {
        is_success: output.status.success(),
        out: String::from_utf8(output.stdout)?,
        problems: String::from_utf8(output.stderr)?,
    })
}

/// The objects of the chart with these values, and these settings in addition.
fn rendered(program: &Path, values: &str, namespace: &str, more: &[&str]) -> Result<Vec<Value>> {
    let namespace = format!("--namespace={namespace}");
    let mut args = vec!["template", "namesake", ".", "--values", values, &namespace];
    args.extend(more);
    objects(&format!("\n{}", helm(program, &args, None)?.success()?))
}

/// A file of the chart.
fn file(name: &str) -> Result<String> {
    Ok(fs::read_to_string(chart().join(name))?)
}
