//! The HCL itself: form, types and tests of every folder.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use namesake_tests::google::terraform::{programs, terraform, workspace::Workspace};

/// What no configuration of ours may contain, and why.
const FORBIDDEN: [(&str, &str); 5] = [
    (
        "_iam_binding\"",
        "it removes every other member of the role",
    ),
    ("_iam_policy\"", "it removes every other binding"),
    (
        "google_service_account_key\"",
        "a key would be in the state",
    ),
    ("local-exec", "it runs what is not in the plan"),
    ("remote-exec", "it runs what is not in the plan"),
];

/// All files below a folder with this extension.
fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() && !path.ends_with(".terraform") {
            found.extend(files(&path, extension)?);
        } else if path.extension().is_some_and(|it| it == extension) {
            found.push(path);
        }
    }
    Ok(found)
}

/// Every folder with a configuration, below `terraform`.
fn folders() -> Result<BTreeSet<String>> {
    let root = terraform();
    let mut folders = BTreeSet::new();
    for file in files(&root, "tf")? {
        let folder = file.parent().context("a file without a folder")?;
        folders.insert(folder.strip_prefix(&root)?.display().to_string());
    }
    ensure!(folders.len() >= 3, "too few folders: {folders:?}");
    Ok(folders)
}

/// A copy of the folder, initialized with the schema of Google's provider.
async fn initialized(folder: &str) -> Result<Workspace> {
    let workspace = Workspace::of_terraform(folder)?.with_google_schema()?;
    workspace
        .succeeds(&["init", "-backend=false"])
        .await
        .context(folder.to_owned())?;
    Ok(workspace)
}

#[tokio::test]
async fn the_hcl_is_formatted() -> Result<()> {
    let workspace = Workspace::of_terraform("")?;
    workspace
        .succeeds(&["fmt", "-check", "-diff", "-recursive"])
        .await?;
    Ok(())
}

#[tokio::test]
async fn every_folder_follows_the_schema_of_googles_provider() -> Result<()> {
    for folder in folders()? {
        let workspace = initialized(&folder).await?;
        workspace.succeeds(&["validate"]).await.context(folder)?;
    }
    Ok(())
}

/// Runs the tests of a folder.
async fn tests_pass(folder: String) -> Result<()> {
    let workspace = initialized(&folder).await?;
    let tests = files(workspace.folder(), "hcl")?;
    ensure!(!tests.is_empty(), "terraform/{folder} has no tests");
    let output = workspace
        .succeeds(&["test"])
        .await
        .context(folder.clone())?;
    ensure!(
        output.contains(" passed, 0 failed"),
        "terraform/{folder}: {output}"
    );
    Ok(())
}

#[tokio::test]
async fn the_tests_of_every_folder_pass() -> Result<()> {
    try_join_all(folders()?.into_iter().map(tests_pass)).await?;
    Ok(())
}

#[tokio::test]
async fn tflint_finds_nothing() -> Result<()> {
    for folder in folders()? {
        let workspace = initialized(&folder).await?;
        let lint = workspace.start_program(programs()?.tflint(), &["--no-color"])?;
        lint.wait().await?.success().context(folder)?;
    }
    Ok(())
}

#[test]
fn no_configuration_takes_over_rights_makes_keys_or_runs_commands() -> Result<()> {
    for file in files(&terraform(), "tf")? {
        let text = fs::read_to_string(&file)?;
        let code = text
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'));
        for (number, line) in code.enumerate() {
            for (word, why) in FORBIDDEN {
                let is_free = !line.contains(word);
                ensure!(
                    is_free,
                    "{} has {word} in line {number}: {why}",
                    file.display()
                );
            }
        }
    }
    Ok(())
}
