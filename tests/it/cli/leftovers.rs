//! `kubectl namesake gc --dry-run`: lists, and deletes nothing.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, ResourceExt};
use namesake_api::names::{SYSTEM_NAMESPACE, UNPROVEN_CONFIG_MAP, replica_annotation};
use namesake_sandbox::kubernetes::users::{ADMIN, MALLORY};
use namesake_tests::{eventually::eventually, namespace::with_namespace};

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
                    "is of a replica of the webhook that is gone",
                    "Nothing is deleted: 1 leftover",
                ],
            )
        })
        .await?;
        let client = ns.admin().await?.client().clone();
        let maps: Api<ConfigMap> = Api::namespaced(client, SYSTEM_NAMESPACE);
        let report = maps.get(UNPROVEN_CONFIG_MAP).await?;
        ensure!(report.annotations().keys().any(|one| one.starts_with(&key)));
        let mallory = ns.stack.cluster().control_plane.kubeconfig(MALLORY);
        session(&mallory, &words).await.failed(
            3,
            "not allowed to read ConfigMap namesake-system/namesake-rules",
        )
    })
}
