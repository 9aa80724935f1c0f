//! The dependencies that ARCHITECTURE.md rules out.

mod imports;

use std::{collections::BTreeSet, process::Command};

use anyhow::{Result, ensure};
use namesake_sandbox::host::work_folder::workspace_root;

/// The names of all packages that a package is built from, including itself.
fn built_from(package: &str) -> Result<BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ])
        .args(["--package", package])
        .current_dir(workspace_root())
        .output()?;
    ensure!(
        output.status.success(),
        "cargo tree: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout)?;
    Ok(text
        .lines()
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect())
}

fn check_not_built_from(package: &str, absent: impl Fn(&str) -> bool) -> Result<()> {
    let names = built_from(package)?;
    ensure!(
        names.contains(package),
        "cargo tree says nothing about {package}: {names:?}"
    );
    let found: Vec<_> = names.iter().filter(|name| absent(name)).collect();
    ensure!(
        found.is_empty(),
        "{package} must not be built from {found:?}"
    );
    Ok(())
}

fn speaks_to_google(name: &str) -> bool {
    name == "namesake-gcp" || name.starts_with("google-cloud")
}

#[test]
fn core_knows_no_runtime_no_cluster_and_no_network() -> Result<()> {
    let io = [
        "tokio",
        "kube",
        "kube-client",
        "kube-core",
        "k8s-openapi",
        "hyper",
        "reqwest",
        "axum",
        "rustls",
    ];
    check_not_built_from("namesake-core", |name| io.contains(&name))
}

#[test]
fn core_depends_on_no_crate_of_ours_and_api_on_core_only() -> Result<()> {
    let others =
        |name: &str, allowed: &[&str]| name.starts_with("namesake-") && !allowed.contains(&name);
    check_not_built_from("namesake-core", |name| others(name, &["namesake-core"]))?;
    check_not_built_from("namesake-api", |name| {
        others(name, &["namesake-api", "namesake-core"])
    })
}

#[test]
fn the_webhook_has_nothing_that_speaks_to_google() -> Result<()> {
    check_not_built_from("namesake-webhook", speaks_to_google)
}

#[test]
fn the_gateway_has_nothing_that_speaks_to_google() -> Result<()> {
    check_not_built_from("namesake-gateway", speaks_to_google)
}

#[test]
fn webhook_broker_and_gateway_do_not_know_each_other() -> Result<()> {
    let programs = ["namesake-webhook", "namesake-broker", "namesake-gateway"];
    for program in programs {
        check_not_built_from(program, |name| name != program && programs.contains(&name))?;
    }
    Ok(())
}

#[test]
fn the_command_line_tool_knows_the_webhook_only_and_no_server_knows_it() -> Result<()> {
    let others = ["namesake-broker", "namesake-gateway", "namesake-gcp"];
    check_not_built_from("namesake-cli", |name| {
        others.contains(&name) || speaks_to_google(name)
    })?;
    for program in ["namesake-webhook", "namesake-broker", "namesake-gateway"] {
        check_not_built_from(program, |name| name == "namesake-cli")?;
    }
    Ok(())
}

#[test]
fn the_emulator_shares_no_code_with_what_it_tests() -> Result<()> {
    check_not_built_from("namesake-gcp-emulator", |name| {
        name.starts_with("namesake-") && name != "namesake-gcp-emulator"
    })
}

#[test]
fn what_is_shipped_contains_no_test_equipment() -> Result<()> {
    let equipment = [
        "namesake-gcp-emulator",
        "namesake-sandbox",
        "namesake-tests",
    ];
    for package in [
        "namesake-webhook",
        "namesake-broker",
        "namesake-gateway",
        "namesake-cli",
        "namesake-gcp",
        "namesake-certs",
    ] {
        check_not_built_from(package, |name| equipment.contains(&name))?;
    }
    Ok(())
}
