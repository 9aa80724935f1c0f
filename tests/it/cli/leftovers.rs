//! `kubectl namesake gc --dry-run`: lists, and deletes nothing.

use std::time::Duration;

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, ResourceExt};
use namesake_api::names::{SYSTEM_NAMESPACE, UNPROVEN_CONFIG_MAP, replica_annotation};
use namesake_sandbox::kubernetes::users::{ADMIN, ALICE, MALLORY};
use namesake_tests::{
    eventually::eventually,
    namespace::{with_namespace, with_own_stack},
    stack::Options,
};

use crate::cli::connection::session;

#[test]
fn gc_lists_the_annotation_of_a_webhook_that_is_gone_and_nothing_that_is_in_use() -> Result<()> {
    with_namespace(|ns| async move {
        ns.wait_until_alice_is_known().await?;
        let admin = ns.stack.cluster().control_plane.kubeconfig(ADMIN);
        session(&admin, &["gc"])
            .await
            .failed(2, "gc only lists what is left over")?;
        let words = ["gc", "--dry-run", "-n", &ns.name];
        // The webhook runs in this process, so no pod has the name in its annotation.
        let key = replica_annotation("");
        eventually("the webhook has published its revision", async || {
            session(&admin, &words).await.answered(
                1,
                &[
                    &key,
                    "a replica of namesake-webhook that is gone",
                    "a replica of namesake-broker that is gone",
                    "Nothing is deleted: 2 leftovers",
                ],
            )
        })
        .await?;
        let client = ns.admin().await?.client().clone();
        let maps: Api<ConfigMap> = Api::namespaced(client, SYSTEM_NAMESPACE);
        let report = maps.get(UNPROVEN_CONFIG_MAP).await?;
        ensure!(report.annotations().keys().any(|one| one.starts_with(&key)));
        let mallory = ns.stack.cluster().control_plane.kubeconfig(MALLORY);
        session(&mallory, &words).await.answered(
            3,
            &["which the rules say: not allowed to read ConfigMap namesake-system/namesake-rules"],
        )
    })
}

#[test]
fn gc_lists_an_account_at_google_that_belongs_to_no_identity() -> Result<()> {
    let options = Options {
        tune: |config| {
            config.timings.resync = Duration::from_secs(1);
            config.timings.count = Duration::from_secs(1);
        },
        ..Options::default()
    };
    with_own_stack(options, |ns| async move {
        ns.wait_until_alice_is_known().await?;
        let (google, name) = (ns.stack.google(), ns.name_for(ALICE));
        let lost = ns.name_for("lost@acme.com");
        let mark = google.description_of(&name)?;
        google.create_account(&lost, &mark.replace(&name, &lost))?;
        let admin = ns.stack.cluster().control_plane.kubeconfig(ADMIN);
        let account = format!("Google service account {lost}@");
        eventually("the broker has reported the account", async || {
            session(&admin, &["gc", "--dry-run"])
                .await
                .answered(1, &[&account, "NAMESAKE_COLLECT=true"])
        })
        .await?;
        ensure!(
            google.accounts_of(&ns.name).contains(&lost),
            "it is deleted"
        );
        Ok(())
    })
}
