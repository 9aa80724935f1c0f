use std::sync::Mutex;

use kube::Client;
use kube::client::Body;
use serde_json::Value;

use super::*;
use crate::config::Config;
use crate::events::Events;
use crate::identities::Identities;
use crate::namespaces;

/// An API server that takes patches of pods, or none; and the patches that it was sent.
#[derive(Clone)]
struct Cluster {
    takes: bool,
    sent: Arc<Mutex<Vec<String>>>,
}

impl Cluster {
    async fn answer(self, request: http::Request<Body>) -> http::Response<Body> {
        let body = request.into_body().collect_bytes().await.unwrap();
        let sent = String::from_utf8(body.to_vec()).unwrap();
        self.sent.lock().unwrap().push(sent);
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "t-1"}});
        let away = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 503, "reason": "Away"});
        let (code, answer) = if self.takes { (200, pod) } else { (503, away) };
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
            changed: crate::gates::Changes::default(),
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
        }
    }
}

/// What is taken off a pod when its gate opens, after it was told why it waits.
async fn taken_off_after_telling(takes: bool) -> Vec<String> {
    let cluster = Cluster {
        takes,
        sent: Arc::default(),
    };
    let mut room = cluster.room();
    let pod = Gated {
        name: "t-1".into(),
        uid: "p".into(),
        service_account: "mf-a".into(),
        index: 0,
        created: None,
        says: None,
    };
    room.pods.insert(Waiting {
        pod: pod.clone(),
        told: 0,
        lasting: None,
    });
    room.tell(&pod, "Pending", "it was asked for just now")
        .await;
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
