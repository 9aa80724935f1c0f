//! Reads what `doctor` needs, all at once. Writes nothing: the one request that is not a read is a dry run.

use std::collections::BTreeMap;

use futures::join;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, PostParams};
use kube::{Api, Client, Error, ResourceExt};
use namesake_api::names;
use namesake_service::{parse_rules, rules_files};
use serde::de::DeserializeOwned;

use super::checks::Check;
use super::facts::{Facts, Reach};
use crate::answer::failure::Failure;
use crate::check::{Read, Snapshot, Unreadable, list, read_snapshot, unreadable};
use crate::cluster::connect::Session;

/// Kinds that tell a Prometheus to scrape pods: group, kind and name in URLs.
const MONITORS: [(&str, &str, &str); 2] = [
    (
        "monitoring.googleapis.com",
        "PodMonitoring",
        "podmonitorings",
    ),
    ("monitoring.coreos.com", "PodMonitor", "podmonitors"),
];
/// Name of the namespace of the dry run, which is never created.
const DRY_RUN_NAMESPACE: &str = "namesake-doctor";

/// Reads all of it. What the caller is not allowed to read is recorded in the facts.
pub(super) async fn read(session: &Session, selected: &[Check]) -> Result<Facts, Failure> {
    let (client, home) = (&session.client, session.home.as_str());
    let rules = config_map(session, names::RULES_CONFIG_MAP, "the rules");
    // Boxed: together they would be too large for the stack of a thread.
    let rest = Box::pin(async {
        join!(
            deployments(session),
            lease(session),
            config_map(
                session,
                names::ACCEPTED_RULES_CONFIG_MAP,
                "the accepted rules"
            ),
            config_map(session, names::QUOTA_CONFIG_MAP, "the report on quotas"),
            config_map(
                session,
                names::UNPROVEN_CONFIG_MAP,
                "the report on unproven parents"
            ),
            webhook_pods(session),
            monitors(session),
            network_policies(session),
        )
    });
    let snapshot = Box::pin(read_snapshot(client, home));
    let (rules, snapshot, rest) = join!(rules, snapshot, rest);
    let snapshot: Snapshot =
        snapshot.map_err(|error| Failure::NoApiServer(format!("{error:#}")))?;
    let (deployments, lease, accepted, quota, unproven, webhook_pods, monitors, network_policies) =
        rest;
    let reach = match selected.contains(&Check::WebhookReachable) {
        true => reach(client, &rules).await,
        false => Ok(Reach::Answered),
    };
    Ok(Facts {
        snapshot,
        deployments,
        lease,
        rules,
        accepted,
        quota,
        unproven,
        webhook_pods,
        monitors,
        network_policies,
        reach,
    })
}

async fn config_map(session: &Session, name: &str, what: &'static str) -> Read<Option<ConfigMap>> {
    get(&session.at_home(), name, what).await
}

async fn get<K>(api: &Api<K>, name: &str, what: &'static str) -> Read<Option<K>>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    api.get_opt(name).await.map_err(unreadable(what))
}

async fn lease(session: &Session) -> Read<Option<Lease>> {
    get(
        &session.at_home(),
        names::BROKER_LEASE,
        "the Lease of the broker",
    )
    .await
}

async fn deployments(session: &Session) -> Read<Vec<Deployment>> {
    list(session.at_home(), "the Deployments").await
}

async fn webhook_pods(session: &Session) -> Read<Vec<String>> {
    let label = format!("app.kubernetes.io/name={}", names::WEBHOOK_SERVICE_ACCOUNT);
    let listed = session
        .at_home::<Pod>()
        .list_metadata(&ListParams::default().labels(&label))
        .await;
    let listed = listed.map_err(unreadable("the pods of the webhook"))?;
    Ok(listed.items.iter().map(ResourceExt::name_any).collect())
}

/// The objects that tell a Prometheus to scrape pods of the stack's namespace. Of kinds that the cluster does not have there are none.
async fn monitors(session: &Session) -> Read<Vec<String>> {
    let mut found = Vec::new();
    for (group, kind, plural) in MONITORS {
        let kinds = GroupVersionKind::gvk(group, "v1", kind);
        let resource = ApiResource::from_gvk_with_plural(&kinds, plural);
        let api: Api<DynamicObject> =
            Api::namespaced_with(session.client.clone(), &session.home, &resource);
        match api.list_metadata(&ListParams::default()).await {
            Ok(list) => {
                let names = list.items.iter().map(ResourceExt::name_any);
                found.extend(names.map(|name| format!("{kind} {name}")));
            }
            Err(Error::Api(status)) if status.code == 404 => {}
            Err(error) => return Err(unreadable("who scrapes the metrics")(error)),
        }
    }
    Ok(found)
}

async fn network_policies(session: &Session) -> Read<Vec<NetworkPolicy>> {
    list(session.at_home(), "the network policies").await
}

/// Whether the webhook answers: a namespace that is opted in gets its epoch from the webhook, also in a dry run.
async fn reach(client: &Client, rules: &Read<Option<ConfigMap>>) -> Read<Reach> {
    let what = "whether the webhook answers";
    let map = rules.as_ref().map_err(Clone::clone)?;
    let files = rules_files(map.as_ref().and_then(|map| map.data.as_ref()));
    let rules = parse_rules(&files).map_err(|_| Unreadable {
        what,
        why: "the rules are not valid, and they name the stack".to_owned(),
    })?;
    let dry_run = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let namespaces: Api<Namespace> = Api::all(client.clone());
    match namespaces.create(&dry_run, &opted_in(rules.stack())).await {
        Ok(there) if there.annotations().contains_key(names::EPOCH_ANNOTATION) => {
            Ok(Reach::Answered)
        }
        Ok(_) => Ok(Reach::Failed(format!(
            "the API server does not call {} for namespaces of stack {}",
            names::NAMESPACES_WEBHOOK,
            rules.stack()
        ))),
        Err(Error::Api(status)) if status.message.contains("failed calling webhook") => {
            Ok(Reach::Failed(status.message))
        }
        Err(Error::Api(status)) if status.message.contains("cannot create resource") => {
            Err(unreadable(what)(status.message))
        }
        // Policies and storage refuse only after the webhook has answered, because it fails closed.
        Err(Error::Api(_)) => Ok(Reach::Answered),
        Err(error) => Err(unreadable(what)(error)),
    }
}

/// A namespace of a stack as `manifests/opt-in` makes it.
fn opted_in(stack: &str) -> Namespace {
    let labels = [
        (names::OPT_IN_LABEL, stack),
        ("pod-security.kubernetes.io/enforce", "baseline"),
    ];
    let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
    Namespace {
        metadata: ObjectMeta {
            name: Some(DRY_RUN_NAMESPACE.to_owned()),
            labels: Some(BTreeMap::from(labels)),
            ..ObjectMeta::default()
        },
        ..Namespace::default()
    }
}
