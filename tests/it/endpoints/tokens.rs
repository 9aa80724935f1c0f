//! Which tokens Envoy accepts, by a real provider's keys. What it refuses never reaches the authorizer.

use anyhow::{Result, ensure};
use data_encoding::BASE64URL_NOPAD;
use namesake_sandbox::gateway::{CLI_CLIENT, WEB_CLIENT};
use namesake_tests::endpoints::{Endpoints, refusal};
use serde_json::{Value, json};

/// What of this token's request reached the authorizer, and the answer's status code.
async fn tried(endpoints: &Endpoints, token: &str) -> Result<(usize, u16)> {
    let path = Endpoints::own_path();
    let answer = endpoints.get(&path).bearer_auth(token).send().await?;
    Ok((
        endpoints.recorder.asked(&path).len(),
        answer.status().as_u16(),
    ))
}

async fn check_accepted(endpoints: &Endpoints, claims: &Value) -> Result<()> {
    let token = endpoints.sign(claims).await?;
    let (asked, status) = tried(endpoints, &token).await?;
    // 404 is the metadata service's: there is no such flow.
    ensure!(
        (asked, status) == (1, 404),
        "{status} after {asked} questions: {claims}"
    );
    Ok(())
}

async fn check_refused(
    endpoints: &Endpoints,
    token: &str,
    expected: u16,
    what: &str,
) -> Result<()> {
    let (asked, status) = tried(endpoints, token).await?;
    ensure!(
        (asked, status) == (0, expected),
        "{what}: {status} after {asked} questions"
    );
    Ok(())
}

fn changed(claims: &Value, key: &str, value: Value) -> Value {
    let mut claims = claims.clone();
    claims[key] = value;
    claims
}

#[tokio::test]
async fn the_authorizer_gets_the_verified_claims_and_not_the_token() -> Result<()> {
    let endpoints = Endpoints::shared().await?;
    let path = Endpoints::own_path();
    let claims = endpoints.claims();
    let token = endpoints.sign(&claims).await?;
    endpoints
        .post(&path)
        .bearer_auth(&token)
        .body("{}")
        .send()
        .await?;
    let asked = endpoints.recorder.asked(&path).remove(0);
    ensure!(
        asked.claims == claims && asked.method == "POST" && asked.body == 2,
        "{asked:?}"
    );
    ensure!(asked.headers["x-namesake-serves"] == "api", "{asked:?}");
    ensure!(
        !format!("{asked:?}").contains(&token),
        "the token went to the authorizer"
    );
    Ok(())
}

#[tokio::test]
async fn a_token_without_expiry_or_for_another_service_or_issuer_is_refused() -> Result<()> {
    let endpoints = Endpoints::shared().await?;
    let claims = endpoints.claims();
    check_accepted(endpoints, &claims).await?;
    let mut endless = claims.clone();
    endless.as_object_mut().map(|claims| claims.remove("exp"));
    let rows = [
        (endless, 401, "no exp"),
        (
            changed(&claims, "aud", json!("another-service")),
            403,
            "another audience",
        ),
        (
            changed(&claims, "aud", json!(["another-service", "a-third"])),
            403,
            "other audiences",
        ),
        (changed(&claims, "aud", Value::Null), 401, "no audience"),
        (
            changed(&claims, "iss", json!("https://accounts.google.com")),
            401,
            "another issuer",
        ),
        (changed(&claims, "iss", Value::Null), 401, "no issuer"),
    ];
    for (claims, status, what) in rows {
        check_refused(endpoints, &endpoints.sign(&claims).await?, status, what).await?;
    }
    Ok(())
}

#[tokio::test]
async fn clocks_may_differ_by_a_minute_and_not_by_ten() -> Result<()> {
    let endpoints = Endpoints::shared().await?;
    let claims = endpoints.claims();
    let now = jiff::Timestamp::now().as_second();
    // Half a minute of the accepted one is left for a slow machine.
    check_accepted(endpoints, &changed(&claims, "exp", json!(now - 30))).await?;
    check_accepted(endpoints, &changed(&claims, "nbf", json!(now + 59))).await?;
    let expired = endpoints
        .sign(&changed(&claims, "exp", json!(now - 600)))
        .await?;
    check_refused(endpoints, &expired, 401, "expired ten minutes ago").await?;
    let early = endpoints
        .sign(&changed(&claims, "nbf", json!(now + 600)))
        .await?;
    check_refused(endpoints, &early, 401, "valid in ten minutes").await
}

#[tokio::test]
async fn a_token_that_the_issuer_did_not_sign_is_refused() -> Result<()> {
    let endpoints = Endpoints::shared().await?;
    let token = endpoints.token().await?;
    let parts: Vec<&str> = token.split('.').collect();
    let (header, payload, signature) = (parts[0], parts[1], parts[2]);
    let encoded = |json: Value| BASE64URL_NOPAD.encode(json.to_string().as_bytes());
    let other = encoded(changed(&endpoints.claims(), "email", json!("bob@acme.com")));
    let none = encoded(json!({"alg": "none", "typ": "JWT"}));
    let rows = [
        (
            format!("{header}.{other}.{signature}"),
            "other claims under the signature",
        ),
        (
            format!(
                "{header}.{payload}.{}",
                signature.chars().rev().collect::<String>()
            ),
            "another signature",
        ),
        (format!("{header}.{payload}."), "no signature"),
        (format!("{none}.{payload}."), "alg none"),
        (
            format!("{none}.{payload}.{signature}"),
            "alg none with a signature",
        ),
        (
            format!("{}.{payload}.{signature}", encoded(json!({"alg": "NONE"}))),
            "alg NONE",
        ),
        ("abc".to_owned(), "no token"),
        (String::new(), "an empty token"),
    ];
    for (token, what) in rows {
        check_refused(endpoints, &token, 401, what).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_token_signed_with_the_public_key_as_a_shared_secret_is_refused() -> Result<()> {
    let endpoints = Endpoints::shared().await?;
    let keys = reqwest::get(format!("{}/jwks", endpoints.gateway.provider.url())).await?;
    let keys: Value = keys.json().await?;
    let key = &keys["keys"][0];
    let encode = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
    let header = json!({"alg": "HS256", "kid": key["kid"]}).to_string();
    let signed = format!(
        "{}.{}",
        encode(header.as_bytes()),
        encode(endpoints.claims().to_string().as_bytes())
    );
    let modulus = key["n"].as_str().unwrap_or_default();
    let secrets = [
        modulus.as_bytes().to_vec(),
        BASE64URL_NOPAD.decode(modulus.as_bytes())?,
        key.to_string().into_bytes(),
    ];
    for secret in secrets {
        let hmac = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &secret);
        let signature = ring::hmac::sign(&hmac, signed.as_bytes());
        let token = format!("{signed}.{}", encode(signature.as_ref()));
        check_refused(endpoints, &token, 401, "HS256 with the public key").await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_token_counts_only_in_the_authorization_header() -> Result<()> {
    let endpoints = Endpoints::shared().await?;
    let token = endpoints.token().await?;
    let path = Endpoints::own_path();
    for name in ["access_token", "token", "id_token"] {
        let answer = endpoints.get(&path).query(&[(name, &token)]).send().await?;
        ensure!(answer.status() == 401, "{name}: {}", answer.status());
    }
    for cookie in [
        "IdToken",
        "BearerToken",
        "__Host-namesake-identity",
        "access_token",
    ] {
        let answer = endpoints
            .get(&path)
            .header("cookie", format!("{cookie}={token}"))
            .send()
            .await?;
        ensure!(answer.status() == 401, "{cookie}: {}", answer.status());
    }
    for header in [
        "x-namesake-login",
        "x-goog-iap-jwt-assertion",
        "x-forwarded-access-token",
    ] {
        let answer = endpoints.get(&path).header(header, &token).send().await?;
        ensure!(answer.status() == 401, "{header}: {}", answer.status());
    }
    let basic = endpoints
        .get(&path)
        .basic_auth("alice", Some(&token))
        .send()
        .await?;
    ensure!(basic.status() == 401, "basic: {}", basic.status());
    ensure!(
        endpoints.recorder.asked(&path).is_empty(),
        "the authorizer was asked"
    );
    Ok(())
}

#[tokio::test]
async fn a_bearer_token_is_no_login_in_the_browser() -> Result<()> {
    let endpoints = Endpoints::shared().await?;
    let token = endpoints
        .sign(&changed(&endpoints.claims(), "aud", json!(WEB_CLIENT)))
        .await?;
    for accept in ["application/json", "text/html"] {
        let request = endpoints
            .get_ui("/api/flows")
            .header("accept", accept)
            .bearer_auth(&token);
        let status = request
            .header("x-namesake-login", &token)
            .send()
            .await?
            .status();
        ensure!(status == 401 || status == 302, "{accept}: {status}");
    }
    Ok(())
}

#[tokio::test]
async fn a_token_for_another_of_our_clients_is_accepted_with_what_names_its_audience() -> Result<()>
{
    let endpoints = Endpoints::shared().await?;
    let mut claims = changed(
        &endpoints.claims(),
        "aud",
        json!([CLI_CLIENT, "another-service"]),
    );
    claims["azp"] = json!(CLI_CLIENT);
    // Envoy accepts any audience of several; the authorizer gets all of them, and decides.
    check_accepted(endpoints, &claims).await
}

#[tokio::test]
async fn without_a_token_the_answer_says_how_to_log_in_and_never_redirects() -> Result<()> {
    let endpoints = Endpoints::shared().await?;
    for accept in ["text/html", "application/json", "*/*"] {
        let answer = endpoints
            .get("/ping")
            .header("accept", accept)
            .send()
            .await?;
        ensure!(answer.headers().get("location").is_none(), "a redirect");
        let (status, reason, message) = refusal(answer).await?;
        ensure!(
            (status, reason.as_str()) == (401, "InvalidToken"),
            "{status} {reason}"
        );
        ensure!(
            message.contains("python -m metaflow_namesake login"),
            "{message}"
        );
        ensure!(
            message.contains("pip install metaflow-namesake"),
            "{message}"
        );
    }
    Ok(())
}
