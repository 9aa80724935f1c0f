//! An uninstall while a part of Namesake or Google is away: `kubectl namesake uninstall` says what waits and which commands help, and
//! nothing is left half-removed.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{
    admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration},
    core::v1::{ConfigMap, Pod},
};
use kube::{
    Api, Client,
    api::{DeleteParams, PostParams},
};
use namesake_api::{
    Identity,
    names::{
        ACCEPTED_RULES_CONFIG_MAP, FINALIZER, RULES_CONFIG_MAP, SYSTEM_NAMESPACE,
        WEBHOOK_CONFIGURATION,
    },
};
use namesake_broker::server::{
    clean::{Clean, Outcome, Output},
    config::Config,
};
use namesake_sandbox::kubernetes::users::ADMIN;
use namesake_tests::{
    drafts,
    eventually::{eventually, within},
    namespace::{TestNamespace, account_of, with_own_cluster, with_own_stack},
    stack::{Options, STACK},
};
use serde_json::{Value, json};

use crate::cli::connection::{Session, session};

/// The command that does what the broker would do.
const CLEAN: &str = "namesake-broker clean --stack prod";
/// How long the broker may still try a step at Google that began before the deletion, and then the deletion itself.
const TWO_STEPS: Duration = Duration::from_mins(3);
/// How long `clean` waits for Google.
const A_CALL: Duration = Duration::from_secs(5);

async fn uninstall(ns: &TestNamespace, words: &[&str]) -> Session {
    let admin = ns.stack.cluster().control_plane.kubeconfig(ADMIN);
    session(&admin, &[&["uninstall"][..], words].concat()).await
}

/// Runs a pod as alice until her identity works, and opts the namespace out.
async fn alice_was_here(ns: &TestNamespace) -> Result<String> {
    let alice = ns.alice().await?;
    let pod = alice.create::<Pod>(drafts::pod()).await?;
    ns.wait_until_ungated(&pod).await?;
    ns.opt_out().await?;
    Ok(account_of(&pod).to_owned())
}

/// Every request to Google fails, until the faults are cleared.
fn google_is_away(ns: &TestNamespace) -> Result<()> {
    let away = json!({"path": "*", "times": 0, "answer": {"status": {"code": 503}}});
    ns.stack.google().plan_fault(away)
}

async fn nothing_is_left(ns: &TestNamespace) -> Result<()> {
    eventually("nothing of her identity is left", async || {
        ensure!(ns.identities().await?.is_empty(), "the Identity");
        ensure!(ns.managed_accounts().await?.is_empty(), "the account");
        let google = ns.stack.google().accounts_of(&ns.name);
        ensure!(google.is_empty(), "at Google: {google:?}");
        Ok(())
    })
    .await
}

/// The namespace is no reason to refuse an uninstall. (Namespaces of tests before this one may be.)
async fn is_out_of_use(ns: &TestNamespace) -> Result<()> {
    let said = uninstall(ns, &["-o", "json"]).await;
    let value: Value = serde_json::from_str(&said.out).context(said.err)?;
    let all = [&value["namespaces"], &value["identities"]];
    ensure!(!json!(all).to_string().contains(&ns.name), "{value}");
    Ok(())
}

#[test]
fn while_google_is_away_uninstall_says_what_each_identity_waits_for_and_ends_when_it_is_back()
-> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        let name = alice_was_here(&ns).await?;
        google_is_away(&ns)?;
        let said = uninstall(&ns, &["-o", "short"]).await;
        said.answered(1, &["delete identities --all --wait=false"])?;
        let identities: Api<Identity> = ns.admin().await?.all();
        identities.delete(&name, &DeleteParams::default()).await?;
        let place = format!(
            "{}/{name}: the Identity stays until its Google side is deleted",
            ns.name
        );
        let said = uninstall(&ns, &[]).await;
        said.answered(1, &["Being deleted:", &format!("{}/{name}", ns.name)])?;
        within(TWO_STEPS, "uninstall says why", async || {
            uninstall(&ns, &[]).await.answered(1, &[&place])
        })
        .await?;
        ensure!(
            ns.stack.google().accounts_of(&ns.name).contains(&name),
            "half-removed"
        );
        ns.stack.google().state().clear_faults();
        nothing_is_left(&ns).await?;
        is_out_of_use(&ns).await
    })
}

/// What the command `clean` does.
async fn clean(ns: &TestNamespace, client: &Client) -> Result<Vec<Outcome>> {
    let gcp = ns.stack.google().broker_credentials().connect().await?;
    let gcp = gcp.within(A_CALL);
    let clean = Clean {
        stack: STACK.to_owned(),
        namespaces: vec![ns.name.clone()],
        dry_run: false,
        output: Output::Text,
    };
    clean.run(client, &gcp, Config::default()).await
}

#[test]
fn without_a_broker_uninstall_names_clean_which_removes_all_or_nothing_of_an_identity() -> Result<()>
{
    with_own_stack(Options::default(), |ns| async move {
        let name = alice_was_here(&ns).await?;
        ns.stack.kill_broker().await;
        eventually("uninstall says that no broker leads", async || {
            let said = uninstall(&ns, &[]).await;
            said.answered(1, &["No broker leads (Lease", CLEAN])?;
            ensure!(!said.out.contains("delete identities"), "{}", said.out);
            Ok(())
        })
        .await?;
        let client = ns.admin().await?.client().clone();
        google_is_away(&ns)?;
        let refused = clean(&ns, &client).await?;
        ensure!(refused.len() == 1 && !refused[0].gone, "{refused:?}");
        let [identity] = ns.identities().await?.try_into().ok().context("not one")?;
        let kept = identity.metadata.finalizers.unwrap_or_default();
        ensure!(kept == [FINALIZER], "{kept:?}");
        ensure!(
            identity.metadata.deletion_timestamp.is_none(),
            "half-removed"
        );
        ensure!(
            ns.stack.google().accounts_of(&ns.name).contains(&name),
            "half-removed"
        );
        ns.stack.google().state().clear_faults();
        let done = clean(&ns, &client).await?;
        ensure!(done.len() == 1 && done[0].gone, "{done:?}");
        nothing_is_left(&ns).await?;
        is_out_of_use(&ns).await
    })
}

/// Deletes the webhook configurations and the rules, as somebody who did not wait for the identities.
async fn delete_programs(ns: &TestNamespace, client: &Client) -> Result<()> {
    ns.stack.kill_broker().await;
    ns.stack.kill_webhook().await;
    let gone = DeleteParams::default();
    let mutating: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    let validating: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), SYSTEM_NAMESPACE);
    for name in [RULES_CONFIG_MAP, ACCEPTED_RULES_CONFIG_MAP] {
        maps.delete(name, &gone).await?;
    }
    // While the configurations are there, they say which stack it is.
    eventually("the broker no longer leads", async || {
        uninstall(ns, &[])
            .await
            .answered(1, &["Stack prod is in use", CLEAN])
    })
    .await?;
    mutating.delete(WEBHOOK_CONFIGURATION, &gone).await?;
    validating.delete(WEBHOOK_CONFIGURATION, &gone).await?;
    Ok(())
}

/// An Identity of another stack, which has no programs either.
async fn create_foreign(ns: &TestNamespace, client: &Client) -> Result<()> {
    let [mut identity] = ns.identities().await?.try_into().ok().context("not one")?;
    identity.metadata = kube::core::ObjectMeta {
        name: Some("mf-bob-aaaaaaaaaaaaaa".to_owned()),
        ..Default::default()
    };
    identity.spec.stack = "blue".to_owned();
    let all: Api<Identity> = Api::namespaced(client.clone(), &ns.name);
    all.create(&PostParams::default(), &identity).await?;
    Ok(())
}

#[test]
fn after_a_stack_was_deleted_before_its_identities_uninstall_still_says_how_to_remove_them()
-> Result<()> {
    with_own_cluster(|ns| async move {
        let name = alice_was_here(&ns).await?;
        let client = ns.admin().await?.client().clone();
        delete_programs(&ns, &client).await?;
        let said = uninstall(&ns, &[]).await;
        said.answered(
            1,
            &[
                "Stack prod is in use: 0 opted-in namespaces, 1 identity",
                CLEAN,
            ],
        )?;
        create_foreign(&ns, &client).await?;
        let said = uninstall(&ns, &[]).await;
        said.failed(
            2,
            "several stacks are left, and their rules are gone (blue, prod)",
        )?;
        let done = clean(&ns, &client).await?;
        ensure!(
            done.len() == 1 && done[0].name == name && done[0].gone,
            "{done:?}"
        );
        let all: Api<Identity> = Api::namespaced(client.clone(), &ns.name);
        all.delete("mf-bob-aaaaaaaaaaaaaa", &DeleteParams::default())
            .await?;
        nothing_is_left(&ns).await?;
        let said = uninstall(&ns, &["-o", "json"]).await;
        let value: Value = serde_json::from_str(&said.out).context(said.err)?;
        ensure!(
            said.code == 0 && value["identities"] == json!({}),
            "{value}"
        );
        Ok(())
    })
}
