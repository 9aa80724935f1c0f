//! Google's quota of service accounts: behaviour when it is exhausted, and its report.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{batch::v1::Job, core::v1::ConfigMap};
use kube::{Api, ResourceExt};
use namesake_api::{
    Mode, conditions,
    names::{GOOGLE_ACCOUNT_READY, QUOTA_CONFIG_MAP, REPORTED_AT_ANNOTATION, SYSTEM_NAMESPACE},
};
use namesake_tests::{
    drafts::metaflow_job,
    eventually::eventually,
    namespace::{TestNamespace, account_of, with_own_stack},
    stack::{Options, SHARED_RULES},
};

/// The usage of the quota, as in the ConfigMap.
async fn reported_usage(ns: &TestNamespace) -> Result<String> {
    let client = ns
        .stack
        .cluster()
        .control_plane
        .client(namesake_sandbox::kubernetes::users::ADMIN)
        .await?;
    let maps: Api<ConfigMap> = Api::namespaced(client, SYSTEM_NAMESPACE);
    let map = maps.get(QUOTA_CONFIG_MAP).await?;
    let at = map.annotations().get(REPORTED_AT_ANNOTATION);
    let at = at.context("the report does not say when it was written")?;
    ensure!(at.ends_with('Z'), "{at}");
    let data = map.data.context("it is empty")?;
    let line = data.get("google_service_accounts.acme-identities");
    Ok(line.with_context(|| format!("{data:?}"))?.clone())
}

#[test]
fn in_a_full_project_an_identity_works_without_an_account_where_its_class_allows_it() -> Result<()>
{
    let rules = SHARED_RULES.replacen("    mode: impersonate", "    whenFull: direct", 1);
    let options = Options {
        rules,
        ..Options::default()
    };
    with_own_stack(options, |ns| async move {
        let google = ns.stack.google();
        // The broker's own GSA counts too.
        google.change_settings(|settings| settings.limits.service_accounts = Some(1))?;
        let job = ns.alice().await?.create::<Job>(metaflow_job()).await?;
        let pod = ns.pod_of(&job).await?;
        ns.wait_until_ungated(&pod).await?;
        let identity = ns.identity_of(&pod).await?;
        ensure!(identity.spec.mode == Mode::Direct && identity.spec.fell_back_to_direct);
        ensure!(identity.spec.google_service_account.is_none());
        ensure!(google.accounts_of(&ns.name).is_empty());
        // It stays like this although there is room again.
        google.change_settings(|settings| settings.limits.service_accounts = Some(10))?;
        let again = ns.alice().await?.create::<Job>(metaflow_job()).await?;
        let again = ns.pod_of(&again).await?;
        ensure!(account_of(&again) == identity.name_any());
        let later = ns.identity_of(&again).await?;
        ensure!(later.spec == identity.spec, "{:?}", later.spec);
        Ok(())
    })
}

#[test]
fn the_used_quota_can_be_read_and_a_full_project_is_reported_on_the_identity() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        let google = ns.stack.google();
        google.change_settings(|settings| settings.limits.service_accounts = Some(1))?;
        eventually("the accounts are counted", async || {
            let reported_usage = reported_usage(&ns).await?;
            ensure!(reported_usage == "1", "{reported_usage}");
            Ok(())
        })
        .await?;
        let job = ns.alice().await?.create::<Job>(metaflow_job()).await?;
        let pod = ns.pod_of(&job).await?;
        eventually("the Identity says why it waits", async || {
            let identity = ns.identity_of(&pod).await?;
            let all = identity.status.map(|status| status.conditions);
            let all = all.unwrap_or_default();
            let found = conditions::get(&all, GOOGLE_ACCOUNT_READY).context("no condition")?;
            ensure!(found.reason == "QuotaExhausted", "{found:?}");
            ensure!(found.message.contains("quota"), "{found:?}");
            Ok(())
        })
        .await?;
        eventually("what Google said is a limit now", async || {
            let reported_usage = reported_usage(&ns).await?;
            ensure!(reported_usage == "1 of 1, full", "{reported_usage}");
            Ok(())
        })
        .await
    })
}
