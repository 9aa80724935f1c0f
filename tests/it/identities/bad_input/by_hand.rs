//! Identities and managed names that were created or changed by hand.

use anyhow::{Result, ensure};
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Event, Pod, ServiceAccount},
};
use kube::{Api, ResourceExt, api::ListParams};
use namesake_api::{
    Identity, IdentitySpec,
    names::{GOOGLE_ACCOUNT_READY, SERVICE_ACCOUNT_READY},
};
use namesake_tests::{
    cluster::refusal::refused,
    drafts::{metaflow_job, pod},
    eventually::eventually,
    google::email,
    namespace::{account_of, with_own_stack},
    stack::{Options, SHARED_RULES},
};
use serde_json::json;

use super::{at_google, check_leaves_nothing, options, wait_for_report};

#[test]
fn an_identity_edited_by_hand_is_restored_from_the_rules_and_an_event_says_so() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        let google = ns.stack.google();
        let made = ns.alice().await?.create::<Pod>(pod()).await?;
        ns.wait_until_ungated(&made).await?;
        let (name, admin) = (account_of(&made), ns.admin().await?);
        let (before, spec) = (at_google(google), ns.identity_of(&made).await?.spec);
        let nonsense = json!({"spec": {
            "grants": [{"role": "roles/owner", "project": "acme-identities"}],
            "googleServiceAccount": "root@acme-identities.iam.gserviceaccount.com", "project": "acme-nowhere",
        }});
        admin.patch::<Identity>(name, nonsense).await?;
        eventually("it is as it was, and works", async || {
            let identity = ns.identity_of(&made).await?;
            ensure!(identity.spec == spec && identity.is_ready(), "{identity:?}");
            Ok(())
        })
        .await?;
        eventually("an Event says so", async || {
            let about = ListParams::default().fields(&format!("involvedObject.name={name}"));
            let events: Vec<Event> = admin.all().list(&about).await?.items;
            let says = |event: &Event| {
                let note = event.message.as_deref().unwrap_or_default();
                event.reason.as_deref() == Some("Edited") && note.contains("edit the rules")
            };
            ensure!(events.iter().any(says), "{events:?}");
            Ok(())
        })
        .await?;
        ensure!(at_google(google) == before, "{:#?}", at_google(google));
        // Nobody can change its user.
        let other = json!({"spec": {"user": "mallory@acme.com"}});
        refused(admin.patch::<Identity>(name, other).await)?
            .with_code(422)?
            .with_message("the broker creates another")?;
        Ok(())
    })
}

#[test]
fn an_identity_created_by_hand_under_another_name_is_reported_gets_nothing_and_can_be_deleted()
-> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        let made = ns.alice().await?.create::<Pod>(pod()).await?;
        ns.wait_until_ungated(&made).await?;
        let before = at_google(ns.stack.google());
        let spec: IdentitySpec = ns.identity_of(&made).await?.spec;
        let name = "mf-root-aaaaaaaaaaaaaa";
        let own = json!({"apiVersion": "namesake.dev/v1alpha1", "kind": "Identity", "metadata": {"name": name}, "spec": spec});
        let own: Identity = serde_json::from_value(own)?;
        ns.admin().await?.create::<Identity>(own).await?;
        let parts = ["delete this Identity", "only the broker creates Identities"];
        wait_for_report(&ns, name, (SERVICE_ACCOUNT_READY, "Invalid"), &parts).await?;
        ensure!(ns.managed_accounts().await? == [account_of(&made)]);
        check_leaves_nothing(&ns, name, &before).await
    })
}

#[test]
fn a_foreign_service_account_with_a_managed_name_is_not_taken_over_and_user_and_admin_are_told()
-> Result<()> {
    with_own_stack(options(SHARED_RULES.to_owned()), |ns| async move {
        let name = ns.name_for("carol@acme.com");
        let theirs = json!({"metadata": {"name": name, "annotations": {"by": "somebody"}}});
        let theirs: ServiceAccount = serde_json::from_value(theirs)?;
        // The policy allows nobody else to create it now; this one represents an account from before the policy.
        let theirs = ns.broker().await?.create::<ServiceAccount>(theirs).await?;
        let before = at_google(ns.stack.google());
        let parts = [
            name.as_str(),
            "exists and does not belong to this identity",
            "delete it",
        ];
        let carol = ns.person("carol@acme.com").await?;
        let told = refused(carol.create::<Job>(metaflow_job()).await)?.with_code(503)?;
        for part in parts {
            ensure!(told.message.contains(part), "{}", told.message);
        }
        wait_for_report(&ns, &name, (SERVICE_ACCOUNT_READY, "Conflict"), &parts).await?;
        ensure!(
            at_google(ns.stack.google()) == before,
            "something at Google"
        );
        let all: Api<ServiceAccount> = ns.admin().await?.all();
        let there = all.get(&name).await?;
        ensure!(
            there.uid() == theirs.uid() && there.annotations() == theirs.annotations(),
            "{there:?}"
        );
        // Once it is fixed, her identity works.
        ns.broker().await?.delete::<ServiceAccount>(&name).await?;
        let job = eventually("she is served", async || {
            Ok(carol.create::<Job>(metaflow_job()).await?)
        })
        .await?;
        let made = ns.pod_of(&job).await?;
        ns.wait_until_ungated(&made).await
    })
}

#[test]
fn a_foreign_google_account_with_a_managed_name_stays_when_the_identity_is_deleted() -> Result<()> {
    with_own_stack(options(SHARED_RULES.to_owned()), |ns| async move {
        let google = ns.stack.google();
        let name = ns.name_for("dave@acme.com");
        google.create_account(&name, "billing")?;
        let before = at_google(google);
        let dave = ns.person("dave@acme.com").await?;
        let made = dave.create::<Pod>(pod()).await?;
        let parts = [
            email(&name),
            "\"billing\"".to_owned(),
            "delete it, or pin".to_owned(),
        ];
        let parts = parts.each_ref().map(String::as_str);
        wait_for_report(&ns, &name, (GOOGLE_ACCOUNT_READY, "Conflict"), &parts).await?;
        ensure!(at_google(google) == before, "{:#?}", at_google(google));
        ensure!(account_of(&made) == name);
        check_leaves_nothing(&ns, &name, &before).await?;
        ensure!(google.description_of(&name)? == "billing");
        Ok(())
    })
}
