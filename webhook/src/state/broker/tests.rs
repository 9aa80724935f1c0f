use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

fn settings(url: &str) -> Settings {
    Settings {
        url: Url::parse(url).unwrap(),
        token_file: PathBuf::from("/nowhere/token"),
        deadline: Duration::from_secs(1),
    }
}

#[test]
fn a_remote_broker_without_tls_is_refused() {
    let created = Broker::new(settings("http://broker.example:1"), RootCertStore::empty());
    assert!(created.unwrap_err().to_string().contains("must be https"));
    Broker::new(settings("http://127.0.0.1:1"), RootCertStore::empty()).unwrap();
}

#[test]
fn only_403_with_a_lasting_reason_is_final_and_reasons_stay_as_the_broker_gives_them() {
    let body = |reason: &str| {
        let text = format!(r#"{{"error":{{"code":1,"reason":"{reason}","message":"ask #ml"}}}}"#);
        text.into_bytes()
    };
    let refused = |status: u16, body: &[u8]| Refused::from(Failure::of_answer(status, body));
    for reason in [
        Reason::PreviouslyOffboarded,
        Reason::Suspended,
        Reason::RoleNotAllowed,
    ] {
        let refused = refused(403, &body(reason.as_str()));
        assert_eq!((refused.code, refused.reason), (403, reason));
        assert_eq!(refused.message, "ask #ml");
    }
    for (status, reason) in [
        (400, Reason::BadRequest),
        (401, Reason::Unauthenticated),
        (403, Reason::NotTheWebhook),
        (409, Reason::Conflict),
        (409, Reason::Terminating),
        (429, Reason::TooManyIdentities),
        (503, Reason::RulesDiffer),
    ] {
        let refused = refused(status, &body(reason.as_str()));
        assert_eq!((refused.code, refused.reason), (503, reason));
    }
    let unknown = refused(403, &body("OfALaterVersion"));
    assert_eq!(
        (unknown.code, unknown.reason),
        (503, Reason::BrokerUnavailable)
    );
    assert!(unknown.message.contains("OfALaterVersion"), "{unknown:?}");
    assert_eq!(refused(403, b"<html>").reason, Reason::BrokerUnavailable);
}

#[tokio::test]
async fn a_missing_token_is_a_failure_that_names_the_file() {
    let broker = Broker::new(settings("http://127.0.0.1:1"), RootCertStore::empty()).unwrap();
    let failure = broker.ask(&asked()).await.unwrap_err();
    assert!(failure.to_string().contains("/nowhere/token"));
}

/// A broker whose first `cut` connections are closed during a request; then it answers. Returns its address and the number of
/// connections.
async fn unreliable_broker(cut: usize) -> (String, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let came = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&came);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let number = count.fetch_add(1, Ordering::SeqCst);
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            if number >= cut {
                let body = r#"{"name":"n","serviceAccountUid":"u","ready":true}"#;
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(head.as_bytes()).await;
            }
        }
    });
    (url, came)
}

fn asked() -> Question {
    Question {
        request: IdentityRequest {
            namespace: "n".to_owned(),
            class: "c".to_owned(),
            user: "u".to_owned(),
            groups: Vec::new(),
            values: BTreeMap::new(),
        },
        revision: "r".to_owned(),
    }
}

#[tokio::test]
async fn a_call_survives_a_replica_that_shuts_down_during_it() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "token").unwrap();
    for (cut, answered, came) in [(0, true, 1), (1, true, 2), (PAUSES.len() + 1, false, 5)] {
        let (url, connections) = unreliable_broker(cut).await;
        let settings = Settings {
            token_file: file.path().to_owned(),
            deadline: Duration::from_secs(20),
            ..settings(&url)
        };
        let broker = Broker::new(settings, RootCertStore::empty()).unwrap();
        let answer = broker.ask(&asked()).await;
        assert_eq!(answer.is_ok(), answered, "{cut}: {answer:?}");
        assert_eq!(connections.load(Ordering::SeqCst), came, "{cut}");
    }
}
