//! `kubectl namesake doctor`: finds the link that is broken, and runs all checks also then.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Pod},
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
};
use namesake_api::ReplicaStatus;
use namesake_api::names::{
    ACCEPTED_RULES_CONFIG_MAP, BROKER_SERVICE_ACCOUNT, HOSTNAME, QUOTA_CONFIG_MAP,
    RULES_CONFIG_MAP, SYSTEM_NAMESPACE, UNPROVEN_CONFIG_MAP, WEBHOOK_SERVICE_ACCOUNT,
    replica_annotation, replica_status_annotation,
};
use namesake_sandbox::kubernetes::users::ADMIN;
use namesake_tests::{
    cluster::manifests,
    eventually::eventually,
    namespace::{TestNamespace, with_own_stack},
    stack::Options,
};
use serde_json::{Value, json};

use crate::cli::connection::session;

/// Checks that nothing can pass here: the programs run in this process and have no pods, nobody scrapes them, and everybody has `edit` in the namespace.
const NEVER: &str = "webhook-replicas,broker-replicas,versions,metrics,exposure";

/// The words of the checks that found something.
async fn found(kubeconfig: &Path) -> Result<Vec<String>> {
    let words = ["doctor", "-o", "json", "--skip", NEVER];
    let session = session(kubeconfig, &words).await;
    let value: Value = serde_json::from_str(&session.out)
        .with_context(|| format!("{}{}", session.out, session.err))?;
    let checks = value["checks"].as_array().context("no checks")?;
    ensure!(checks.len() == 13, "{value:#}");
    let unseen = checks.iter().any(|check| check["state"] == "unseen");
    ensure!(!unseen, "{value:#}");
    let found = checks.iter().filter(|check| check["state"] == "found");
    let words = found.filter_map(|check| check["check"].as_str());
    Ok(words.map(str::to_owned).collect())
}

/// Waits until exactly these checks find something.
async fn finds(kubeconfig: &Path, expected: &[&str]) -> Result<()> {
    eventually(&format!("doctor finds {expected:?}"), async || {
        let found = found(kubeconfig).await?;
        ensure!(found == expected, "{found:?}");
        Ok(())
    })
    .await
}

fn admin_of(ns: &TestNamespace) -> std::path::PathBuf {
    ns.stack.cluster().control_plane.kubeconfig(ADMIN)
}

#[test]
fn a_link_that_breaks_is_found_and_one_that_works_again_is_fine() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        let admin = admin_of(&ns);
        finds(&admin, &[]).await?;
        let wait = ["doctor", "--skip", NEVER, "--wait", "60s"];
        session(&admin, &wait)
            .await
            .answered(0, &["13 checks: 13 fine"])?;
        ns.stack.kill_broker().await;
        finds(&admin, &["leader"]).await?;
        ns.stack.kill_webhook().await;
        finds(&admin, &["webhook-reachable", "leader"]).await?;
        session(&admin, &["doctor", "--only", "webhook-reachable"])
            .await
            .answered(
                1,
                &[
                    "failed calling webhook",
                    "to do: kubectl -n namesake-system get pods",
                ],
            )?;
        ns.stack.start_webhook().await?;
        ns.stack.start_broker().await?;
        finds(&admin, &[]).await
    })
}

#[test]
fn rules_that_are_not_valid_and_a_missing_policy_are_found() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        let kubeconfig = admin_of(&ns);
        let admin = ns.admin().await?;
        finds(&kubeconfig, &[]).await?;
        let shipped = manifests::file("cluster/policies/workloads/proxy.yaml")?;
        let shipped = manifests::objects(&shipped)?;
        let binding = shipped
            .iter()
            .find(|object| object["kind"] == "ValidatingAdmissionPolicyBinding");
        let binding = binding.context("no binding")?.clone();
        manifests::delete(admin.client(), &binding, "").await?;
        let missing = finds(&kubeconfig, &["policies"]).await;
        manifests::apply(admin.client(), &binding, "", false).await?;
        missing?;
        // The webhook refuses such an edit, unless it is down.
        ns.stack.kill_webhook().await;
        let maps: Api<ConfigMap> = Api::namespaced(admin.client().clone(), SYSTEM_NAMESPACE);
        let invalid = json!({"data": {"rules.yaml": "nonsense: 1\n"}});
        maps.patch(
            RULES_CONFIG_MAP,
            &PatchParams::default(),
            &Patch::Merge(&invalid),
        )
        .await?;
        let only = ["doctor", "--only", "rules,rules-revision"];
        session(&kubeconfig, &only).await.answered(
            1,
            &["FOUND  rules ", "rules.yaml:1:1", "FOUND  rules-revision"],
        )
    })
}

#[test]
fn replicas_that_are_not_ready_and_metrics_that_nobody_scrapes_are_found() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        let kubeconfig = admin_of(&ns);
        let metrics = ["doctor", "--only", "metrics"];
        session(&kubeconfig, &metrics)
            .await
            .answered(1, &["no PodMonitoring or PodMonitor exists"])?;
        let only = ["doctor", "--only", "webhook-replicas,broker-replicas"];
        session(&kubeconfig, &only).await.answered(
            1,
            &[
                "Deployment namesake-system/namesake-webhook",
                "it is missing",
            ],
        )?;
        // No node runs its pods.
        let admin = ns.admin().await?;
        let deployments: Api<Deployment> =
            Api::namespaced(admin.client().clone(), SYSTEM_NAMESPACE);
        for name in [WEBHOOK_SERVICE_ACCOUNT, BROKER_SERVICE_ACCOUNT] {
            let template = json!({"metadata": {"labels": {"of": name}}, "spec": {"containers": [{"name": "main", "image": "none"}]}});
            let deployment = json!({
                "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
                "spec": {"replicas": 2, "selector": {"matchLabels": {"of": name}}, "template": template},
            });
            manifests::apply(admin.client(), &deployment, SYSTEM_NAMESPACE, false).await?;
        }
        let two = session(&kubeconfig, &only).await;
        for name in [WEBHOOK_SERVICE_ACCOUNT, BROKER_SERVICE_ACCOUNT] {
            deployments
                .delete(name, &DeleteParams::foreground())
                .await?;
        }
        two.answered(
            1,
            &[
                "webhook-replicas   0 of 2 replicas are ready",
                "broker-replicas    0 of 2",
            ],
        )
    })
}

#[test]
fn each_replica_says_its_version_and_each_webhook_which_rules_it_uses_until_it_stops() -> Result<()>
{
    with_own_stack(Options::default(), |ns| async move {
        let admin = ns.admin().await?;
        let maps: Api<ConfigMap> = Api::namespaced(admin.client().clone(), SYSTEM_NAMESPACE);
        let key = replica_annotation(HOSTNAME);
        let published = async || {
            let map = maps.get(UNPROVEN_CONFIG_MAP).await?;
            anyhow::Ok(map.annotations().get(&key).cloned())
        };
        let revision = |text: &str| {
            let source = namesake_core::Source {
                file: "rules.yaml",
                text,
            };
            let rules = namesake_core::Rules::parse(&[source]);
            anyhow::Ok(rules?.revision().to_owned())
        };
        let rules = namesake_tests::stack::SHARED_RULES;
        let other = rules.replace("noMatch: keep", "noMatch: deny");
        for rules in [rules, other.as_str()] {
            ns.stack.edit_rules(rules).await??;
            let wanted = revision(rules)?;
            eventually("the webhook has published the revision", async || {
                let published = published().await?;
                ensure!(published.as_ref() == Some(&wanted), "{published:?}");
                Ok(())
            })
            .await?;
        }
        let says = async |map: &str, replica: &str| {
            let map = maps.get(map).await?;
            let key = replica_status_annotation(replica);
            anyhow::Ok(map.annotations().get(&key).cloned())
        };
        for (map, replica) in [
            (UNPROVEN_CONFIG_MAP, HOSTNAME),
            (QUOTA_CONFIG_MAP, BROKER_SERVICE_ACCOUNT),
        ] {
            eventually("the replica has said what it is", async || {
                let text = says(map, replica).await?.context("nothing")?;
                let status: ReplicaStatus = serde_json::from_str(&text)?;
                ensure!(status.version == env!("CARGO_PKG_VERSION"), "{status:?}");
                ensure!(status.missing.is_empty(), "{status:?}");
                ensure!(status.certificate_expires.is_some(), "{status:?}");
                Ok(())
            })
            .await?;
        }
        ns.stack.stop_webhook().await;
        let left = published().await?;
        ensure!(left.is_none(), "{left:?}");
        let left = says(UNPROVEN_CONFIG_MAP, HOSTNAME).await?;
        ensure!(left.is_none(), "{left:?}");
        Ok(())
    })
}

/// A pod of the webhook with the name by which the webhook in this process publishes. No node runs it.
async fn create_pod_of_webhook(client: &Client) -> Result<()> {
    let labels = json!({"app.kubernetes.io/name": WEBHOOK_SERVICE_ACCOUNT});
    let container = json!({
        "name": "main", "image": "none",
        "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
    });
    let security = json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}});
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": HOSTNAME, "labels": labels},
        "spec": {"containers": [container], "securityContext": security},
    });
    manifests::apply(client, &pod, SYSTEM_NAMESPACE, false).await
}

/// A Deployment of webhooks that starts no pods of its own.
fn two_webhooks() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": WEBHOOK_SERVICE_ACCOUNT},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"of": "test"}}, "template": {
            "metadata": {"labels": {"of": "test"}}, "spec": {"containers": [{"name": "main", "image": "none"}]},
        }},
    })
}

/// A broker that has just started has not stored the rules that it accepts yet.
async fn wait_until_rules_are_accepted(maps: &Api<ConfigMap>) -> Result<()> {
    eventually("the broker has accepted the rules", async || {
        maps.get(ACCEPTED_RULES_CONFIG_MAP).await?;
        Ok(())
    })
    .await
}

#[test]
fn an_older_webhook_is_found_and_one_that_is_not_ready_with_what_it_waits_for() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        let kubeconfig = admin_of(&ns);
        let client = ns.admin().await?.client().clone();
        create_pod_of_webhook(&client).await?;
        let versions = ["doctor", "--only", "versions"];
        let fine = format!("{} in 1 webhook and 0 brokers", env!("CARGO_PKG_VERSION"));
        eventually("the webhook has said its version", async || {
            session(&kubeconfig, &versions).await.answered(0, &[&fine])
        })
        .await?;
        let maps: Api<ConfigMap> = Api::namespaced(client.clone(), SYSTEM_NAMESPACE);
        let params = PatchParams::default();
        let older = json!({replica_status_annotation(HOSTNAME): "{\"version\":\"0.0.1\"}"});
        let older = Patch::Merge(json!({"metadata": {"annotations": older}}));
        maps.patch(UNPROVEN_CONFIG_MAP, &params, &older).await?;
        let what = "it is 0.0.1, older than this kubectl-namesake";
        session(&kubeconfig, &versions)
            .await
            .answered(1, &[what, "Pod namesake-system/local"])?;
        let check = session(&kubeconfig, &["check"]).await;
        ensure!(
            check
                .err
                .starts_with("warning: the webhook is 0.0.1, older"),
            "{}",
            check.err
        );
        // Without any rules it does not become ready.
        wait_until_rules_are_accepted(&maps).await?;
        ns.stack.kill_broker().await;
        ns.stack.kill_webhook().await;
        let rules = maps.get(RULES_CONFIG_MAP).await?.data;
        for name in [RULES_CONFIG_MAP, ACCEPTED_RULES_CONFIG_MAP] {
            maps.delete(name, &DeleteParams::default()).await?;
        }
        manifests::apply(&client, &two_webhooks(), SYSTEM_NAMESPACE, false).await?;
        let found = async {
            eventually("doctor says what it waits for", async || {
                let what = "0 of 2 replicas are ready; local: rules are not loaded";
                session(&kubeconfig, &["doctor", "--only", "webhook-replicas"])
                    .await
                    .answered(1, &[what])
            })
            .await?;
            let rules = json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": RULES_CONFIG_MAP}, "data": rules,
            });
            manifests::apply(&client, &rules, SYSTEM_NAMESPACE, false).await
        };
        let (started, found) = tokio::join!(ns.stack.start_webhook(), found);
        let deployments: Api<Deployment> = Api::namespaced(client.clone(), SYSTEM_NAMESPACE);
        deployments
            .delete(WEBHOOK_SERVICE_ACCOUNT, &DeleteParams::foreground())
            .await?;
        let pods: Api<Pod> = Api::namespaced(client, SYSTEM_NAMESPACE);
        pods.delete(HOSTNAME, &DeleteParams::default().grace_period(0))
            .await?;
        found?;
        started
    })
}
