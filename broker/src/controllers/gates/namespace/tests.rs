use std::sync::Mutex;

use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

use super::*;
use crate::cluster::events::Events;
use crate::cluster::namespaces;
use crate::identity::store::Identities;
use crate::server::config::Config;

/// An API server that takes patches of pods, or none; and the patches that it was sent.
#[derive(Clone)]
struct Cluster {
    takes: bool,
    /// Whether an Identity is there, of which no watch has told.
    has_identity: bool,
    sent: Arc<Mutex<Vec<String>>>,
}

impl Cluster {
    async fn answer(self, request: http::Request<Body>) -> http::Response<Body> {
        let about_identity = request.uri().path().contains("/identities/");
        let body = request.into_body().collect_bytes().await.unwrap();
        let sent = String::from_utf8(body.to_vec()).unwrap();
        self.sent.lock().unwrap().push(sent);
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "t-1"}});
        let fails = |code: u16, reason: &str| {
            let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason});
            (code, status)
        };
        let (code, answer) = match (about_identity, self.has_identity, self.takes) {
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

    fn room(&self) -> Room {
        let cluster = self.clone();
        let serve = tower::service_fn(move |request| {
            let answer = cluster.clone().answer(request);
            async { Ok::<_, kube::Error>(answer.await) }
        });
        let client = Client::new(serve, "default");
        let (namespaces, _) = namespaces::watch(client.clone(), Arc::default());
        let (asked, _) = futures::channel::mpsc::unbounded();
        let gates = Gates {
            config: Config::default(),
            rules: Arc::default(),
            namespaces,
            identities: Identities::none(),
            changed: crate::controllers::gates::Changes::default(),
            accounts: Arc::default(),
            asked,
            events: Events::new(client.clone()),
            metrics: Arc::default(),
            client,
        };
        Room {
            gates: Arc::new(gates),
            namespace: "research".to_owned(),
            pods: Pods::default(),
            opened: HashSet::new(),
        }
    }
}

fn pod() -> Gated {
    Gated {
        name: "t-1".into(),
        uid: "p".into(),
        service_account: "mf-a".into(),
        index: 0,
        created: None,
        says: None,
    }
}

/// A room where this pod waits, and its cluster.
fn waiting(takes: bool) -> (Cluster, Room) {
    waiting_beside(takes, false)
}

/// The same, beside an Identity, or none.
fn waiting_beside(takes: bool, has_identity: bool) -> (Cluster, Room) {
    let cluster = Cluster {
        takes,
        has_identity,
        sent: Arc::default(),
    };
    let mut room = cluster.room();
    room.pods.insert(Waiting {
        pod: pod(),
        told: 0,
        told_at: Instant::now(),
        lasting: None,
    });
    (cluster, room)
}

/// What is taken off a pod when its gate opens, after it was told why it waits.
async fn taken_off_after_telling(takes: bool) -> Vec<String> {
    let (cluster, mut room) = waiting(takes);
    let why = ("Pending", "it was asked for just now");
    room.tell(&pod(), why, true).await;
    let now = room.pods.of("mf-a").next().unwrap().clone();
    room.release(now).await;
    let last = cluster.sent.lock().unwrap().last().cloned().unwrap();
    let patch: Vec<Value> = serde_json::from_str(&last).unwrap();
    let removed = patch.iter().filter(|one| one["op"] == "remove");
    removed
        .map(|one| one["path"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn what_a_pod_could_not_be_told_is_not_taken_off_it() {
    let gate = "/spec/schedulingGates/0".to_owned();
    let told = taken_off_after_telling(true).await;
    let word = names::WAITING_ANNOTATION.replace('/', "~1");
    assert_eq!(
        told,
        [gate.clone(), format!("/metadata/annotations/{word}")]
    );
    // The whole patch would fail, again and again, for something that is not there.
    assert_eq!(taken_off_after_telling(false).await, [gate]);
}

#[tokio::test]
async fn a_pod_is_told_the_first_reason_then_not_each_but_at_once_what_somebody_has_to_mend() {
    let (cluster, mut room) = waiting(true);
    let told = || {
        let sent = cluster.sent.lock().unwrap();
        let patches = sent
            .iter()
            .filter(|body| body.contains(names::WAITING_ANNOTATION));
        patches.count()
    };
    let period = room.gates.config.timings.gates;
    room.tell(&pod(), ("Pending", "why"), false).await;
    assert_eq!(told(), 0, "it may be over in a moment");
    let later = |room: &mut Room, periods| {
        let then = Instant::now().checked_sub(period * periods).unwrap();
        room.pods.get_mut("t-1").unwrap().told_at = then;
    };
    later(&mut room, 1);
    room.tell(&pod(), ("Pending", "why"), false).await;
    assert_eq!(told(), 0, "two proofs take longer than that");
    later(&mut room, 2);
    for (reason, at_once, so_far) in [
        ("Pending", false, 1),
        ("Propagating", false, 1),
        ("Denied", true, 2),
    ] {
        room.tell(&pod(), (reason, "why"), at_once).await;
        assert_eq!(told(), so_far, "{reason}");
    }
    later(&mut room, 1);
    room.tell(&pod(), ("Propagating", "why"), false).await;
    assert_eq!(told(), 3);
}

#[tokio::test]
async fn a_gate_that_was_opened_is_not_opened_again_because_the_watch_is_behind() {
    let (_, mut room) = waiting(true);
    let seen = |gates: Value| -> Pod {
        serde_json::from_value(json!({"metadata": {"name": "t-1", "uid": "p"},
            "spec": {"containers": [], "serviceAccountName": "mf-a", "schedulingGates": gates}}))
        .unwrap()
    };
    let gated = || seen(json!([{"name": names::GATE}]));
    room.opened.insert("p".to_owned());
    room.pod(Ok(Event::Apply(gated()))).await;
    assert_eq!(room.pods.len(), 0);
    room.pod(Ok(Event::Apply(seen(json!([]))))).await;
    assert!(room.opened.is_empty());
    room.pod(Ok(Event::Apply(gated()))).await;
    assert_eq!(room.pods.len(), 1);
}

#[tokio::test]
async fn a_pod_without_an_identity_is_ended_only_when_the_api_server_says_so_too() {
    for (has_identity, ends) in [(true, false), (false, true)] {
        let (cluster, mut room) = waiting_beside(true, has_identity);
        // It has waited for as long as anybody may.
        let pod = &mut room.pods.get_mut("t-1").unwrap().pod;
        pod.created = Some(jiff::Timestamp::UNIX_EPOCH);
        room.open(&Of::All).await;
        let sent = cluster.sent.lock().unwrap();
        let ended = sent
            .iter()
            .any(|body| body.contains("\"phase\":\"Failed\""));
        assert_eq!(ended, ends, "{sent:?}");
    }
}
