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
use crate::check::{
    Read, Readable as _, Snapshot, Unreadable, if_wanted, list, read_snapshot, unreadable,
};
use crate::cluster::connect::Session;
use crate::console::Reading;

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
    let reading = Reading::new();
    reading.all(read_at_once(session, selected, &reading)).await
}

async fn read_at_once(
    session: &Session,
    selected: &[Check],
    reading: &Reading,
) -> Result<Facts, Failure> {
    let sources = sources::of(selected);
    let parts = sources::parts(&sources);
    let wanted = (reading, sources.as_slice());
    let map = |source: Source, name| {
        let what = source.what();
        if_wanted(wanted, source, config_map(session, name, what))
    };
    // A webhook that is down takes five seconds to answer.
    let rules_and_reach = async {
        let rules = map(Source::Rules, names::RULES_CONFIG_MAP).await;
        let reach = reach(&session.client, &rules);
        let reach = if_wanted(wanted, Source::Reach, reach).await;
        (rules, reach)
    };
    // Boxed: together they would be too large for the stack of a thread.
    let rest = Box::pin(async {
        join!(
            if_wanted(wanted, Source::Deployments, deployments(session)),
            if_wanted(wanted, Source::Lease, lease(session)),
            map(Source::Accepted, names::ACCEPTED_RULES_CONFIG_MAP),
            map(Source::Quota, names::QUOTA_CONFIG_MAP),
            map(Source::Unproven, names::UNPROVEN_CONFIG_MAP),
            if_wanted(wanted, Source::Pods, pods(session)),
            if_wanted(wanted, Source::Monitors, monitors(session)),
            if_wanted(wanted, Source::NetworkPolicies, network_policies(session)),
        )
    });
    let parts = (reading, parts.as_slice());
    let snapshot = Box::pin(read_snapshot(&session.client, &session.home, parts));
    let (rules_and_reach, snapshot, rest) = join!(Box::pin(rules_and_reach), snapshot, rest);
    let snapshot: Snapshot =
        snapshot.map_err(|error| Failure::NoApiServer(format!("{error:#}")))?;
    let (rules, reach) = rules_and_reach;
    let (deployments, lease, accepted, quota, unproven, pods, monitors, network_policies) = rest;
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
        Source::Lease.what(),
    )
    .await
}

async fn deployments(session: &Session) -> Read<Vec<Deployment>> {
    list(session.at_home(), Source::Deployments.what()).await
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
    let listed = listed.map_err(unreadable(Source::Pods.what()))?;
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
            Err(error) => return Err(unreadable(Source::Monitors.what())(error)),
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
    list(session.at_home(), Source::NetworkPolicies.what()).await
}

/// Whether the webhook answers: a namespace that is opted in gets its epoch from the webhook, also in a dry run.
async fn reach(client: &Client, rules: &Read<Option<ConfigMap>>) -> Read<Reach> {
    let what = Source::Reach.what();
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
        Err(error) => Err(unreadable(Source::Reach.what())(error)),
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
    use std::time::Duration;

    use kube::client::Body;
    use parking_lot::Mutex;
    use serde_json::json;

    use super::*;
    use crate::cluster::connect::tests::session;

    const DEADLINE: Duration = Duration::from_secs(20);

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
        let session = session(Client::new(service, "default"));
        read(&session, checks).await.unwrap();
        let asked = asked.lock();
        asked.clone()
    }

    /// A webhook that is down takes long, and everything else does not wait for it.
    #[tokio::test]
    async fn the_webhook_is_asked_while_everything_else_is_read() {
        let (asked, is_asked) = tokio::sync::watch::channel(false);
        let asked = Arc::new(asked);
        let service = tower::service_fn(move |request: http::Request<Body>| {
            let (asked, mut is_asked) = (Arc::clone(&asked), is_asked.clone());
            async move {
                let is_post = request.method() == http::Method::POST;
                let rules = json!({"metadata": {}, "data": {"rules.yaml": include_str!("../../../manifests/base/rules.yaml")}});
                let (code, body) = match request.uri().path() {
                    path if path.ends_with("/namesake-rules") => (200, rules),
                    _ => (
                        403,
                        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "no", "code": 403}),
                    ),
                };
                if is_post {
                    asked.send_replace(true);
                } else if code != 200 {
                    let _ = is_asked.wait_for(|asked| *asked).await;
                }
                let body = Body::from(body.to_string().into_bytes());
                http::Response::builder().status(code).body(body)
            }
        });
        let session = session(Client::new(service, "default"));
        let checks = [Check::WebhookReachable, Check::Leader, Check::Namespaces];
        let all = tokio::time::timeout(DEADLINE, read(&session, &checks)).await;
        assert!(all.unwrap().unwrap().reach.is_err());
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
