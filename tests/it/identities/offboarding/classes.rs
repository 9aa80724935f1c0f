//! Changes of classes in the rules: existing identities follow them.

use anyhow::{Result, ensure};
use k8s_openapi::api::{
    core::v1::{Pod, ServiceAccount},
    rbac::v1::RoleBinding,
};
use kube::{Api, ResourceExt, api::DeleteParams};
use namesake_api::{
    Identity, Mode, Phase,
    names::{
        CREATION_ANNOTATION, GSA_ANNOTATION, IDENTITY_LABEL, MANAGED_BY, MANAGED_BY_VALUE,
        MARK_ANNOTATION,
    },
};
use namesake_tests::{
    cluster::refusal::refused, drafts::pod, eventually::eventually, namespace::with_own_stack,
    stack::SHARED_RULES,
};
use serde_json::json;

use super::{
    finish, identity, run_first_task, wait_for_phase, wait_until_deleted, with_short_intervals,
};

#[test]
fn changes_of_a_class_reach_existing_identities() -> Result<()> {
    with_own_stack(with_short_intervals(), |ns| async move {
        let (_, name) = run_first_task(&ns).await?;
        let role = "{role: roles/storage.objectUser, bucket: acme-mf, folder: \"users/{key}/\"}";
        let other = "{role: roles/storage.objectViewer, bucket: acme-mf, folder: \"users/{key}/\"}";
        let narrower = SHARED_RULES.replacen(role, other, 1);
        ensure!(narrower != SHARED_RULES);
        ns.stack.edit_rules(&narrower).await??;
        eventually(
            "the old role is gone and the new one is there",
            async || {
                let identity = identity(&ns, &name).await?;
                ensure!(identity.is_ready(), "{:?}", identity.status);
                let written = identity.status.unwrap_or_default().grants;
                let roles: Vec<_> = written.iter().map(|w| w.grant.role.as_str()).collect();
                ensure!(roles == ["roles/storage.objectViewer"], "{roles:?}");
                let policies = ns.stack.google().state().listing()["policies"].to_string();
                ensure!(policies.contains("objectViewer"), "not at Google");
                ensure!(
                    !policies.contains("\"roles/storage.objectUser\""),
                    "still at Google"
                );
                Ok(())
            },
        )
        .await
    })
}

#[test]
fn an_identity_changes_its_mode_with_its_class_and_leaves_no_account_behind() -> Result<()> {
    with_own_stack(with_short_intervals(), |ns| async move {
        let (_, name) = run_first_task(&ns).await?;
        let direct = SHARED_RULES.replacen("mode: impersonate", "mode: direct", 1);
        ns.stack.edit_rules(&direct).await??;
        eventually("it is direct and works", async || {
            let identity = identity(&ns, &name).await?;
            ensure!(
                identity.spec.mode == Mode::Direct && identity.is_ready(),
                "{:?}",
                identity.status
            );
            let account: ServiceAccount = ns.admin().await?.all().get(&name).await?;
            let links = account.annotations();
            ensure!(!links.contains_key(GSA_ANNOTATION), "{links:?}");
            let principal = links.get("iam.gke.io/return-principal-id-as-email");
            ensure!(principal.is_some_and(|v| v == "true"), "{links:?}");
            let google = ns.stack.google().accounts_of(&ns.name);
            ensure!(google.is_empty(), "{google:?}");
            let policies = ns.stack.google().state().listing()["policies"].to_string();
            let uid = account.uid().unwrap_or_default();
            ensure!(
                policies.contains(&format!("kubernetes.serviceaccount.uid/{uid}")),
                "{policies}"
            );
            Ok(())
        })
        .await?;
        ns.stack.edit_rules(SHARED_RULES).await??;
        eventually("it impersonates again", async || {
            let identity = identity(&ns, &name).await?;
            let mode = identity.spec.mode;
            ensure!(
                mode == Mode::Impersonate && identity.is_ready(),
                "{:?}",
                identity.status
            );
            ensure!(ns.stack.google().members_of(&name)?.len() == 1);
            Ok(())
        })
        .await
    })
}

#[test]
fn an_identity_that_the_rules_no_longer_give_is_deleted_after_its_last_pod() -> Result<()> {
    with_own_stack(with_short_intervals(), |ns| async move {
        let (job, name) = run_first_task(&ns).await?;
        let dropped = SHARED_RULES
            .replacen("- name: research\n", "- name: another\n", 1)
            .replacen("identity: research}", "identity: another}", 1);
        ns.stack.edit_rules(&dropped).await??;
        wait_for_phase(&ns, &name, Phase::Draining).await?;
        ensure!(
            !ns.stack.google().members_of(&name)?.is_empty(),
            "its pod still runs"
        );
        finish(&ns, &job).await?;
        wait_until_deleted(&ns, &name).await
    })
}

#[test]
fn role_bindings_follow_the_class_and_are_restored() -> Result<()> {
    with_own_stack(with_short_intervals(), |ns| async move {
        let (_, name) = run_first_task(&ns).await?;
        let bindings: Api<RoleBinding> = ns.admin().await?.all();
        let bound = format!("{name}-namesake-argo-task");
        let is_there = async |wanted: bool| {
            eventually("the RoleBinding is as the class says", async || {
                let there = bindings.get_opt(&bound).await?.is_some();
                ensure!(there == wanted, "there: {there}");
                Ok(())
            })
            .await
        };
        let rules = SHARED_RULES.replacen(
            "mode: impersonate",
            "mode: impersonate\n    roleBindings: [namesake-argo-task]",
            1,
        );
        ns.stack.edit_rules(&rules).await??;
        is_there(true).await?;
        bindings.delete(&bound, &DeleteParams::default()).await?;
        is_there(true).await?;
        ns.stack.edit_rules(SHARED_RULES).await??;
        is_there(false).await?;
        wait_for_phase(&ns, &name, Phase::InUse).await?;
        Ok(())
    })
}

#[test]
fn an_identity_edited_by_hand_is_restored_from_the_rules() -> Result<()> {
    with_own_stack(with_short_intervals(), |ns| async move {
        let (_, name) = run_first_task(&ns).await?;
        let before = identity(&ns, &name).await?.spec;
        let nonsense = json!({"spec": {
            "grants": [{"role": "roles/editor", "project": "acme-identities"}],
            "googleServiceAccount": "root@acme-identities.iam.gserviceaccount.com",
        }});
        let admin = ns.admin().await?;
        admin.patch::<Identity>(&name, nonsense).await?;
        eventually("the rules say what it is", async || {
            let identity = identity(&ns, &name).await?;
            ensure!(identity.spec == before, "{:?}", identity.spec);
            ensure!(identity.is_ready(), "{:?}", identity.status);
            Ok(())
        })
        .await?;
        let policies = ns.stack.google().state().listing()["policies"].to_string();
        ensure!(!policies.contains("roles/editor"), "{policies}");
        Ok(())
    })
}

#[test]
fn a_foreign_service_account_with_a_managed_name_is_reported_and_left_alone() -> Result<()> {
    with_own_stack(with_short_intervals(), |ns| async move {
        let name = ns.name_for("squatter@acme.com");
        // It represents an account from before the policies.
        let broker = ns.broker().await?;
        let theirs =
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}});
        let theirs: ServiceAccount = serde_json::from_value(theirs)?;
        let made = broker.create::<ServiceAccount>(theirs).await?;
        let new_user = ns.person("squatter@acme.com").await?;
        refused(new_user.create::<Pod>(pod()).await)?
            .with_code(503)?
            .with_message("does not belong to this identity")?;
        let there: ServiceAccount = ns.admin().await?.all().get(&name).await?;
        ensure!(there.uid() == made.uid() && there.metadata.annotations.is_none());
        ensure!(
            !ns.stack.google().accounts_of(&ns.name).contains(&name),
            "half-made"
        );
        Ok(())
    })
}

#[test]
fn a_service_account_forged_with_namesakes_annotations_gets_no_identity() -> Result<()> {
    with_own_stack(with_short_intervals(), |ns| async move {
        let (_, lives) = run_first_task(&ns).await?;
        let name = ns.name_for("mallory-target@acme.com");
        // Created by mallory before the opt-in, with everything copied from one of our service accounts.
        let broker = ns.broker().await?;
        let ours: ServiceAccount = broker.all().get(&lives).await?;
        let copied = |key: &str| ours.annotations().get(key).cloned().unwrap_or_default();
        let mark = copied(MARK_ANNOTATION).replace(&lives, &name);
        ensure!(mark.ends_with(&name), "{mark}");
        let theirs = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {
            "name": name,
            "labels": {MANAGED_BY: MANAGED_BY_VALUE, IDENTITY_LABEL: name},
            "annotations": {MARK_ANNOTATION: mark, CREATION_ANNOTATION: copied(CREATION_ANNOTATION)},
        }});
        let theirs: ServiceAccount = serde_json::from_value(theirs)?;
        let forged = broker.create::<ServiceAccount>(theirs).await?;
        let new_user = ns.person("mallory-target@acme.com").await?;
        new_user.create::<Pod>(pod()).await?;
        let there: ServiceAccount = ns.admin().await?.all().get(&name).await?;
        ensure!(
            there.uid() != forged.uid(),
            "its tokens would be the new_user's"
        );
        wait_for_phase(&ns, &name, Phase::InUse).await?;
        let uid = identity(&ns, &name)
            .await?
            .service_account_uid()
            .map(str::to_owned);
        ensure!(uid == there.uid(), "{uid:?}");
        Ok(())
    })
}
