//! The client package `client/`: its lints, its types and its own tests, which run stock Metaflow. What they need is installed pinned.

use std::fs;

use anyhow::{Context, Result, ensure};
use namesake_api::names::{
    ENV_GATEWAY_TOKEN_FILE, GATEWAY_TOKEN_FILE, GATEWAY_TOKEN_FOLDER, WHOAMI_PATH,
};
use namesake_sandbox::{host::work_folder::workspace_root, programs::python::Python};
use tokio::process::Command;

// Runs one of the installed programs in `client/`, and shows its output if it fails.
async fn run(program: &str, args: &[&str]) -> Result<()> {
    let install = || Python::for_client_package(&mut |line| tracing::info!("{line}"));
    let python = tokio::task::spawn_blocking(install).await??;
    let output = Command::new(python.bin().join(program))
        .args(args)
        .current_dir(workspace_root().join("client"))
        // Compiled modules would be written beside the sources.
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .kill_on_drop(true)
        .output()
        .await?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    ensure!(output.status.success(), "{program} {args:?}:\n{text}");
    Ok(())
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
async fn the_client_package_passes_its_tests_with_stock_metaflow() -> Result<()> {
    run("pytest", &["-q"]).await
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
