//! Admission of pods: their service account, gate and annotations.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::ResourceExt;
use namesake_api::names::{
    GATE, IDENTITY_LABEL, RESOLUTION_ANNOTATION, STAMP_ANNOTATION, USER_ANNOTATION,
};
use namesake_sandbox::kubernetes::users::{ALICE, BOB};
use namesake_tests::{
    cluster::refusal::refused,
    drafts::{metaflow_job, metaflow_pod, pod},
    eventually::eventually,
    namespace::{TestNamespace, account_of, with_namespace},
};
use serde_json::{Value, json};

#[test]
fn tasks_of_two_users_run_as_two_accounts_which_are_two_google_identities() -> Result<()> {
    with_namespace(|ns| async move {
        let mut emails = Vec::new();
        for (person, user) in [(ns.alice().await?, ALICE), (ns.bob().await?, BOB)] {
            let job = person.create::<Job>(metaflow_job()).await?;
            let pod = ns.pod_of(&job).await?;
            let identity = ns.runs_as(&pod, user).await?;
            ensure!(pod.labels().get(IDENTITY_LABEL) == Some(&identity.name_any()));
            ensure!(
                pod.annotations()
                    .get(USER_ANNOTATION)
                    .is_some_and(|name| name == user)
            );
            ns.wait_until_ungated(&pod).await?;
            let account = ns.google_identity(account_of(&pod)).await?;
            ensure!(
                Some(&account) == identity.spec.google_service_account.as_ref(),
                "Google says {account}"
            );
            emails.push(account);
        }
        ensure!(emails[0] != emails[1], "both are {emails:?}");
        Ok(())
    })
}

#[test]
fn the_second_pod_of_a_user_has_no_gate_and_the_same_account() -> Result<()> {
    with_namespace(|ns| async move {
        let alice = ns.alice().await?;
        let first = ns
            .pod_of(&alice.create::<Job>(metaflow_job()).await?)
            .await?;
        ns.wait_until_ungated(&first).await?;
        let second = eventually("the webhook knows that the identity works", async || {
            let job = alice.create::<Job>(metaflow_job()).await?;
            let pod = ns.pod_of(&job).await?;
            ensure!(gates(&pod).is_empty(), "it has gates {:?}", gates(&pod));
            Ok(pod)
        })
        .await?;
        ensure!(account_of(&first) == account_of(&second));
        Ok(())
    })
}

fn gates(pod: &Pod) -> Vec<&str> {
    let gates = pod
        .spec
        .iter()
        .flat_map(|spec| spec.scheduling_gates.iter().flatten());
    gates.map(|gate| gate.name.as_str()).collect()
}

#[test]
fn a_foreign_gate_stays_when_ours_is_removed() -> Result<()> {
    with_namespace(|ns| async move {
        let gated =
            metaflow_job().pod_field("schedulingGates", json!([{"name": "acme.com/quota"}]));
        let pod = ns
            .pod_of(&ns.alice().await?.create::<Job>(gated).await?)
            .await?;
        ensure!(gates(&pod).contains(&"acme.com/quota"), "{:?}", gates(&pod));
        ns.wait_until_ungated(&pod).await?;
        let pod = ns.admin().await?.all::<Pod>().get(&pod.name_any()).await?;
        ensure!(gates(&pod) == ["acme.com/quota"], "{:?}", gates(&pod));
        Ok(())
    })
}

#[test]
fn a_pod_of_a_new_user_that_names_its_node_is_refused_until_the_identity_works() -> Result<()> {
    with_namespace(|ns| async move {
        let pinned = pod().pod_field("nodeName", json!("n1"));
        // Such a pod cannot wait at a gate, and the request does not wait for the verification of an identity.
        let refusal = refused(
            ns.person("hasty@acme.com")
                .await?
                .create::<Pod>(pinned)
                .await,
        )?;
        refusal.with_code(503)?.with_message("nodeName")?;
        ensure!(ns.pods().await?.is_empty(), "the pod was created");
        Ok(())
    })
}

#[test]
fn a_dry_run_creates_nothing_and_shows_what_it_would_do() -> Result<()> {
    with_namespace(|ns| async move {
        let new_user = ns.person("dry@acme.com").await?;
        let before = ns.stack.google().accounts().len();
        let job = new_user.dry_run::<Job>(metaflow_job()).await?;
        ensure!(
            job.annotations().contains_key(STAMP_ANNOTATION),
            "a dry run shows the stamp"
        );
        let pod = new_user.dry_run::<Pod>(pod()).await?;
        ensure!(
            account_of(&pod) == "default",
            "it would run as {}",
            account_of(&pod)
        );
        ensure!(
            ns.identities()
                .await?
                .iter()
                .all(|identity| identity.spec.user != "dry@acme.com")
        );
        let google = ns.stack.google().accounts();
        let mine = google
            .iter()
            .filter(|account| account.contains("mf-dry-"))
            .count();
        ensure!(mine == 0, "{before} accounts before: {google:?}");
        Ok(())
    })
}

#[test]
fn a_namespace_that_is_not_opted_in_is_untouched() -> Result<()> {
    with_namespace(|ns| async move {
        let neighbour = ns.neighbour().await?;
        let job = neighbour
            .alice()
            .await?
            .create::<Job>(metaflow_job())
            .await?;
        ensure!(!job.annotations().contains_key(STAMP_ANNOTATION));
        let made = neighbour.pod_of(&job).await?;
        ensure!(account_of(&made) == "metaflow" && gates(&made).is_empty());
        ensure!(!made.annotations().contains_key(RESOLUTION_ANNOTATION));
        neighbour.delete().await
    })
}

#[test]
fn a_pod_without_metaflow_metadata_belongs_to_its_creator_too() -> Result<()> {
    with_namespace(|ns| async move {
        let alice = ns.alice().await?;
        let made = alice.create::<Pod>(pod()).await?;
        ns.runs_as(&made, ALICE).await?;
        let job = alice
            .create::<Job>(metaflow_job().without_metadata())
            .await?;
        ns.runs_as(&ns.pod_of(&job).await?, ALICE).await?;
        Ok(())
    })
}

#[test]
fn a_rule_gives_a_named_account_only_to_the_proven_requester() -> Result<()> {
    with_namespace(|ns| async move {
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "metaflow-billing"}});
        let admin = ns.admin().await?;
        namesake_tests::cluster::manifests::apply(admin.client(), &account, &ns.name, false)
            .await?;
        let of_bob = ns
            .bob()
            .await?
            .create::<Job>(metaflow_job().flow("BillingReport"))
            .await?;
        let pod = ns.pod_of(&of_bob).await?;
        ensure!(account_of(&pod) == "metaflow-billing" && gates(&pod).is_empty());
        // The flow's name restricts bob's rule. It gives alice nothing, even if she names the account and the flow.
        let forged = metaflow_job()
            .flow("BillingReport")
            .claiming_user(BOB)
            .running_as("metaflow-billing");
        let of_alice = ns.alice().await?.create::<Job>(forged).await?;
        ns.runs_as(&ns.pod_of(&of_alice).await?, ALICE).await?;
        Ok(())
    })
}

#[test]
fn a_class_can_give_each_step_its_own_identity() -> Result<()> {
    with_namespace(|ns| async move {
        let mut accounts = Vec::new();
        for step in ["start", "train", "start"] {
            let job = ns
                .alice()
                .await?
                .create::<Job>(metaflow_job().flow("PerStep").step(step))
                .await?;
            let pod = ns.pod_of(&job).await?;
            let identity = ns.runs_as(&pod, ALICE).await?;
            ensure!(
                identity
                    .spec
                    .values
                    .get("step")
                    .is_some_and(|value| value == step)
            );
            accounts.push(account_of(&pod).to_owned());
        }
        ensure!(
            accounts[0] == accounts[2] && accounts[0] != accounts[1],
            "{accounts:?}"
        );
        Ok(())
    })
}

#[test]
fn a_job_is_refused_at_creation_with_rule_requester_and_remedy() -> Result<()> {
    with_namespace(|ns| async move {
        let contractor = ns.person("carl@contractor.example").await?;
        refused(contractor.create::<Job>(metaflow_job()).await)?
            .with_code(403)?
            .with_message("contractors run on the sandbox stack: ask #ml-platform")?
            .with_message("contractors")?
            .with_message("carl@contractor.example")?;
        refused(contractor.create::<Pod>(pod()).await)?.with_code(403)?;
        Ok(())
    })
}

#[test]
fn a_class_for_a_group_is_refused_to_others() -> Result<()> {
    with_namespace(|ns| async move {
        let wanted = metaflow_job().labelled("identity", "inner-circle");
        let job = ns.alice().await?.create::<Job>(wanted.clone()).await?;
        let identity = ns.runs_as(&ns.pod_of(&job).await?, ALICE).await?;
        ensure!(
            identity.spec.class == "inner-circle",
            "{}",
            identity.spec.class
        );
        // The label restricts the rule; it does not make bob a member.
        refused(ns.bob().await?.create::<Job>(wanted).await)?
            .with_code(403)?
            .with_message("inner-circle")?
            .with_message(BOB)?;
        Ok(())
    })
}

/// The audit events for objects of this namespace that have our annotations.
fn audit_events(ns: &TestNamespace, resource: &str, verb: &str) -> Result<Vec<Value>> {
    let mut events = ns.stack.cluster().audit_events()?;
    events.retain(|event| {
        let about = &event["objectRef"];
        about["namespace"] == ns.name.as_str()
            && about["resource"] == resource
            && event["verb"] == verb
    });
    Ok(events)
}

fn audit_annotation(event: &Value, key: &str) -> Option<String> {
    let annotations = event["annotations"].as_object()?;
    let full = format!("pods.namesake.dev/{key}");
    annotations
        .get(&full)
        .and_then(Value::as_str)
        .map(str::to_owned)
}

#[test]
fn the_audit_log_of_the_cluster_names_the_user_of_a_pod() -> Result<()> {
    with_namespace(|ns| async move {
        let job = ns
            .alice()
            .await?
            .create::<Job>(metaflow_job().claiming_user(BOB))
            .await?;
        let pod = ns.pod_of(&job).await?;
        let account = account_of(&pod);
        eventually("the pod's audit event", async || {
            let events = audit_events(&ns, "pods", "create")?;
            let event = events.iter().find(|event| {
                audit_annotation(event, "service-account").as_deref() == Some(account)
            });
            let event = event.with_context(|| format!("not among {events:?}"))?;
            ensure!(
                event["user"]["username"] == "system:serviceaccount:kube-system:job-controller"
            );
            let facts = ["user", "requester", "rule", "class"]
                .map(|key| audit_annotation(event, key).unwrap_or_default());
            ensure!(facts == [ALICE, ALICE, "everyone", "research"], "{facts:?}");
            Ok(())
        })
        .await
    })
}

#[test]
fn the_deprecated_account_field_cannot_name_the_account_of_another_user() -> Result<()> {
    with_namespace(|ns| async move {
        let bobs = ns
            .pod_of(&ns.bob().await?.create::<Job>(metaflow_job()).await?)
            .await?;
        for draft in [
            metaflow_pod().running_as_deprecated(account_of(&bobs)),
            metaflow_pod().running_as(account_of(&bobs)),
        ] {
            let made = ns.mallory().await?.create::<Pod>(draft).await?;
            ns.runs_as(&made, namesake_sandbox::kubernetes::users::MALLORY)
                .await?;
        }
        ensure!(gates(&bobs).iter().all(|gate| *gate == GATE));
        Ok(())
    })
}
