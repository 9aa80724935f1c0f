//! How Envoy reads requests: hosts, paths, headers, limits, and its log.

use anyhow::{Context, Result, ensure};
use namesake_tests::{
    endpoints::{Endpoints, REFUSAL, REFUSED, SILENT, raw, refusal},
    eventually::eventually,
};

#[tokio::test]
async fn a_token_of_16_kilobytes_passes_and_larger_headers_are_answered_with_431() -> Result<()> {
    let endpoints = Endpoints::shared().await?;
    let mut claims = endpoints.claims();
    claims["groups"] = "g".repeat(11_600).into();
    let token = endpoints.sign(&claims).await?;
    ensure!(token.len() > 16_000, "{}", token.len());
    let answer = endpoints.get("/ping").bearer_auth(&token).send().await?;
    ensure!(answer.status() == 200, "{}", answer.status());
    let large = endpoints
        .get("/ping")
        .bearer_auth("t".repeat(33 << 10))
        .send()
        .await?;
    let (status, reason, _) = refusal(large).await?;
    ensure!(
        (status, reason.as_str()) == (431, "RequestTooLarge"),
        "{status} {reason}"
    );
    Ok(())
}

#[tokio::test]
async fn a_body_of_more_than_a_megabyte_is_answered_with_413() -> Result<()> {
    let endpoints = Endpoints::shared().await?;
    let token = endpoints.token().await?;
    for (bytes, expected) in [((1 << 20) - 1, 1), (10 << 20, 0)] {
        let path = Endpoints::own_path();
        let answer = endpoints
            .post(&path)
            .bearer_auth(&token)
            .body(vec![b' '; bytes])
            .send()
            .await?;
        let refused = answer.status() == 413;
        ensure!(
            refused == (expected == 0),
            "{bytes} bytes: {}",
            answer.status()
        );
        if refused {
            ensure!(
                refusal(answer).await?.1 == "RequestTooLarge",
                "another reason"
            );
        }
        ensure!(
            endpoints.recorder.asked(&path).len() == expected,
            "{bytes} bytes"
        );
    }
    Ok(())
}

#[tokio::test]
async fn headers_that_name_a_user_are_removed_from_what_clients_send() -> Result<()> {
    let endpoints = Endpoints::shared().await?;
    let token = endpoints.token().await?;
    let forged = [
        "x-namesake-user",
        "x-namesake-claims",
        "X-Namesake-Serves",
        "x-namesake-anything",
        "x-forwarded-user",
        "x-forwarded-email",
        "x-auth-request-user",
        "x-auth-request-email",
        "x-goog-authenticated-user-email",
        "x-goog-iap-jwt-assertion",
        "remote-user",
        "x-envoy-original-path",
    ];
    let path = Endpoints::own_path();
    let mut request = endpoints.get(&path).bearer_auth(&token);
    for name in forged {
        request = request.header(name, "root@acme.com");
    }
    request.send().await?;
    let asked = endpoints.recorder.asked(&path).remove(0);
    ensure!(
        !format!("{:?}", asked.headers).contains("root@acme.com"),
        "{asked:?}"
    );
    ensure!(asked.claims["email"] == "alice@acme.com", "{asked:?}");
    ensure!(asked.headers["x-namesake-serves"] == "api", "{asked:?}");
    Ok(())
}

#[tokio::test]
async fn a_path_reaches_the_authorizer_in_one_form_only() -> Result<()> {
    let endpoints = Endpoints::shared().await?;
    let token = endpoints.token().await?;
    // As sent, and as the authorizer and the service see it; none: it is refused before.
    let rows = [
        ("/flows/A1/../A2", Some("/flows/A2")),
        ("/flows/A3/%2e%2e/A4", Some("/flows/A4")),
        ("//flows//A5", Some("/flows/A5")),
        ("/./flows/A6", Some("/flows/A6")),
        ("/flows/A7;x=1", Some("/flows/A7;x=1")),
        ("/FLOWS/A8", Some("/FLOWS/A8")),
        ("/flows/A9?x=/../", Some("/flows/A9?x=/../")),
        ("/flows/B1%2f..%2fA2", None),
        ("/flows/B2%5cA2", None),
        ("/flows/B3%00", None),
    ];
    for (sent, seen) in rows {
        let request = format!(
            "GET {sent} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
        );
        let answer = raw::send(endpoints, request.as_bytes()).await?;
        match seen {
            Some(seen) => {
                let asked = endpoints.recorder.asked(seen);
                ensure!(
                    asked.len() == 1 && asked[0].path == seen,
                    "{sent}: {asked:?}"
                );
            }
            None => {
                ensure!(raw::statuses(&answer) == ["400"], "{sent}: {answer}");
                ensure!(
                    endpoints.recorder.asked(&sent[..9]).is_empty(),
                    "{sent} reached the authorizer"
                );
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn auth_token_is_blocked_however_it_is_written() -> Result<()> {
    let endpoints = Endpoints::shared().await?;
    let token = endpoints.token().await?;
    for path in [
        "/auth/token",
        "/auth/token/",
        "//auth/token",
        "/auth/./token",
        "/x/../auth/token",
        "/auth%2ftoken",
        "/auth/token?x",
    ] {
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
        );
        let answer = raw::send(endpoints, request.as_bytes()).await?;
        let statuses = raw::statuses(&answer);
        ensure!(
            statuses == ["404"] || statuses == ["400"],
            "{path}: {answer}"
        );
        ensure!(
            answer.contains("\"reason\""),
            "{path}: the service answered: {answer}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn an_unknown_host_is_answered_with_421_and_the_authorizer_is_not_asked() -> Result<()> {
    let endpoints = Endpoints::shared().await?;
    let token = endpoints.token().await?;
    let path = Endpoints::own_path();
    for host in [
        "other.acme.com",
        "127.0.0.1.acme.com",
        "localhost.",
        "LOCALHOST.acme.com",
        "[::1]",
    ] {
        let answer = endpoints
            .get(&path)
            .bearer_auth(&token)
            .header("host", host)
            .send()
            .await?;
        ensure!(
            answer.headers().get("location").is_none(),
            "{host}: a redirect"
        );
        let (status, reason, _) = refusal(answer).await.context(host)?;
        ensure!(
            (status, reason.as_str()) == (421, "UnknownHost"),
            "{host}: {status} {reason}"
        );
    }
    ensure!(
        endpoints.recorder.asked(&path).is_empty(),
        "the authorizer was asked"
    );
    Ok(())
}

#[tokio::test]
async fn no_other_origin_may_read_an_answer_and_nothing_says_what_runs_here() -> Result<()> {
    let endpoints = Endpoints::shared().await?;
    let token = endpoints.token().await?;
    let answer = endpoints
        .get("/ping")
        .bearer_auth(&token)
        .header("origin", "https://evil.example")
        .send()
        .await?;
    ensure!(answer.status() == 200, "{}", answer.status());
    ensure!(
        answer.headers().contains_key("metadata_service_version"),
        "not the service's ping"
    );
    for name in answer.headers().keys() {
        let hidden = ["server", "x-powered-by", "x-envoy-upstream-service-time"];
        ensure!(
            !name.as_str().starts_with("access-control-") && !hidden.contains(&name.as_str()),
            "{name}"
        );
    }
    let url = format!("{}/ping", endpoints.gateway.api());
    let preflight = reqwest::Method::OPTIONS;
    let answer = endpoints
        .request(preflight, &url)
        .header("origin", "https://evil.example")
        .send()
        .await?;
    ensure!(answer.status() == 401, "{}", answer.status());
    Ok(())
}

#[tokio::test]
async fn the_log_says_who_did_what_and_holds_no_token() -> Result<()> {
    let endpoints = Endpoints::shared().await?;
    let token = endpoints.token().await?;
    let path = Endpoints::own_path();
    let request = endpoints
        .get(&path)
        .query(&[("access_token", &token)])
        .bearer_auth(&token);
    request
        .header("cookie", format!("a={token}"))
        .send()
        .await?;
    let line = eventually("the request is logged", async || {
        let log = endpoints.log()?;
        let line = log
            .lines()
            .find(|line| line.contains(&format!("{path}\"")))
            .map(str::to_owned);
        line.context("not yet")
    })
    .await?;
    let line: serde_json::Value = serde_json::from_str(&line)?;
    ensure!(
        line["user"] == "alice@acme.com" && line["method"] == "GET" && line["status"] == 404,
        "{line}"
    );
    let log = endpoints.log()?;
    ensure!(!log.contains(&token[..40]), "a token is in the log");
    Ok(())
}

#[tokio::test]
async fn the_authorizers_own_words_reach_the_client() -> Result<()> {
    let endpoints = Endpoints::shared().await?;
    let token = endpoints.token().await?;
    let answer = endpoints.post(REFUSED).bearer_auth(&token).send().await?;
    ensure!(answer.status() == 403, "{}", answer.status());
    ensure!(
        answer.headers()["content-type"] == "application/json",
        "{:?}",
        answer.headers()
    );
    ensure!(answer.text().await? == REFUSAL, "other words");
    Ok(())
}

#[tokio::test]
async fn a_request_is_refused_while_the_authorizer_does_not_answer() -> Result<()> {
    let endpoints = Endpoints::shared().await?;
    let token = endpoints.token().await?;
    let answer = endpoints.post(SILENT).bearer_auth(&token).send().await?;
    let (status, reason, _) = refusal(answer).await?;
    ensure!(
        (status, reason.as_str()) == (503, "AuthorizerUnavailable"),
        "{status} {reason}"
    );
    Ok(())
}

#[tokio::test]
async fn a_renewed_certificate_is_served_without_a_restart() -> Result<()> {
    let endpoints = Endpoints::start(|_| ()).await?;
    let first = raw::certificate(&endpoints).await?;
    endpoints.gateway.renew_certificate()?;
    eventually("another certificate is served", async || {
        ensure!(
            raw::certificate(&endpoints).await? != first,
            "still the first"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn more_requests_than_the_limit_are_answered_with_429() -> Result<()> {
    let limit = ["--max-requests", "1"].map(str::to_owned);
    let endpoints = Endpoints::start(|options| options.render.extend(limit)).await?;
    let token = endpoints.token().await?;
    let mut reasons = Vec::new();
    for _ in 0..20 {
        let answer = endpoints.get("/ping").bearer_auth(&token).send().await?;
        if answer.status() == 429 {
            reasons.push(refusal(answer).await?.1);
        }
    }
    ensure!(
        reasons.iter().any(|reason| reason == "TooManyRequests"),
        "{reasons:?}"
    );
    Ok(())
}

#[tokio::test]
async fn while_the_metadata_service_is_down_the_answer_says_so() -> Result<()> {
    let endpoints = Endpoints::start(|_| ()).await?;
    let token = endpoints.token().await?;
    endpoints.gateway.service.process().kill();
    endpoints.gateway.service.process().wait().await;
    let answer = endpoints.get("/ping").bearer_auth(&token).send().await?;
    let (status, reason, message) = refusal(answer).await?;
    ensure!(
        (status, reason.as_str()) == (503, "ServiceUnavailable"),
        "{status} {reason}: {message}"
    );
    Ok(())
}
