//! The other commands of `kubectl namesake`: what they print, and that they change only what their name says.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{batch::v1::Job, core::v1::ConfigMap};
use kube::{
    Api, ResourceExt,
    api::{ListParams, Patch, PatchParams},
};
use namesake_api::Identity;
use namesake_api::names::{ADOPT_ANNOTATION, RULES_CONFIG_MAP, STAMP_ANNOTATION, SYSTEM_NAMESPACE};
use namesake_sandbox::kubernetes::users::{ADMIN, MALLORY};
use namesake_tests::{
    drafts::metaflow_job,
    eventually::eventually,
    namespace::{TestNamespace, with_namespace, with_own_stack},
    stack::Options,
};
use serde_json::Value;

use crate::cli::connection::{session, session_with_input};

fn kubeconfig(ns: &TestNamespace, user: &str) -> PathBuf {
    ns.stack.cluster().control_plane.kubeconfig(user)
}

#[test]
fn list_shows_the_identities_of_a_namespace_and_those_that_do_not_work() -> Result<()> {
    with_namespace(|ns| async move {
        ns.wait_until_alice_is_known().await?;
        let mallory = kubeconfig(&ns, MALLORY);
        let name = ns.name_for("alice@acme.com");
        let list = session(&mallory, &["list", "-n", &ns.name]).await;
        list.answered(0, &["NAMESPACE", &name, "alice@acme.com", "True"])?;
        session(&mallory, &["list", "--not-ready", "-n", &ns.name])
            .await
            .answered(0, &["not ready: 0 of 1"])?;
        let identities = ns.admin().await?.all::<Identity>();
        for (selector, found) in [
            ("status.phase=InUse", 1),
            ("status.phase!=InUse", 0),
            ("spec.user=alice@acme.com", 1),
            ("spec.user=bob@acme.com", 0),
        ] {
            let selected = ListParams::default().fields(selector);
            let selected = identities.list(&selected).await?.items;
            ensure!(selected.len() == found, "{selector}: {selected:?}");
        }
        let admin = kubeconfig(&ns, ADMIN);
        let json = session(&admin, &["list", "-o", "json"]).await;
        json.answered(0, &[&name])?;
        let all: Vec<Value> = serde_json::from_str(&json.out)?;
        ensure!(all.iter().any(|one| one["namespace"] == ns.name.as_str()));
        session(&admin, &["list", "-n", &ns.name, "-o", "junit"])
            .await
            .answered(0, &[&format!("<testcase name=\"{}/{name}\"", ns.name)])
    })
}

#[test]
fn adopt_shows_what_would_run_and_changes_nothing_before_yes() -> Result<()> {
    with_namespace(|ns| async move {
        let later = ns.neighbour().await?;
        let mallory = later.mallory().await?;
        let job: Job = mallory.create(metaflow_job()).await?;
        later.opt_in().await?;
        let admin = kubeconfig(&ns, ADMIN);
        let object = format!("job/{}", job.name_any());
        let unproven = ["list", "--unproven", "-n", &later.name];
        eventually("the webhook has listed the Job", async || {
            session(&admin, &unproven)
                .await
                .answered(1, &["batch/Job", &job.name_any(), "it has no stamp"])
        })
        .await?;
        let words = [
            "adopt",
            &object,
            "--for",
            "alice@acme.com",
            "-n",
            &later.name,
        ];
        let no = session_with_input(&admin, &words, "\n").await;
        no.answered(0, &["would run as alice@acme.com", "Nothing is changed."])?;
        ensure!(no.err.contains("[y/N]"), "{}", no.err);
        not_adopted_as_json(&admin, &words, &job.name_any()).await?;
        let unchanged: Job = later.admin().await?.all().get(&job.name_any()).await?;
        ensure!(!unchanged.annotations().contains_key(STAMP_ANNOTATION));
        session_with_input(&admin, &words, "yes\n")
            .await
            .answered(0, &["belongs to alice@acme.com now"])?;
        let adopted: Job = later.admin().await?.all().get(&job.name_any()).await?;
        let annotations = adopted.annotations();
        ensure!(
            annotations.contains_key(STAMP_ANNOTATION),
            "{annotations:?}"
        );
        ensure!(
            !annotations.contains_key(ADOPT_ANNOTATION),
            "{annotations:?}"
        );
        let mallory = kubeconfig(&ns, MALLORY);
        let words = [&words[..], &["--yes"]].concat();
        session(&mallory, &words)
            .await
            .failed(3, "not allowed to annotate")?;
        let words = "adopt job/gone --for a@acme.com -n";
        let words: Vec<_> = words.split(' ').chain([later.name.as_str()]).collect();
        session(&admin, &words).await.failed(1, "not found")?;
        later.delete().await
    })
}

/// Declines an adoption with `-o json`: standard output has one document, and the plan is on standard error.
async fn not_adopted_as_json(admin: &Path, words: &[&str], job: &str) -> Result<()> {
    let json = session_with_input(admin, &[words, &["-o", "json"]].concat(), "no\n").await;
    json.failed(0, "would run as alice@acme.com")?;
    let json: Value = serde_json::from_str(&json.out)?;
    ensure!(
        json["adopted"] == false && json["object"]["name"] == job,
        "{json}"
    );
    Ok(())
}

#[test]
fn the_patch_of_an_offboarding_offboards_and_uninstall_refuses_while_identities_exist() -> Result<()>
{
    with_own_stack(Options::default(), |ns| async move {
        ns.wait_until_alice_is_known().await?;
        let admin = kubeconfig(&ns, ADMIN);
        let words = ["offboard", "alice@acme.com"];
        let name = ns.name_for("alice@acme.com");
        session(&admin, &words).await.answered(
            0,
            &[
                &name,
                "+offboarded: [alice@acme.com]",
                &format!("still there: Job {}/", ns.name),
                "Nothing is changed yet",
            ],
        )?;
        let receipt = ["offboard", "alice@acme.com", "--receipt"];
        session(&admin, &receipt).await.answered(1, &["phase "])?;
        let patch = session(&admin, &[&words[..], &["-o", "short"]].concat()).await;
        let patch: Value = serde_json::from_str(&patch.out).context("the patch is not JSON")?;
        let client = ns.admin().await?.client().clone();
        let maps: Api<ConfigMap> = Api::namespaced(client, SYSTEM_NAMESPACE);
        maps.patch(
            RULES_CONFIG_MAP,
            &PatchParams::default(),
            &Patch::Merge(&patch),
        )
        .await?;
        eventually("alice is offboarded", async || {
            session(&admin, &receipt).await.answered(
                1,
                &[
                    "left  phase Offboarding",
                    "service-accounts describe mf-alice",
                ],
            )
        })
        .await?;
        session(&admin, &["return", "alice@acme.com"])
            .await
            .answered(
                0,
                &[
                    "-offboarded: [alice@acme.com]",
                    "+returned: [alice@acme.com]",
                ],
            )?;
        let uninstall = session(&admin, &["uninstall"]).await;
        uninstall.answered(1, &["Stack prod is in use", "delete identities", &ns.name])?;
        ensure!(!uninstall.out.contains("OVERLAY"), "{}", uninstall.out);
        Ok(())
    })
}

#[test]
fn a_support_bundle_has_the_state_without_the_names_of_people() -> Result<()> {
    with_namespace(|ns| async move {
        ns.wait_until_alice_is_known().await?;
        let admin = kubeconfig(&ns, ADMIN);
        let words = ["support-bundle", "-o", "json"];
        let bundle = session(&admin, &words).await;
        bundle.answered(0, &["\"doctor\"", "\"identities\"", "person-"])?;
        let value: Value = serde_json::from_str(&bundle.out)?;
        ensure!(value["rules"]["data"]["rules.yaml"].is_string(), "no rules");
        for name in ["alice@", "mf-alice", "acme-identities", "projects/acme/"] {
            ensure!(!bundle.out.contains(name), "{name} is in the bundle");
        }
        let named = session(&admin, &[&words[..], &["--with-names"]].concat()).await;
        named.answered(0, &["alice@acme.com", "acme-identities"])?;
        let mallory = kubeconfig(&ns, MALLORY);
        session(&mallory, &words).await.answered(3, &["notRead"])
    })
}

#[test]
fn warm_creates_identities_without_a_pod_and_only_after_yes() -> Result<()> {
    with_namespace(|ns| async move {
        let admin = kubeconfig(&ns, ADMIN);
        let file = ns
            .stack
            .cluster()
            .folder()
            .data()
            .join(format!("{}.csv", ns.name));
        std::fs::write(
            &file,
            "user,groups\ndora@acme.com,everybody@acme.com\nnobody@elsewhere.example\n",
        )?;
        let file = file.display().to_string();
        let words = ["warm", "-f", &file, "-n", &ns.name];
        let dora = ns.name_for("dora@acme.com");
        session(&admin, &words).await.answered(
            1,
            &[
                &dora,
                "would be created",
                "nobody@elsewhere.example  none",
                "no rule matches",
                "Nothing is created yet",
            ],
        )?;
        ensure!(
            ns.identities().await?.is_empty(),
            "a plan created something"
        );
        let created = session(&admin, &[&words[..], &["--yes"]].concat()).await;
        created.answered(1, &[&dora, "created now", "no rule matches"])?;
        ensure!(created.err.is_empty(), "no terminal: {:?}", created.err);
        let identities = ns.identities().await?;
        ensure!(
            identities.len() == 1 && identities[0].spec.user == "dora@acme.com",
            "{identities:?}"
        );
        ensure!(ns.pods().await?.is_empty(), "a pod was created");
        eventually("dora's identity works", async || {
            let known = session(&admin, &words).await;
            known.answered(1, &[&dora, "  works"])
        })
        .await?;
        warm_in_a_namespace_that_is_not_opted_in(&ns, &file).await?;
        let mallory = kubeconfig(&ns, MALLORY);
        let other = std::fs::write(&file, "erin@acme.com,everybody@acme.com\n");
        other?;
        session(&mallory, &[&words[..], &["--yes"]].concat())
            .await
            .answered(3, &["erin@acme.com", "not allowed"])
    })
}

async fn warm_in_a_namespace_that_is_not_opted_in(ns: &TestNamespace, file: &str) -> Result<()> {
    let later = ns.neighbour().await?;
    let words = ["warm", "-f", file, "-n", &later.name, "--yes"];
    let warmed = session(&kubeconfig(ns, ADMIN), &words).await;
    warmed.answered(1, &["none", "the namespace is not opted in"])?;
    ensure!(!warmed.out.contains("2 to 7 minutes"), "{}", warmed.out);
    later.delete().await
}
