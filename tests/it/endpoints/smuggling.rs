//! Requests that two readers could read in two ways. Envoy refuses them, and nothing hidden in one reaches the authorizer.

use anyhow::{Result, ensure};
use namesake_tests::endpoints::{Endpoints, raw};

/// Sends a request that hides a second one, and checks that the second was never seen.
async fn check(what: &str, head: &str, body: &str) -> Result<()> {
    let endpoints = Endpoints::shared().await?;
    let token = endpoints.token().await?;
    let (outer, hidden) = (
        Endpoints::own_path(),
        format!("/hidden{}", Endpoints::own_path()),
    );
    let second = format!(
        "GET {hidden} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\n\r\n"
    );
    let head = head.replace("PATH", &outer).replace("TOKEN", &token);
    let body = body.replace("HIDDEN", &second);
    let answer = raw::send(endpoints, format!("{head}\r\n{body}").as_bytes()).await?;
    let statuses = raw::statuses(&answer);
    ensure!(statuses.len() <= 1, "{what}: two answers: {answer}");
    ensure!(
        statuses
            .iter()
            .all(|status| ["400", "421"].contains(status)),
        "{what}: {answer}"
    );
    ensure!(
        endpoints.recorder.asked(&outer).is_empty(),
        "{what}: the outer request passed"
    );
    ensure!(
        endpoints.recorder.asked(&hidden).is_empty(),
        "{what}: the hidden request passed"
    );
    Ok(())
}

const START: &str = "POST PATH HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer TOKEN\r\n";

#[tokio::test]
async fn a_request_with_a_length_and_chunks_is_refused() -> Result<()> {
    let head = format!("{START}content-length: 5\r\ntransfer-encoding: chunked\r\n");
    check("length before chunks", &head, "0\r\n\r\nHIDDEN").await?;
    let head = format!("{START}transfer-encoding: chunked\r\ncontent-length: 5\r\n");
    check("chunks before length", &head, "0\r\n\r\nHIDDEN").await
}

#[tokio::test]
async fn a_request_with_two_lengths_is_refused() -> Result<()> {
    let head = format!("{START}content-length: 0\r\ncontent-length: 200\r\n");
    check("two lengths", &head, "HIDDEN").await?;
    check(
        "two lengths in one header",
        &format!("{START}content-length: 0, 200\r\n"),
        "HIDDEN",
    )
    .await?;
    for length in ["+0", "-1", "0x0", "0 0", "1e1"] {
        check(
            length,
            &format!("{START}content-length: {length}\r\n"),
            "HIDDEN",
        )
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_transfer_encoding_that_is_not_exactly_chunked_is_refused() -> Result<()> {
    let encodings = [
        "chunked, identity",
        "xchunked",
        "chunked\r\ntransfer-encoding: identity",
        "identity",
    ];
    for encoding in encodings {
        let head = format!("{START}transfer-encoding: {encoding}\r\n");
        check_not_hidden(encoding, &head).await?;
    }
    Ok(())
}

/// As [`check`], where Envoy may also answer that it does not implement the encoding.
async fn check_not_hidden(what: &str, head: &str) -> Result<()> {
    let endpoints = Endpoints::shared().await?;
    let token = endpoints.token().await?;
    let (outer, hidden) = (
        Endpoints::own_path(),
        format!("/hidden{}", Endpoints::own_path()),
    );
    let head = head.replace("PATH", &outer).replace("TOKEN", &token);
    let second = format!(
        "GET {hidden} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\n\r\n"
    );
    let answer = raw::send(endpoints, format!("{head}\r\n0\r\n\r\n{second}").as_bytes()).await?;
    let statuses = raw::statuses(&answer);
    ensure!(matches!(statuses[..], ["400" | "501"]), "{what}: {answer}");
    ensure!(
        endpoints.recorder.asked(&outer).is_empty(),
        "{what}: the outer request passed"
    );
    ensure!(
        endpoints.recorder.asked(&hidden).is_empty(),
        "{what}: the hidden request passed"
    );
    Ok(())
}

#[tokio::test]
async fn headers_that_others_may_read_differently_are_refused() -> Result<()> {
    let headers = [
        "x_namesake_user: root@acme.com",
        "x-namesake_user: root@acme.com",
        "x-a : space before the colon",
        "x-namesake-user\t: root@acme.com",
        "x-a: null\0byte",
        "host: other.acme.com",
        "no colon",
    ];
    for header in headers {
        check(
            header,
            &format!("{START}content-length: 0\r\n{header}\r\n"),
            "",
        )
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_folded_header_does_not_carry_a_user() -> Result<()> {
    let endpoints = Endpoints::shared().await?;
    let token = endpoints.token().await?;
    let path = Endpoints::own_path();
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\nx-a: 1\r\n x-namesake-user: root@acme.com\r\n\
         connection: close\r\n\r\n"
    );
    let answer = raw::send(endpoints, request.as_bytes()).await?;
    let asked = endpoints.recorder.asked(&path);
    ensure!(
        asked
            .iter()
            .all(|asked| !format!("{asked:?}").contains("root@acme.com")),
        "{asked:?}"
    );
    ensure!(raw::statuses(&answer).len() == 1, "{answer}");
    Ok(())
}

#[tokio::test]
async fn connect_and_unknown_versions_are_refused_and_an_absolute_address_counts_as_the_host()
-> Result<()> {
    let endpoints = Endpoints::shared().await?;
    let token = endpoints.token().await?;
    let path = Endpoints::own_path();
    let end = format!("authorization: Bearer {token}\r\nconnection: close\r\n\r\n");
    let rows = [
        (
            format!("CONNECT 127.0.0.1:443 HTTP/1.1\r\nhost: 127.0.0.1:443\r\n{end}"),
            vec!["400", "404", "421"],
        ),
        (
            format!("GET https://other.acme.com{path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{end}"),
            vec!["421"],
        ),
        (
            format!("GET {path} HTTP/3.0\r\nhost: 127.0.0.1\r\n{end}"),
            vec!["400", "426"],
        ),
        (format!("GET {path}\r\n\r\n"), vec!["400", "426"]),
        (
            format!("G@T {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{end}"),
            vec!["400"],
        ),
    ];
    for (request, expected) in rows {
        let answer = raw::send(endpoints, request.as_bytes()).await?;
        let statuses = raw::statuses(&answer);
        ensure!(
            statuses.iter().all(|status| expected.contains(status)),
            "{request}{answer}"
        );
        ensure!(endpoints.recorder.asked(&path).is_empty(), "{request}");
    }
    Ok(())
}
