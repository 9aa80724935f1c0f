//! `kubectl namesake simulate`: what objects that do not exist yet would get.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use k8s_openapi::api::batch::v1::Job;
use kube::api::ListParams;
use namesake_sandbox::kubernetes::users::{ADMIN, MALLORY};
use namesake_tests::{
    drafts::metaflow_job,
    namespace::{TestNamespace, with_namespace},
    stack::SHARED_RULES,
};

use crate::cli::connection::{session, session_with_input};

fn kubeconfig(ns: &TestNamespace, user: &str) -> PathBuf {
    ns.stack.cluster().control_plane.kubeconfig(user)
}

/// Writes a file of the test, and returns its path.
fn file(ns: &TestNamespace, name: &str, text: &str) -> Result<String> {
    let folder = ns.stack.cluster().folder().data();
    let path = folder.join(format!("{}-{name}", ns.name));
    std::fs::write(&path, text)?;
    Ok(path.display().to_string())
}

/// The rules of the tests, by which alice is offboarded.
fn without_alice() -> String {
    format!("{SHARED_RULES}offboarded: [alice@acme.com]\n")
}

#[test]
fn simulate_decides_as_the_webhook_would_and_creates_nothing() -> Result<()> {
    with_namespace(|ns| async move {
        let admin = kubeconfig(&ns, ADMIN);
        let job = file(&ns, "job.json", &metaflow_job().into_value().to_string())?;
        let words = [
            "simulate",
            "--as",
            "alice@acme.com",
            "-f",
            &job,
            "-n",
            &ns.name,
        ];
        let account = ns.name_for("alice@acme.com");
        session(&admin, &words).await.answered(
            0,
            &["as alice@acme.com: created", &account, "Nothing is created"],
        )?;
        let carl = [
            "simulate",
            "--as",
            "carl@contractor.example",
            "-f",
            &job,
            "-n",
            &ns.name,
        ];
        session(&admin, &carl)
            .await
            .answered(1, &["refused\n  DeniedByRule: "])?;
        let rules = file(&ns, "rules.yaml", &without_alice())?;
        session(&admin, &[&words[..], &["--rules", &rules]].concat())
            .await
            .answered(1, &["refused\n  Offboarded: "])?;
        let elsewhere = [
            "simulate",
            "--as",
            "alice@acme.com",
            "-f",
            &job,
            "-n",
            "kube-public",
        ];
        session(&admin, &elsewhere)
            .await
            .answered(0, &["the namespace is not opted in"])?;
        let jobs = ns.admin().await?.all::<Job>();
        let jobs = jobs.list(&ListParams::default()).await?;
        ensure!(jobs.items.is_empty() && ns.identities().await?.is_empty());
        let mallory = kubeconfig(&ns, MALLORY);
        session(&mallory, &words).await.failed(
            3,
            "not allowed to read ConfigMap namesake-system/namesake-rules",
        )?;
        session(&mallory, &[&words[..], &["--rules", &rules]].concat())
            .await
            .answered(1, &["refused"])?;
        let broken = file(&ns, "broken.yaml", "rules: [")?;
        session(&admin, &[&words[..], &["--rules", &broken]].concat())
            .await
            .failed(2, "these rules are not valid")?;
        let words = ["simulate", "--as", "alice@acme.com", "-f", "-"];
        session_with_input(&admin, &words, "a: [")
            .await
            .failed(2, "standard input is not YAML or JSON")
    })
}
