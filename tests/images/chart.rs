//! The chart that `make push` pushed, as Helm reads it from the registry.

use std::process::Command;

use anyhow::{Result, ensure};
use namesake_sandbox::{host::work_folder::workspace_root, programs::helm};
use namesake_tests::namespace::runtime::runtime;

use crate::{VERSION, registry::Registry, text};

#[test]
fn helm_installs_from_the_registry_what_the_folder_of_the_chart_says() -> Result<()> {
    runtime().block_on(async {
        let remote = Registry::with_our_images().await?.chart();
        let local = workspace_root().join("charts/namesake");
        let values = local.join("ci/gke-values.yaml");
        for program in helm::find_or_build(&mut |line| println!("{line}"))? {
            let home = tempfile::tempdir()?;
            let render = |chart: &str, more: &[&str]| {
                let mut helm = Command::new(&program);
                helm.env("HOME", home.path())
                    .args(["template", "namesake", chart]);
                helm.args(["--namespace=namesake-system", "--values"]);
                text(helm.arg(&values).args(more))
            };
            let version = format!("--version={VERSION}");
            let pulled = render(&remote, &[&version, "--plain-http"])?;
            let here = render(&local.display().to_string(), &[])?;
            ensure!(pulled == here && !here.is_empty(), "{program:?}:\n{pulled}");
        }
        Ok(())
    })
}
