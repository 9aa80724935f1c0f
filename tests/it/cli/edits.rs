//! `kubectl namesake simulate` and `replay`: what objects and rules that do not exist yet would do.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use kube::api::ListParams;
use namesake_api::names::{RULES_CONFIG_MAP, RULES_KEY, SYSTEM_NAMESPACE};
use namesake_sandbox::kubernetes::users::{ADMIN, MALLORY};
use namesake_tests::{
    drafts::metaflow_job,
    eventually::eventually,
    namespace::{TestNamespace, with_namespace, with_own_stack},
    stack::{Options, SHARED_RULES},
};
use serde_json::{Value, json};

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

/// The rules of the tests, with a test that fails.
fn failing_its_own_test() -> String {
    format!("{SHARED_RULES}tests: [{{as: alice@acme.com, in: research, expect: keep}}]\n")
}

#[test]
fn simulate_decides_as_the_webhook_would_and_creates_nothing() -> Result<()> {
    with_namespace(|ns| async move {
        let admin = kubeconfig(&ns, ADMIN);
        let job = file(&ns, "job.json", &metaflow_job().into_value().to_string())?;
        let words = format!("simulate --as alice@acme.com -f {job} -n {}", ns.name);
        let words: Vec<_> = words.split(' ').collect();
        let account = ns.name_for("alice@acme.com");
        session(&admin, &words).await.answered(
            0,
            &["as alice@acme.com: created", &account, "Nothing is created"],
        )?;
        let carl = [
            "--as",
            "carl@contractor.example",
            "-f",
            &job,
            "-n",
            &ns.name,
        ];
        session(&admin, &[&["simulate"][..], &carl].concat())
            .await
            .answered(1, &["refused\n  DeniedByRule: "])?;
        let rules = file(&ns, "rules.yaml", &without_alice())?;
        session(&admin, &[&words[..], &["--rules", &rules]].concat())
            .await
            .answered(1, &["refused\n  Offboarded: "])?;
        let failing = file(&ns, "failing.yaml", &failing_its_own_test())?;
        let failing = session(&admin, &[&words[..], &["--rules", &failing]].concat()).await;
        failing.answered(0, &["as alice@acme.com: created"])?;
        failing.failed(0, "warning: these rules fail tests of their own")?;
        let elsewhere = ["--as", "alice@acme.com", "-f", &job, "-n", "kube-public"];
        session(&admin, &[&["simulate"][..], &elsewhere].concat())
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

#[test]
fn replay_shows_who_loses_what_by_an_edit_of_the_rules() -> Result<()> {
    with_namespace(|ns| async move {
        ns.wait_until_alice_is_known().await?;
        let alice = ns.alice().await?;
        let job = metaflow_job().into_value();
        let nightly = json!({
            "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "nightly"},
            "spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": job["spec"]}},
        });
        let _: CronJob = alice
            .create(serde_json::from_value::<CronJob>(nightly)?)
            .await?;
        let admin = kubeconfig(&ns, ADMIN);
        let same = file(&ns, "same.yaml", SHARED_RULES)?;
        let words = ["replay", "--rules", &same, "-n", &ns.name];
        session(&admin, &words)
            .await
            .answered(0, &["The edit changes nothing in what exists"])?;
        let rules = file(&ns, "rules.yaml", &without_alice())?;
        let words = ["replay", "--rules", &rules, "-n", &ns.name];
        let name = ns.name_for("alice@acme.com");
        let parts = [
            "loses",
            "refused: Offboarded",
            &name,
            "drains",
            "removed",
            "google_service_accounts",
        ];
        session(&admin, &words).await.answered(1, &parts)?;
        let json = session(&admin, &[&words[..], &["-o", "json"]].concat()).await;
        let json: Value = serde_json::from_str(&json.out)?;
        let identity = &json["identities"][0];
        ensure!(
            identity["name"] == name.as_str() && identity["pods"] != 0,
            "{json:#}"
        );
        session(&admin, &[&words[..], &["-o", "markdown"]].concat())
            .await
            .answered(1, &["### Rules ", "| `loses` | `alice@acme.com` |"])?;
        session(&admin, &["list", "-o", "markdown"])
            .await
            .failed(2, "only for replay")?;
        // Mallory may edit in the namespace, and read nothing of the installation.
        let mallory = kubeconfig(&ns, MALLORY);
        session(&mallory, &words)
            .await
            .failed(3, "not allowed to read ConfigMap")?;
        session(&mallory, &[&words[..], &["--old-rules", &same]].concat())
            .await
            .answered(3, &["drains", "not seen: not allowed to read ConfigMap"])
    })
}

/// What the API server warns of when an admin edits the rules; nothing is stored.
async fn warned(ns: &TestNamespace, rules: &str) -> Result<String> {
    let patch = json!({"data": {RULES_KEY: rules}}).to_string();
    let uri =
        format!("/api/v1/namespaces/{SYSTEM_NAMESPACE}/configmaps/{RULES_CONFIG_MAP}?dryRun=All");
    let request = http::Request::patch(uri).header("content-type", "application/merge-patch+json");
    let request = request.body(patch.into_bytes())?;
    ns.admin().await?.warnings_of(request).await
}

#[test]
fn whoever_edits_the_rules_is_warned_of_what_replay_counts() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        let alice = ns.alice().await?;
        let job: Job = alice.create(metaflow_job()).await?;
        ns.pod_of(&job).await?;
        let fewer =
            SHARED_RULES.replacen("roles/storage.objectUser", "roles/storage.objectViewer", 1);
        let another = SHARED_RULES.replacen("project: acme-identities", "project: acme-others", 1);
        for (rules, wanted) in [
            (without_alice(), "this edit takes away 1 of "),
            (fewer, "this edit removes a grant at Google from "),
            (another, "get another account by this edit"),
        ] {
            let path = file(&ns, "edit.yaml", &rules)?;
            let words = ["replay", "--rules", &path];
            let replayed = session(&kubeconfig(&ns, ADMIN), &words).await;
            eventually("webhook and replay count the same", async || {
                let warned = warned(&ns, &rules).await?;
                ensure!(warned.contains(wanted), "{wanted} is not in {warned}");
                let is_counted = |line: &&str| line.contains(" of ");
                for line in warned.lines().filter(is_counted) {
                    let (_, sentence) = line.split_once("namesake: ").context(line.to_owned())?;
                    let sentence = sentence.split(" (decision ").next().unwrap_or_default();
                    ensure!(
                        replayed.out.contains(sentence),
                        "{sentence}: {}",
                        replayed.out
                    );
                }
                Ok(())
            })
            .await?;
        }
        Ok(())
    })
}

#[test]
fn replay_decides_the_requests_of_the_api_servers_own_audit_log_again() -> Result<()> {
    with_namespace(|ns| async move {
        let alice = ns.alice().await?;
        let _: Job = alice.create(metaflow_job()).await?;
        let log = ns.stack.cluster().control_plane.audit_log().to_owned();
        let admin = kubeconfig(&ns, ADMIN);
        let rules = file(&ns, "rules.yaml", &without_alice())?;
        let (same, path) = (
            file(&ns, "same.yaml", SHARED_RULES)?,
            log.display().to_string(),
        );
        let words = [
            "replay",
            "--rules",
            &rules,
            "--audit-log",
            &path,
            "-o",
            "json",
        ];
        eventually("alice's Job is in the audit log", async || {
            let replayed = session(&admin, &words).await;
            // The API server may be writing the last line: then the answer is incomplete.
            ensure!([1, 3].contains(&replayed.code), "{}", replayed.err);
            let json: Value = serde_json::from_str(&replayed.out)?;
            let changes = json["decided"]["changes"]
                .as_array()
                .context("no changes")?;
            let is_hers = |one: &&Value| {
                one["requester"] == "alice@acme.com" && one["namespace"] == ns.name.as_str()
            };
            let hers = changes.iter().find(is_hers).context("not hers")?;
            ensure!(hers["effect"] == "loses", "{hers}");
            Ok(())
        })
        .await?;
        replay_without_a_cluster(&ns, &rules, &same, &std::fs::read_to_string(&log)?).await?;
        let missing = [
            "replay",
            "--rules",
            &rules,
            "--audit-log",
            "/nonexistent/audit.log",
        ];
        session(&admin, &missing)
            .await
            .failed(2, "failed to read /nonexistent/audit.log")
    })
}

/// From standard input, with a line that was cut.
async fn replay_without_a_cluster(
    ns: &TestNamespace,
    rules: &str,
    same: &str,
    text: &str,
) -> Result<()> {
    let mallory = kubeconfig(ns, MALLORY);
    let offline = [
        "replay",
        "--rules",
        rules,
        "--old-rules",
        same,
        "--audit-log",
        "-",
    ];
    // The API server may be writing the last line.
    let (text, _) = text.rsplit_once('\n').context("the log is empty")?;
    let text = format!("{{\"kind\": \"Event\", \n{text}");
    session_with_input(&mallory, &offline, &text)
        .await
        .answered(
            3,
            &[
                "not seen: 1 entry that is not one of an audit log of the API server; the first is entry 1",
                "the audit policy does not record objects",
            ],
        )?;
    session_with_input(&mallory, &offline, "not a log\n")
        .await
        .answered(2, &["is it an audit log of this cluster's API server?"])
}
