//! `kubectl namesake explain`: what it says of whom with which rights, and that only the webhook's word counts as proof.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{ResourceExt, api::ListParams};
use namesake_api::names::{
    RESOLUTION_ANNOTATION, STAMP_ANNOTATION, VERIFIED_ANNOTATION, VERIFY_ANNOTATION,
};
use namesake_core::DecisionId;
use namesake_sandbox::kubernetes::users::{ADMIN, ALICE, MALLORY};
use namesake_tests::{
    cluster::manifests,
    drafts::metaflow_job,
    eventually::eventually,
    namespace::{TestNamespace, account_of, with_namespace, with_own_stack},
    stack::Options,
};
use serde_json::{Value, json};

use crate::cli::connection::session;

fn kubeconfig(ns: &TestNamespace, user: &str) -> PathBuf {
    ns.stack.cluster().control_plane.kubeconfig(user)
}

/// The kubeconfig of somebody who may only view this namespace.
async fn viewer(ns: &TestNamespace) -> Result<PathBuf> {
    let name = format!("viewer-of-{}@acme.com", ns.name);
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "viewer"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}],
    });
    manifests::apply(ns.admin().await?.client(), &binding, &ns.name, false).await?;
    let admin = std::fs::read_to_string(kubeconfig(ns, ADMIN))?;
    let token = admin
        .lines()
        .find(|line| line.trim_start().starts_with("token: "));
    let token = token.context("no token")?;
    let text = admin.replace(token, &format!("{token}\n    as: {name}"));
    let file = ns
        .stack
        .cluster()
        .folder()
        .data()
        .join(format!("{}-viewer", ns.name));
    std::fs::write(&file, text)?;
    Ok(file)
}

async fn job_and_pod(ns: &TestNamespace) -> Result<(Job, Pod)> {
    let job: Job = ns.alice().await?.create(metaflow_job()).await?;
    let pod = ns.pod_of(&job).await?;
    Ok((job, pod))
}

/// Explains, and waits until the answer has all parts.
async fn explained(kubeconfig: &Path, words: &[&str], code: u8, parts: &[&str]) -> Result<String> {
    eventually("the explanation is complete", async || {
        let session = session(kubeconfig, words).await;
        session.answered(code, parts)?;
        Ok(session.out)
    })
    .await
}

#[test]
fn a_pod_a_job_and_an_identity_are_explained_from_the_person_to_the_account() -> Result<()> {
    with_namespace(|ns| async move {
        let (job, pod) = job_and_pod(&ns).await?;
        ns.wait_until_ungated(&pod).await?;
        let mallory = kubeconfig(&ns, MALLORY);
        let (job, account) = (job.name_any(), account_of(&pod).to_owned());
        let pod = pod.name_any();
        let created = format!("asked    {ALICE} created batch/Job {job}");
        let stamp = format!("the stamp on batch/Job {job}");
        let google = format!("account  {account}; at Google {account}@");
        let parts = [
            &*created,
            "the resolution on Pod",
            "verified by the webhook",
            &stamp,
            "class research",
            &google,
        ];
        explained(
            &mallory,
            &["explain", "pod", &pod, "-n", &ns.name],
            0,
            &parts,
        )
        .await?;
        let by_job = explained(&mallory, &["explain", &job, "-n", &ns.name], 0, &parts).await?;
        ensure!(!by_job.contains("not verified"), "{by_job}");
        let words = ["explain", "identity", &account, "-n", &ns.name];
        explained(
            &mallory,
            &words,
            0,
            &[ALICE, "class    research, for user", "ready for"],
        )
        .await?;
        Ok(())
    })
}

#[test]
fn a_user_is_explained_and_with_the_rules_also_why_other_rules_do_not_match() -> Result<()> {
    with_namespace(|ns| async move {
        let (_, pod) = job_and_pod(&ns).await?;
        ns.wait_until_ungated(&pod).await?;
        let (account, pod) = (account_of(&pod).to_owned(), pod.name_any());
        let mallory = kubeconfig(&ns, MALLORY);
        let words = ["explain", ALICE, "-n", &ns.name];
        explained(
            &mallory,
            &words,
            3,
            &["has      1 identity", &account, "NOT SEEN the rules"],
        )
        .await?;
        let admin = kubeconfig(&ns, ADMIN);
        let words = ["explain", "user", ALICE, "-n", &ns.name, "--trace"];
        explained(
            &admin,
            &words,
            0,
            &["requests of alice@acme.com are those of user", "matches"],
        )
        .await?;
        let words = [
            "explain", "pod", &pod, "-n", &ns.name, "--trace", "-o", "json",
        ];
        let json = session(&admin, &words).await;
        json.answered(0, &[])?;
        let json: Value = serde_json::from_str(&json.out)?;
        let rules = json["trace"]["rules"].as_array().context("no trace")?;
        let last = rules.last().context("no rule")?;
        ensure!(
            last["matches"] == true && last["rule"] == json["rule"],
            "{json}"
        );
        ensure!(json["proofs"][0]["proof"] == "verified", "{json}");
        Ok(())
    })
}

#[test]
fn with_view_in_one_namespace_everything_is_explained_but_nothing_is_called_verified() -> Result<()>
{
    with_namespace(|ns| async move {
        let (_, pod) = job_and_pod(&ns).await?;
        let viewer = viewer(&ns).await?;
        let words = ["explain", "pod", &pod.name_any(), "-n", &ns.name];
        let parts = [
            ALICE,
            "class research",
            ", not verified",
            "you may not create Jobs in",
        ];
        let text = explained(&viewer, &words, 3, &parts).await?;
        ensure!(!text.contains("verified by the webhook"), "{text}");
        session(&viewer, &["explain", ALICE])
            .await
            .failed(3, "not allowed to list identities")
    })
}

#[test]
fn a_forged_copied_or_outdated_signature_is_called_not_valid() -> Result<()> {
    with_namespace(|ns| async move {
        let (job, _) = job_and_pod(&ns).await?;
        let later = ns.neighbour().await?;
        let stamp = job
            .annotations()
            .get(STAMP_ANNOTATION)
            .context("no stamp")?;
        // In a namespace that is not opted in nobody removes it.
        let copy = metaflow_job().annotated(STAMP_ANNOTATION, stamp);
        let copy: Job = later.mallory().await?.create(copy).await?;
        let mallory = kubeconfig(&ns, MALLORY);
        let words = ["explain", "job", &copy.name_any(), "-n", &later.name];
        let parts = [", not verified", "is not opted in"];
        explained(&mallory, &words, 3, &parts).await?;
        later.opt_in().await?;
        let parts = ["NOT VALID: it is from before the namespace was last opted in"];
        let text = explained(&mallory, &words, 1, &parts).await?;
        ensure!(!text.contains("verified by the webhook"), "{text}");
        later.delete().await
    })
}

#[test]
fn who_asks_whether_a_signature_is_valid_learns_nothing_else_and_creates_nothing() -> Result<()> {
    with_namespace(|ns| async move {
        let (job, pod) = job_and_pod(&ns).await?;
        let text = pod
            .annotations()
            .get(RESOLUTION_ANNOTATION)
            .context("no resolution")?;
        let question = |name: &str, text: &str| {
            json!([{"of": "resolution", "text": text, "name": name, "generateName": pod.metadata.generate_name,
                "serviceAccount": account_of(&pod)}])
            .to_string()
        };
        let mallory = ns.mallory().await?;
        let ask = async |question: &str| {
            let job = metaflow_job().annotated(VERIFY_ANNOTATION, question);
            let asked: Job = mallory.dry_run(job).await?;
            anyhow::Ok(asked.annotations().get(VERIFIED_ANNOTATION).cloned())
        };
        let valid = ask(&question(&pod.name_any(), text)).await?;
        ensure!(valid.as_deref() == Some(r#"["valid"]"#), "{valid:?}");
        // Whoever does not have the text gets no other answer for a pod that exists than for one that does not.
        let forged = "v2.k1.epoch-of-the-tests.e30.AAAA";
        let exists = ask(&question(&pod.name_any(), forged)).await?;
        ensure!(
            exists == ask(&question("gone", forged)).await?,
            "{exists:?}"
        );
        ensure!(exists.is_some_and(|text| text.contains("invalid")));
        // Only a dry run is a question.
        let real = metaflow_job()
            .annotated(VERIFY_ANNOTATION, &question("x", text))
            .suspended();
        let real: Job = mallory.create(real).await?;
        ensure!(!real.annotations().contains_key(VERIFIED_ANNOTATION));
        ensure!(
            real.annotations().contains_key(STAMP_ANNOTATION),
            "it was not decided about"
        );
        let refused = ask("[1]").await.map(drop);
        let refused = refused.err().context("it was answered")?.to_string();
        ensure!(refused.contains("is not a question"), "{refused}");
        let jobs = ns
            .admin()
            .await?
            .all::<Job>()
            .list(&ListParams::default())
            .await?
            .items;
        let names: Vec<_> = jobs.iter().map(ResourceExt::name_any).collect();
        ensure!(
            names.len() == 2 && names.contains(&job.name_any()),
            "{names:?}"
        );
        Ok(())
    })
}

#[test]
fn what_is_gone_ambiguous_or_no_name_says_so_with_its_own_exit_code() -> Result<()> {
    with_namespace(|ns| async move {
        let admin = kubeconfig(&ns, ADMIN);
        let explain = async |words: &[&str]| {
            session(&admin, &[&["explain", "-n", &ns.name], words].concat()).await
        };
        explain(&["pod", "gone-1"])
            .await
            .failed(1, "Pod gone-1 not found in namespace")?;
        explain(&["gone-1"])
            .await
            .failed(1, "pod, Job or other object gone-1 not found")?;
        explain(&["pod", "../secrets"])
            .await
            .failed(2, "is not the name of an object")?;
        explain(&["deployment", "web"])
            .await
            .failed(2, "cannot be explained")?;
        let alice = ns.alice().await?;
        let job: Job = alice
            .create(metaflow_job().named("twin").suspended())
            .await?;
        let _: Pod = alice
            .create(namesake_tests::drafts::metaflow_pod().named("twin"))
            .await?;
        let both = explain(&[&job.name_any()]).await;
        both.failed(2, "twin is the name of several things")?;
        both.failed(2, "pod, job")
    })
}

#[test]
fn without_the_webhook_a_waiting_pod_is_explained_from_what_is_on_it() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        ns.stack
            .google()
            .change_settings(|settings| settings.delays.policy = 60.0)?;
        let (_, pod) = job_and_pod(&ns).await?;
        let alice = kubeconfig(&ns, ALICE);
        let words = ["explain", "pod", &pod.name_any(), "-n", &ns.name];
        let id = pod
            .annotations()
            .get(RESOLUTION_ANNOTATION)
            .and_then(|text| DecisionId::of_signed(text));
        let id = id.context("no decision")?.to_string();
        let parts = [
            "waits    for its identity",
            "this usually takes 2 to 7 minutes",
            &id,
        ];
        explained(&alice, &words, 1, &parts).await?;
        ns.stack.stop_webhook().await;
        let parts = [
            "waits    for its identity",
            ", not verified",
            "the webhook does not answer",
        ];
        explained(&alice, &words, 3, &parts).await?;
        ns.stack.start_webhook().await
    })
}
