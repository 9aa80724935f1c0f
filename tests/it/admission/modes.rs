//! Modes of a namespace: what shadow reports, what off disables, and who may change the mode.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Namespace, Pod},
};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use namesake_api::names::{
    EPOCH_ANNOTATION, MODE_LABEL, OPT_IN_LABEL, RESOLUTION_ANNOTATION, SHADOW_ANNOTATION,
    STAMP_ANNOTATION,
};
use namesake_sandbox::kubernetes::users::{ALICE, BOB};
use namesake_tests::{
    cluster::{manifests, person::Person, refusal::refused},
    drafts::{metaflow_job, pod},
    eventually::eventually,
    namespace::{TestNamespace, account_of, with_namespace, with_own_stack},
    stack::Options,
};
use serde_json::{Value, json};

async fn patched(person: &Person, ns: &TestNamespace, patch: Value) -> kube::Result<Namespace> {
    Api::all(person.client().clone())
        .patch(&ns.name, &PatchParams::default(), &Patch::Merge(patch))
        .await
}

/// Sets the mode label as an admin, or removes it.
async fn set_mode(ns: &TestNamespace, mode: Option<&str>) -> Result<Namespace> {
    let patch = json!({"metadata": {"labels": {MODE_LABEL: mode}}});
    Ok(patched(&ns.admin().await?, ns, patch).await?)
}

/// Creates pods as alice until one `fits` the new mode.
async fn wait_for_alices_pod(
    ns: &TestNamespace,
    what: &str,
    fits: impl Fn(&Pod) -> bool,
) -> Result<Pod> {
    let alice = ns.alice().await?;
    eventually(what, async || {
        let made = alice.create::<Pod>(pod().running_as("metaflow")).await?;
        ensure!(fits(&made), "{:?}", made.annotations());
        Ok(made)
    })
    .await
}

fn has_shadow_annotation(pod: &Pod) -> bool {
    pod.annotations().contains_key(SHADOW_ANNOTATION)
}

fn shadow_message(pod: &Pod) -> &str {
    pod.annotations()
        .get(SHADOW_ANNOTATION)
        .map_or("", String::as_str)
}

#[test]
fn in_shadow_mode_nothing_changes_and_everything_is_reported() -> Result<()> {
    with_namespace(|ns| async move {
        let bobs = ns.bob().await?.create::<Pod>(pod()).await?;
        ns.runs_as(&bobs, BOB).await?;
        set_mode(&ns, Some("shadow")).await?;
        wait_for_alices_pod(
            &ns,
            "the namespace is in shadow mode",
            has_shadow_annotation,
        )
        .await?;
        let job = ns.alice().await?.create::<Job>(metaflow_job()).await?;
        ensure!(job.annotations().contains_key(STAMP_ANNOTATION), "no stamp");
        let made = ns.pod_of(&job).await?;
        ensure!(account_of(&made) == "metaflow", "{}", account_of(&made));
        ensure!(!made.annotations().contains_key(RESOLUTION_ANNOTATION));
        ensure!(
            shadow_message(&made).contains("would run as") && shadow_message(&made).contains(ALICE),
            "{}",
            shadow_message(&made)
        );
        let carl = ns.person("carl@contractor.example").await?;
        let job = carl.create::<Job>(metaflow_job()).await?;
        ensure!(!job.annotations().contains_key(STAMP_ANNOTATION));
        let made = carl.create::<Pod>(pod()).await?;
        ensure!(
            shadow_message(&made).contains("would be refused"),
            "{}",
            shadow_message(&made)
        );
        ensure!(
            shadow_message(&made).contains("ask #ml-platform"),
            "{}",
            shadow_message(&made)
        );
        // This holds in every mode.
        let steals = pod().running_as(account_of(&bobs));
        refused(ns.mallory().await?.create::<Pod>(steals).await)?
            .with_code(403)?
            .with_message("belongs to one identity")?;
        let made = ns.identities().await?;
        ensure!(
            made.iter().all(|i| i.spec.user == BOB),
            "an identity was created: {made:?}"
        );
        check_shadow_metrics(&ns).await?;
        set_mode(&ns, Some("enforce")).await?;
        let made = wait_for_alices_pod(&ns, "the namespace enforces", |pod| {
            !has_shadow_annotation(pod)
        })
        .await?;
        ns.runs_as(&made, ALICE).await?;
        Ok(())
    })
}

/// Checks that the metrics count what enforcement would have done, and why.
async fn check_shadow_metrics(ns: &TestNamespace) -> Result<()> {
    let text = ns.stack.webhook_metrics().await?;
    let has = |part: &str| {
        let mut lines = text
            .lines()
            .filter(|line| line.contains("webhook_shadow_total"));
        lines.any(|line| line.contains(part))
    };
    ensure!(has("reason=\"DeniedByRule\""), "{text}");
    ensure!(has("outcome=\"stamped\""), "{text}");
    ensure!(
        text.contains("namesake_webhook_namespaces{mode=\"shadow\"}"),
        "{text}"
    );
    Ok(())
}

#[test]
fn a_parent_that_somebody_else_changes_in_shadow_mode_loses_its_stamp() -> Result<()> {
    with_namespace(|ns| async move {
        let job = ns
            .bob()
            .await?
            .create::<Job>(metaflow_job().suspended())
            .await?;
        set_mode(&ns, Some("shadow")).await?;
        wait_for_alices_pod(
            &ns,
            "the namespace is in shadow mode",
            has_shadow_annotation,
        )
        .await?;
        let change = json!({"spec": {"template": {"metadata": {"annotations": {"inject": "x"}}}}});
        let mallory = ns.mallory().await?;
        let changed: Job = mallory.patch(&job.name_any(), change).await?;
        ensure!(!changed.annotations().contains_key(STAMP_ANNOTATION));
        Ok(())
    })
}

#[test]
fn while_every_webhook_is_down_one_command_lets_pods_in_without_any_identity() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        let bobs = ns.bob().await?.create::<Pod>(pod()).await?;
        ns.runs_as(&bobs, BOB).await?;
        let job = ns.bob().await?.create::<Job>(metaflow_job()).await?;
        let stamp = job
            .annotations()
            .get(STAMP_ANNOTATION)
            .context("bob's Job has no stamp")?
            .clone();
        ns.stack.kill_webhook().await;
        let alice = ns.alice().await?;
        refused(alice.create::<Pod>(pod()).await)?.with_message("pods.namesake.dev")?;
        set_mode(&ns, Some("off")).await?;
        let made =
            wait_for_alices_pod(&ns, "pods come in again", |pod| !has_shadow_annotation(pod))
                .await?;
        ensure!(account_of(&made) == "metaflow", "{}", account_of(&made));
        let mallory = ns.mallory().await?;
        refused(
            mallory
                .create::<Pod>(pod().running_as(account_of(&bobs)))
                .await,
        )?
        .with_message("switched off")?;
        let planted = metaflow_job()
            .suspended()
            .claiming_user(BOB)
            .annotated(STAMP_ANNOTATION, &stamp);
        let planted: Job = mallory.create(planted).await?;
        // Opting in waits for a webhook that records the time.
        let admin = ns.admin().await?;
        let enforce = json!({"metadata": {"labels": {MODE_LABEL: null}}});
        refused(patched(&admin, &ns, enforce).await)?.with_message("namespaces.namesake.dev")?;
        ns.stack.start_webhook().await?;
        set_mode(&ns, None).await?;
        let made = wait_for_alices_pod(&ns, "the namespace enforces", |pod| {
            account_of(pod) != "metaflow"
        })
        .await?;
        ns.runs_as(&made, ALICE).await?;
        // The forged stamp stays on the Job, and is void.
        let name = planted.name_any();
        let resume = json!({"spec": {"suspend": false}});
        admin.patch::<Job>(&name, resume).await?;
        ns.wait_for_refusal(&name, "before the namespace was last opted in")
            .await
    })
}

#[test]
fn only_admins_change_the_mode_of_a_namespace_and_nobody_its_epoch() -> Result<()> {
    with_namespace(|ns| async move {
        let admin = ns.admin().await?;
        let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "owner"},
            "rules": [{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "patch", "update"]}]});
        manifests::apply(admin.client(), &role, &ns.name, false).await?;
        let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "owner"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "owner"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": namesake_sandbox::kubernetes::users::MALLORY}]});
        manifests::apply(admin.client(), &binding, &ns.name, false).await?;
        let mallory = ns.mallory().await?;
        // The role allows this, so the refusals are not RBAC's.
        eventually("mallory may label the namespace", async || {
            Ok(patched(
                &mallory,
                &ns,
                json!({"metadata": {"labels": {"team": "m"}}}),
            )
            .await?)
        })
        .await?;
        for mode in ["off", "shadow", "nonsense"] {
            let patch = json!({"metadata": {"labels": {MODE_LABEL: mode}}});
            refused(patched(&mallory, &ns, patch).await)?
                .with_message("only its admins are allowed to change them")?;
        }
        let nonsense = json!({"metadata": {"labels": {MODE_LABEL: "nonsense"}}});
        refused(patched(&admin, &ns, nonsense).await)?.with_message("is not a mode")?;
        let epoch = |namespace: &Namespace| namespace.annotations().get(EPOCH_ANNOTATION).cloned();
        let before = epoch(&set_mode(&ns, None).await?).context("it has no epoch")?;
        // The webhook restores it, whoever changes it.
        let moved =
            json!({"metadata": {"annotations": {EPOCH_ANNOTATION: "an-epoch-of-somebodys"}}});
        let kept = patched(&admin, &ns, moved).await?;
        ensure!(epoch(&kept).as_ref() == Some(&before), "{:?}", epoch(&kept));
        set_mode(&ns, Some("shadow")).await?;
        ensure!(
            epoch(&set_mode(&ns, None).await?).as_ref() == Some(&before),
            "shadow is in"
        );
        let planted = json!({"metadata": {"labels": {OPT_IN_LABEL: null}, "annotations": {EPOCH_ANNOTATION: before.clone()}}});
        patched(&admin, &ns, planted).await?;
        let back = json!({"metadata": {"labels": {OPT_IN_LABEL: "prod"}}});
        let after = epoch(&patched(&admin, &ns, back).await?).context("it has no epoch")?;
        ensure!(after != before, "{after} is the epoch from before");
        Ok(())
    })
}
