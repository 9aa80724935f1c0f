use google_cloud_auth::credentials::anonymous;
use kube::Client;
use kube::client::Body;
use kube::runtime::watcher::Event;
use namesake_core::Reason;
use namesake_gcp::{Endpoints, Gcp};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::*;
use crate::cluster::namespaces;
use crate::controllers::context::Context;
use crate::controllers::gates::decide::GatedPod;
use crate::controllers::gates::waiting_pods::WaitingPod;
use crate::identity::store::Identities;
use crate::server::config::Config;
use crate::server::shared::Shared;

/// An API server that accepts patches of pods or not, and the requests that it got.
#[derive(Clone)]
struct Cluster {
    accepts: bool,
    /// Whether an Identity exists that no watch has shown.
    has_identity: bool,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Cluster {
    async fn answer(self, request: http::Request<Body>) -> http::Response<Body> {
        let about_identity = request.uri().path().contains("/identities/");
        let body = request.into_body().collect_bytes().await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        self.requests.lock().push(body);
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "t-1"}});
        let fails = |code: u16, reason: &str| {
            let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason});
            (code, status)
        };
        let (code, answer) = match (about_identity, self.has_identity, self.accepts) {
            (true, true, _) => (200, json!(crate::fixtures::identity())),
            (true, false, _) => fails(404, "NotFound"),
            (false, _, true) => (200, pod),
            (false, _, false) => fails(503, "Away"),
        };
        let answer = http::Response::builder()
            .status(code)
            .body(answer.to_string());
        answer.unwrap().map(|text| Body::from(text.into_bytes()))
    }

    async fn gates(&self) -> NamespaceGates {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let cluster = self.clone();
        let serve = tower::service_fn(move |request| {
            let answer = cluster.clone().answer(request);
            async { Ok::<_, kube::Error>(answer.await) }
        });
        let client = Client::new(serve, "default");
        let (namespaces, _) = namespaces::watch(client.clone(), Arc::default());
        let (reconcile_requests, _) = futures::channel::mpsc::unbounded();
        let endpoints = Endpoints::all_at("http://127.0.0.1:9");
        let gcp = Gcp::connect(endpoints, anonymous::Builder::new().build());
        let gcp = gcp.await.unwrap();
        let (config, none) = (Config::default(), Identities::none());
        let shared = Shared::new(config, namespaces, none, Arc::default());
        let context = Context::new(&shared, client, &gcp);
        let gates = Gates {
            context: Arc::new(context),
            reconcile_requests,
            waits: Mutex::default(),
        };
        NamespaceGates {
            gates: Arc::new(gates),
            namespace: "research".to_owned(),
            pods: WaitingPods::default(),
            opened: HashSet::new(),
            listed: HashSet::new(),
        }
    }
}

fn pod() -> GatedPod {
    GatedPod {
        name: "t-1".into(),
        uid: "p".into(),
        service_account: "mf-a".into(),
        gate_index: 0,
        created: None,
        waiting_annotation: None,
        decision: Some("4u2j6dq3".into()),
        containers: Vec::new(),
        says_why: false,
    }
}

/// The gates of a namespace in which the pod waits, and its cluster.
async fn waiting(accepts: bool) -> (Cluster, NamespaceGates) {
    waiting_with(accepts, false).await
}

/// The same with or without an Identity in the cluster.
async fn waiting_with(accepts: bool, has_identity: bool) -> (Cluster, NamespaceGates) {
    let cluster = Cluster {
        accepts,
        has_identity,
        requests: Arc::default(),
    };
    let mut gates = cluster.gates().await;
    let waits = gates.gates.context.metrics.pod_waits(None);
    gates.pods.insert(WaitingPod::new(pod(), waits));
    (cluster, gates)
}

/// What is removed from a pod when its gate opens, after a report that the API server accepts or not.
async fn removed_after_report(accepts: bool) -> Vec<String> {
    let (cluster, mut gates) = waiting(accepts).await;
    let reason = Reason::PermissionDenied;
    gates.report_wait(&pod(), reason, "why").await;
    let now = gates.pods.of_account("mf-a").next().unwrap().clone();
    gates.open_gate(now).await;
    let last = cluster.requests.lock().last().cloned().unwrap();
    let patch: Vec<Value> = serde_json::from_str(&last).unwrap();
    let removed = patch.iter().filter(|one| one["op"] == "remove");
    removed
        .map(|one| one["path"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn an_annotation_that_could_not_be_written_is_not_removed() {
    let gate = "/spec/schedulingGates/0".to_owned();
    let removed = removed_after_report(true).await;
    let word = names::WAITING_ANNOTATION.replace('/', "~1");
    assert_eq!(
        removed,
        [gate.clone(), format!("/metadata/annotations/{word}")]
    );
    // The patch would fail each time, because there is no annotation to remove.
    assert_eq!(removed_after_report(false).await, [gate]);
}

#[tokio::test]
async fn reasons_are_written_on_a_pod_from_time_to_time_and_at_once_if_somebody_has_to_act() {
    let (cluster, mut gates) = waiting(true).await;
    let reports = || {
        let requests = cluster.requests.lock();
        let patches = requests
            .iter()
            .filter(|body| body.contains(names::WAITING_ANNOTATION));
        patches.count()
    };
    let period = gates.gates.context.config.timings.gates;
    gates.report_wait(&pod(), Reason::Pending, "why").await;
    assert_eq!(reports(), 0, "it may work in a moment");
    let later = |gates: &mut NamespaceGates, periods| {
        let then = Instant::now().checked_sub(period * periods).unwrap();
        gates.pods.get_mut("t-1").unwrap().last_report = then;
    };
    later(&mut gates, 1);
    gates.report_wait(&pod(), Reason::Pending, "why").await;
    assert_eq!(reports(), 0, "two verifications take longer than that");
    later(&mut gates, 2);
    for (reason, so_far) in [
        (Reason::Pending, 1),
        (Reason::Propagating, 1),
        (Reason::PermissionDenied, 2),
    ] {
        gates.report_wait(&pod(), reason, "why").await;
        assert_eq!(reports(), so_far, "{reason}");
    }
    later(&mut gates, 1);
    gates.report_wait(&pod(), Reason::Propagating, "why").await;
    assert_eq!(reports(), 3);
}

/// The pod as the watch shows it, with these gates.
fn seen(gates: &Value) -> Pod {
    serde_json::from_value(json!({"metadata": {"name": "t-1", "uid": "p"},
        "spec": {"containers": [], "serviceAccountName": "mf-a", "schedulingGates": gates}}))
    .unwrap()
}

fn gated() -> Pod {
    seen(&json!([{"name": names::GATE}]))
}

#[tokio::test]
async fn a_pod_keeps_waiting_since_it_began_to_when_the_watch_lists_all_pods_again() {
    let (_, mut gates) = waiting(true).await;
    let mut gone = pod();
    (gone.name, gone.uid) = ("t-2".into(), "q".into());
    let waits = gates.gates.context.metrics.pod_waits(None);
    gates.pods.insert(WaitingPod::new(gone, waits));
    gates.opened.insert("q".to_owned());
    let since = Some(Instant::now());
    gates.pods.get_mut("t-1").unwrap().lasting_since = since;
    for event in [Event::Init, Event::InitApply(gated()), Event::InitDone] {
        gates.handle_pod_event(Ok(event)).await;
    }
    assert_eq!((gates.pods.len(), gates.opened.len()), (1, 0));
    assert_eq!(gates.pods.get_mut("t-1").unwrap().lasting_since, since);
}

#[tokio::test]
async fn an_opened_gate_is_not_opened_again_because_the_watch_lags() {
    let (_, mut gates) = waiting(true).await;
    gates.opened.insert("p".to_owned());
    gates.handle_pod_event(Ok(Event::Apply(gated()))).await;
    assert_eq!(gates.pods.len(), 0);
    gates
        .handle_pod_event(Ok(Event::Apply(seen(&json!([])))))
        .await;
    assert!(gates.opened.is_empty());
    gates.handle_pod_event(Ok(Event::Apply(gated()))).await;
    assert_eq!(gates.pods.len(), 1);
}

#[tokio::test]
async fn a_pod_without_an_identity_fails_only_if_the_api_server_has_none_either() {
    for (has_identity, fails) in [(true, false), (false, true)] {
        let (cluster, mut gates) = waiting_with(true, has_identity).await;
        // It has waited longer than any pod may.
        let pod = &mut gates.pods.get_mut("t-1").unwrap().pod;
        pod.created = Some(jiff::Timestamp::UNIX_EPOCH);
        gates.check(&PodSelection::All).await;
        let requests = cluster.requests.lock();
        let failed = requests
            .iter()
            .any(|body| body.contains("\"phase\":\"Failed\""));
        assert_eq!(failed, fails, "{requests:?}");
    }
}

#[tokio::test]
async fn why_a_pod_waits_is_on_its_containers_until_its_gate_opens() {
    let (cluster, mut gates) = waiting(true).await;
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"name": "t-1", "uid": "p", "annotations": {names::DECISION_ANNOTATION: "4u2j6dq3"}},
        "spec": {"containers": [{"name": "main", "image": "python"}, {"name": "proxy"}],
            "serviceAccountName": "mf-a", "schedulingGates": [{"name": names::GATE}]}
    }))
    .unwrap();
    let pod = GatedPod::of(&pod).unwrap();
    let waits = gates.gates.context.metrics.pod_waits(None);
    gates.pods.insert(WaitingPod::new(pod.clone(), waits));
    let reason = Reason::PermissionDenied;
    gates.report_wait(&pod, reason, "Google says no").await;
    let bodies = || -> Vec<Value> {
        let requests = cluster.requests.lock();
        let bodies = requests.iter().map(|body| serde_json::from_str(body));
        bodies.filter_map(Result::ok).collect()
    };
    let message = "Google says no; this does not pass by itself: the pod is ended after 2 min (NS2201, decision 4u2j6dq3)";
    let waiting = json!({"waiting": {"reason": "PermissionDenied", "message": message}});
    let status = |name: &str, image: &str| json!({"name": name, "image": image, "imageID": "", "ready": false, "restartCount": 0, "state": waiting});
    let report = bodies()[0].clone();
    let both = json!([status("main", "python"), status("proxy", "")]);
    assert_eq!(report["status"]["containerStatuses"], both);
    let event = bodies()[1].clone();
    assert_eq!(
        (&event["type"], &event["note"]),
        (&json!("Warning"), &json!(message))
    );

    let now = gates.pods.of_account("mf-a").next().unwrap().clone();
    gates.open_gate(now).await;
    let cleared = json!({"containerStatuses": null});
    assert!(
        bodies().iter().any(|body| body["status"] == cleared),
        "{:?}",
        bodies()
    );
}
