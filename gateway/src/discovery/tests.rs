use std::{
    io::{Read, Write},
    net::TcpListener,
};

use super::*;

/// A server on loopback that answers every request with these bytes.
fn server(answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = answer(&url);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(&answer);
        }
    });
    url
}

fn ok(body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn config(issuer: &str) -> Config {
    let text = format!(
        "{{apiVersion: namesake.dev/v1alpha1, kind: GatewayConfig, hosts: [{{name: a.com, serves: api, backend: 'http://m'}}], \
         issuers: [{{name: own, issuer: '{issuer}', audiences: [a]}}]}}"
    );
    Config::parse("gateway.yaml", &text).unwrap()
}

async fn discovered(issuer: &str) -> Result<Endpoints, DiscoveryError> {
    // A second test may have installed it already.
    let _ = namesake_service::install_crypto_provider();
    let folder = tempfile::tempdir().unwrap();
    let authorities = folder.path().join("ca.crt");
    let key = rcgen::generate_simple_self_signed(["a.com".to_owned()]).unwrap();
    std::fs::write(&authorities, key.cert.pem()).unwrap();
    let mut found = endpoints(&config(issuer), &authorities).await?;
    Ok(found.remove("own").unwrap())
}

#[tokio::test]
async fn the_endpoints_are_those_of_the_issuers_document() {
    let url = server(|url| {
        ok(&format!(
            r#"{{"issuer": "{url}", "jwks_uri": "{url}/keys", "end_session_endpoint": "{url}/end", "more": 1}}"#
        ))
    });
    let found = discovered(&url).await.unwrap();
    assert_eq!(found.keys, format!("{url}/keys"));
    assert_eq!(found.end_session, Some(format!("{url}/end")));
}

#[tokio::test]
async fn each_wrong_answer_has_its_own_message() {
    let large = "x".repeat(MAX_BYTES + 1);
    let rows = [
        (ok("{"), "answered no discovery document: EOF while parsing"),
        (
            ok(r#"{"issuer": "https://other.com", "jwks_uri": "https://other.com/keys"}"#),
            "is the document of the issuer \"https://other.com\"",
        ),
        (
            b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_vec(),
            "answered 404 Not Found",
        ),
        (
            b"HTTP/1.1 302 Found\r\nlocation: https://other.com\r\ncontent-length: 0\r\n\r\n"
                .to_vec(),
            "answered 302 Found",
        ),
        (ok(&large), "answered more than 262144 bytes"),
        (b"no HTTP".to_vec(), "cannot reach"),
    ];
    for (answer, expected) in rows {
        let url = server(move |_| answer.clone());
        let message = discovered(&url).await.unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}

#[tokio::test]
async fn keys_that_are_read_without_tls_are_refused() {
    let url = server(|url| {
        ok(&format!(
            r#"{{"issuer": "{url}", "jwks_uri": "http://other.com/keys"}}"#
        ))
    });
    let message = discovered(&url).await.unwrap_err().to_string();
    assert!(
        message.contains("\"http://other.com/keys\" is not a URL with https"),
        "{message}"
    );
}

#[tokio::test]
async fn an_issuer_that_does_not_listen_is_named_with_the_cause() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let message = discovered(&url).await.unwrap_err().to_string();
    assert!(
        message.contains(&url) && message.contains("Connection refused"),
        "{message}"
    );
}

#[tokio::test]
async fn endpoints_in_the_file_need_no_document() {
    let mut config = config("https://unreachable.invalid");
    let keys = "https://unreachable.invalid/keys".to_owned();
    config.issuers[0].endpoints = Some(Endpoints {
        keys,
        authorization: None,
        token: None,
        end_session: None,
    });
    let found = endpoints(&config, Path::new("/none")).await.unwrap();
    assert_eq!(found["own"].keys, "https://unreachable.invalid/keys");
}
