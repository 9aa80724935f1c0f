//! Reads what the checks need, all at once. Writes nothing: the one request that is not a read is a dry run.

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
use super::facts::{Facts, Monitor, ProgramPod, Reach};
use super::sources::{self, Source};
use crate::answer::failure::Failure;
use crate::check::{Read, Snapshot, Unreadable, if_wanted, list, read_snapshot, unreadable};
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

/// Reads what the checks need. What the caller is not allowed to read is recorded in the facts.
pub(super) async fn read(session: &Session, selected: &[Check]) -> Result<Facts, Failure> {
    let wanted = sources::of(selected);
    let parts = sources::parts(&wanted);
    let map = |source, name, what| if_wanted(&wanted, source, config_map(session, name, what));
    let rules = map(Source::Rules, names::RULES_CONFIG_MAP, "the rules");
    // Boxed: together they would be too large for the stack of a thread.
    let rest = Box::pin(async {
        let (accepted, quota) = (names::ACCEPTED_RULES_CONFIG_MAP, names::QUOTA_CONFIG_MAP);
        let unproven = "the report of the webhook";
        join!(
            if_wanted(&wanted, Source::Deployments, deployments(session)),
            if_wanted(&wanted, Source::Lease, lease(session)),
            map(Source::Accepted, accepted, "the accepted rules"),
            map(Source::Quota, quota, "the report of the broker"),
            map(Source::Unproven, names::UNPROVEN_CONFIG_MAP, unproven),
            if_wanted(&wanted, Source::Pods, pods(session)),
            if_wanted(&wanted, Source::Monitors, monitors(session)),
            if_wanted(&wanted, Source::NetworkPolicies, network_policies(session)),
        )
    });
    let snapshot = Box::pin(read_snapshot(&session.client, &session.home, &parts));
    let (rules, snapshot, rest) = join!(rules, snapshot, rest);
    let snapshot: Snapshot =
        snapshot.map_err(|error| Failure::NoApiServer(format!("{error:#}")))?;
    let (deployments, lease, accepted, quota, unproven, pods, monitors, network_policies) = rest;
    let reach = reach(&session.client, &rules);
    let reach = if_wanted(&wanted, Source::Reach, reach).await;
    Ok(Facts {
        snapshot,
        deployments,
        lease,
        rules,
        accepted,
        quota,
        unproven,
        pods,
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

async fn pods(session: &Session) -> Read<Vec<ProgramPod>> {
    let label = format!(
        "{} in ({}, {})",
        names::NAME_LABEL,
        names::WEBHOOK_SERVICE_ACCOUNT,
        names::BROKER_SERVICE_ACCOUNT
    );
    let listed = session
        .at_home::<Pod>()
        .list_metadata(&ListParams::default().labels(&label))
        .await;
    let listed = listed.map_err(unreadable("the pods of webhook and broker"))?;
    let each = listed.items.iter().map(|pod| ProgramPod {
        program: pod
            .labels()
            .get(names::NAME_LABEL)
            .cloned()
            .unwrap_or_default(),
        name: pod.name_any(),
    });
    Ok(each.collect())
}

/// The objects that tell a Prometheus to scrape pods of the stack's namespace. Of kinds that the cluster does not have there are none.
async fn monitors(session: &Session) -> Read<Vec<Monitor>> {
    let mut found = Vec::new();
    for (group, kind, plural) in MONITORS {
        let kinds = GroupVersionKind::gvk(group, "v1", kind);
        let resource = ApiResource::from_gvk_with_plural(&kinds, plural);
        let api: Api<DynamicObject> =
            Api::namespaced_with(session.client.clone(), &session.home, &resource);
        match api.list(&ListParams::default()).await {
            Ok(list) => found.extend(list.items.iter().map(|one| monitor(kind, one))),
            Err(Error::Api(status)) if status.code == 404 => {}
            Err(error) => return Err(unreadable("who scrapes the metrics")(error)),
        }
    }
    Ok(found)
}

pub(super) fn monitor(kind: &str, object: &DynamicObject) -> Monitor {
    let spec = &object.data["spec"];
    let endpoints = ["endpoints", "podMetricsEndpoints"];
    let endpoints = endpoints.iter().filter_map(|key| spec[*key].as_array());
    let ports = endpoints.flatten().filter_map(|endpoint| {
        let port = endpoint
            .get("port")
            .or_else(|| endpoint.get("portNumber"))?;
        Some(
            port.as_str()
                .map_or_else(|| port.to_string(), str::to_owned),
        )
    });
    Monitor {
        name: format!("{kind} {}", object.name_any()),
        selector: serde_json::from_value(spec["selector"].clone()).unwrap_or_default(),
        ports: ports.collect(),
    }
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
    let created = namespaces.create(&dry_run, &opted_in(rules.stack())).await;
    reached(created, rules.stack())
}

/// What the answer to an opt-in says about the webhook. Other webhooks may refuse it before ours is called.
fn reached(created: kube::Result<Namespace>, stack: &str) -> Read<Reach> {
    let webhook = names::NAMESPACES_WEBHOOK;
    match created {
        Ok(there) if there.annotations().contains_key(names::EPOCH_ANNOTATION) => {
            Ok(Reach::Answered)
        }
        Ok(_) => Ok(Reach::Failed(format!(
            "the API server does not call {webhook} for namespaces of stack {stack}"
        ))),
        Err(Error::Api(status))
            if status
                .message
                .contains(&format!("calling webhook \"{webhook}\"")) =>
        {
            Ok(Reach::Failed(status.message))
        }
        // Policies, validation and storage come after the webhook, which fails closed; other webhooks may have refused before.
        Err(Error::Api(status))
            if !status.message.contains("admission webhook")
                && ([409, 422].contains(&status.code)
                    || status.message.contains("ValidatingAdmissionPolicy")) =>
        {
            Ok(Reach::Answered)
        }
        Err(error) => Err(unreadable("whether the webhook answers")(error)),
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kube::client::Body;
    use parking_lot::Mutex;
    use serde_json::json;

    use super::*;

    /// What of an API server that refuses everything is read for these checks.
    async fn asked(checks: &[Check]) -> Vec<String> {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let service = tower::service_fn(move |request: http::Request<Body>| {
            log.lock().push(request.uri().path().to_owned());
            let body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "no right",
                "reason": "Forbidden", "code": 403});
            let body = Body::from(body.to_string().into_bytes());
            let answer = http::Response::builder().status(403).body(body);
            async move { answer }
        });
        let session = Session {
            client: Client::new(service, "default"),
            home: "namesake-system".to_owned(),
            namespace: None,
            default_namespace: "default".to_owned(),
        };
        read(&session, checks).await.unwrap();
        let asked = asked.lock();
        asked.clone()
    }

    #[tokio::test]
    async fn what_no_check_needs_is_not_read() {
        let lease =
            "/apis/coordination.k8s.io/v1/namespaces/namesake-system/leases/namesake-broker";
        assert_eq!(asked(&[Check::Leader]).await, [lease]);
        let secrets = "/api/v1/secrets".to_owned();
        assert!(asked(&[Check::Exposure]).await.contains(&secrets));
        // The checks of manifests/doctor/cron-job.yaml, whose account may read no Secret.
        let mut nightly = Check::all(false);
        nightly.retain(|check| !matches!(check, Check::WebhookReachable | Check::Exposure));
        let asked = asked(&nightly).await;
        assert!(asked.len() > 8 && !asked.contains(&secrets), "{asked:?}");
    }
    #[test]
    fn only_what_comes_after_the_webhook_shows_that_it_answered() {
        let refused = |code: u16, message: &str| {
            let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
                "reason": "", "code": code});
            let status = serde_json::from_value(status).unwrap();
            reached(Err(Error::Api(status)), "prod")
        };
        let policy = "namespaces \"x\" is forbidden: ValidatingAdmissionPolicy 'other' with binding 'other' denied request: no";
        for (code, message) in [(403, policy), (409, "already exists"), (422, "invalid")] {
            assert_eq!(refused(code, message), Ok(Reach::Answered), "{message}");
        }
        let ours = "Internal error occurred: failed calling webhook \"namespaces.namesake.dev\": failed to call webhook: timeout";
        assert_eq!(refused(500, ours), Ok(Reach::Failed(ours.to_owned())));
        for (code, message) in [
            (500, "failed calling webhook \"other.acme.com\": timeout"),
            (
                422,
                "admission webhook \"other.acme.com\" denied the request: no",
            ),
            (403, "cannot create resource \"namespaces\""),
            (429, "too many requests"),
            (504, "timeout"),
        ] {
            assert!(refused(code, message).is_err(), "{message}");
        }
    }
}
