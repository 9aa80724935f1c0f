//! The client package `client/`: its lints, its types and its own tests, which run stock Metaflow. What they need is installed pinned.

use std::{fs, time::Duration};

use anyhow::{Context, Result, ensure};
use namesake_api::names::{
    ENV_GATEWAY_TOKEN_FILE, GATEWAY_TOKEN_FILE, GATEWAY_TOKEN_FOLDER, WHOAMI_PATH,
};
use namesake_sandbox::{
    WorkFolder,
    gateway::Provider,
    host::{children::Children, ports, work_folder::workspace_root},
    programs::{gateway::GatewayPrograms, python::Python},
};
use tokio::process::Command;

/// Lifetime of the provider's tokens: a login is renewed within the test.
const TOKEN_LIFETIME: Duration = Duration::from_secs(5);

// Runs one of the installed programs in `client/`, and shows its output if it fails.
async fn run(program: &str, args: &[&str]) -> Result<()> {
    run_with(program, args, None).await.map(drop)
}

async fn run_with(program: &str, args: &[&str], env: Option<(&str, &str)>) -> Result<String> {
    let install = || Python::for_client_package(&mut |line| tracing::info!("{line}"));
    let python = tokio::task::spawn_blocking(install).await??;
    let output = Command::new(python.bin().join(program))
        .args(args)
        .current_dir(workspace_root().join("client"))
        // Compiled modules would be written beside the sources.
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .envs(env)
        .kill_on_drop(true)
        .output()
        .await?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    ensure!(output.status.success(), "{program} {args:?}:\n{text}");
    Ok(text.into_owned())
}

#[tokio::test]
async fn the_client_package_has_no_lint_and_is_formatted() -> Result<()> {
    run("ruff", &["check", "."]).await?;
    run("ruff", &["format", "--check", "."]).await
}

#[tokio::test]
async fn the_client_package_has_sound_types() -> Result<()> {
    run("mypy", &[]).await
}

#[tokio::test]
async fn the_client_package_passes_its_tests_with_stock_metaflow_and_a_certified_provider()
-> Result<()> {
    // Another test may have installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (folder, children) = (WorkFolder::create()?, Children::start()?);
    let install = || GatewayPrograms::find_or_install(&mut |line| tracing::info!("{line}"));
    let programs = tokio::task::spawn_blocking(install).await??;
    let origins = ["https://localhost".to_owned()];
    let (port, lifetime) = (ports::free()?, TOKEN_LIFETIME);
    let provider = Provider::start(&children, &programs, &folder, port, &origins, lifetime).await?;
    let issuer = ("NAMESAKE_TEST_ISSUER", provider.url());
    let text = run_with("pytest", &["-q"], Some(issuer)).await?;
    ensure!(!text.contains(issuer.0), "a test was skipped:\n{text}");
    Ok(())
}

#[test]
fn the_client_package_has_the_names_of_the_gateway() -> Result<()> {
    let auth = workspace_root().join("client/src/metaflow_extensions/namesake/auth");
    let token = format!("{GATEWAY_TOKEN_FOLDER}/{GATEWAY_TOKEN_FILE}");
    for (file, name) in [
        ("settings.py", ENV_GATEWAY_TOKEN_FILE),
        ("settings.py", &token),
        ("session.py", WHOAMI_PATH),
    ] {
        let text = fs::read_to_string(auth.join(file)).context(file)?;
        ensure!(text.contains(&format!("= \"{name}\"")), "{file}: {name}");
    }
    Ok(())
}
