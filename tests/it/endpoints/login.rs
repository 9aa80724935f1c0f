//! Login in a real browser, which keeps screenshots in `target/endpoints`.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use namesake_api::names::{IAP_ASSERTION_HEADER, IAP_ISSUER};
use namesake_sandbox::gateway::{
    API_HOST, IAP_AUDIENCE, IAP_HOST,
    browser::{Seen, browse, log_in},
};
use namesake_tests::endpoints::{Endpoints, screenshots};
use serde_json::{Value, json};

async fn browsed(endpoints: &Endpoints, steps: &[Value]) -> Result<Seen> {
    browse(
        &endpoints.children,
        &endpoints.gateway.programs,
        &endpoints.folder,
        &screenshots(),
        steps,
    )
    .await
}

/// Logs alice in at this path of the UI host, then does more.
async fn logged_in(endpoints: &Endpoints, path: &str, more: &[Value]) -> Result<Seen> {
    let ui = endpoints.gateway.ui();
    let mut steps = log_in(&format!("{ui}{path}"), "alice", &format!("{ui}/**"));
    steps.extend_from_slice(more);
    browsed(endpoints, &steps).await
}

#[tokio::test]
async fn a_login_returns_to_the_address_that_was_asked_for_as_the_person_who_logged_in()
-> Result<()> {
    let endpoints = Endpoints::shared().await?;
    let path = "/api/flows?user=alice&x=%2F";
    let more = [
        json!({"fetch": "/api/ping"}),
        json!({"socket": "/api/ws"}),
        json!({"screenshot": "logged-in"}),
    ];
    let seen = logged_in(endpoints, path, &more).await?;
    ensure!(
        seen.url == format!("{}{path}", endpoints.gateway.ui()),
        "{}",
        seen.url
    );
    ensure!(
        seen.seen[0]["status"] == 200 && seen.seen[1] == "open",
        "{:?}",
        seen.seen
    );
    let asked = endpoints.recorder.asked(path);
    let asked = asked.last().context("the authorizer was not asked")?;
    ensure!(
        asked.claims["email"] == "alice@acme.com" && asked.headers["x-namesake-serves"] == "ui",
        "{asked:?}"
    );
    ensure!(!asked.headers.contains_key("cookie"), "{asked:?}");
    Ok(())
}

#[tokio::test]
async fn the_cookies_of_a_login_are_bound_to_its_host_and_hidden_from_scripts() -> Result<()> {
    let endpoints = Endpoints::shared().await?;
    let seen = logged_in(endpoints, "/api/flows", &[]).await?;
    let cookies: Vec<_> = seen
        .cookies
        .iter()
        .filter(|cookie| cookie.domain == "localhost")
        .collect();
    ensure!(cookies.len() >= 3, "{cookies:?}");
    for cookie in cookies {
        let is_bound =
            cookie.name.starts_with("__Host-namesake-") && cookie.secure && cookie.http_only;
        ensure!(is_bound && cookie.same_site == "Lax", "{cookie:?}");
        ensure!(
            !cookie.value.starts_with("eyJ"),
            "a token is readable in {}",
            cookie.name
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_logout_ends_the_login_here_and_at_the_provider() -> Result<()> {
    let endpoints = Endpoints::shared().await?;
    let ui = endpoints.gateway.ui();
    let more = [
        json!({"goto": format!("{ui}/namesake/logout")}),
        json!({"screenshot": "logout"}),
        json!({"click": "button[value=yes], button"}),
        json!({"goto": format!("{ui}/api/flows")}),
        json!({"screenshot": "login"}),
    ];
    let seen = logged_in(endpoints, "/api/flows", &more).await?;
    let provider = endpoints.gateway.provider.url();
    ensure!(
        seen.url.starts_with(&format!("{provider}/interaction/")),
        "logged in without a password: {}",
        seen.url
    );
    Ok(())
}

#[tokio::test]
async fn a_login_that_somebody_else_started_is_refused() -> Result<()> {
    let endpoints = Endpoints::shared().await?;
    let ui = endpoints.gateway.ui();
    let started = endpoints.get_ui("/api/flows").send().await?;
    let location = started.headers()["location"].to_str()?;
    let state = reqwest::Url::parse(location)?
        .query_pairs()
        .find(|(key, _)| key == "state")
        .map(|(_, value)| value.into_owned());
    let state = state.context("no state")?;
    let cookies: Vec<&str> = started
        .headers()
        .get_all("set-cookie")
        .iter()
        .filter_map(|cookie| cookie.to_str().ok()?.split(';').next())
        .collect();
    let cookies = cookies.join("; ");
    let callback = |state: &str| {
        endpoints
            .get_ui("/namesake/login")
            .query(&[("code", "abc"), ("state", state)])
    };
    for (what, request) in [
        ("without its cookies", callback(&state)),
        (
            "with another state",
            callback("abc").header("cookie", &cookies),
        ),
        (
            "with a state for another host",
            callback(&forged(&state, &ui)?).header("cookie", &cookies),
        ),
    ] {
        let answer = request.send().await?;
        ensure!(answer.status() == 401, "{what}: {}", answer.status());
        ensure!(
            answer.headers().get("location").is_none(),
            "{what}: a redirect"
        );
    }
    Ok(())
}

/// The state with the address of another host.
fn forged(state: &str, ui: &str) -> Result<String> {
    let text = String::from_utf8(
        data_encoding::BASE64URL_NOPAD.decode(state.trim_end_matches('=').as_bytes())?,
    )?;
    ensure!(text.contains(ui), "{text}");
    Ok(data_encoding::BASE64URL_NOPAD.encode(text.replace(ui, "https://evil.example").as_bytes()))
}

#[tokio::test]
async fn a_stolen_cookie_is_worth_nothing_on_the_api_host() -> Result<()> {
    let endpoints = Endpoints::shared().await?;
    let seen = logged_in(endpoints, "/api/flows", &[]).await?;
    let stolen: Vec<String> = seen
        .cookies
        .iter()
        .filter(|cookie| cookie.domain == "localhost")
        .map(|cookie| format!("{}={}", cookie.name, cookie.value))
        .collect();
    let stolen = stolen.join("; ");
    let ui = endpoints
        .get_ui("/api/ping")
        .header("cookie", &stolen)
        .send()
        .await?;
    ensure!(
        ui.status() == 200,
        "the cookies do not work where they belong: {}",
        ui.status()
    );
    let api = endpoints
        .get("/ping")
        .header("cookie", &stolen)
        .send()
        .await?;
    ensure!(api.status() == 401, "{}", api.status());
    for cookie in seen.cookies {
        let api = endpoints
            .get("/ping")
            .bearer_auth(&cookie.value)
            .send()
            .await?;
        ensure!(api.status() == 401, "{}: {}", cookie.name, api.status());
    }
    Ok(())
}

#[tokio::test]
async fn what_a_script_sends_without_a_login_is_refused_and_not_redirected() -> Result<()> {
    let endpoints = Endpoints::shared().await?;
    let rows = [
        ("accept", "application/json"),
        ("x-requested-with", "XMLHttpRequest"),
        ("sec-fetch-mode", "cors"),
        ("upgrade", "websocket"),
    ];
    for (name, value) in rows {
        let request = endpoints.get_ui("/api/ws").header(name, value);
        let answer = request.header("connection", "upgrade").send().await?;
        ensure!(answer.status() == 401, "{name}: {}", answer.status());
    }
    let page = endpoints.get_ui("/api/flows").send().await?;
    ensure!(page.status() == 302, "{}", page.status());
    Ok(())
}

#[tokio::test]
async fn a_login_outlives_its_tokens_by_refreshing_them() -> Result<()> {
    let lifetime = Duration::from_secs(4);
    let endpoints = Endpoints::start(|options| options.token_lifetime = lifetime).await?;
    let ui = endpoints.gateway.ui();
    // Three lifetimes of a token: the page is loaded each second, and never shows the login again.
    let load = json!({"goto": format!("{ui}/api/flows"), "pause": 1000});
    let more = vec![load; 12];
    let seen = logged_in(&endpoints, "/api/flows", &more).await?;
    ensure!(seen.url == format!("{ui}/api/flows"), "{}", seen.url);
    let exps = endpoints
        .recorder
        .asked("/api/flows")
        .into_iter()
        .filter_map(|asked| asked.claims["exp"].as_i64());
    let exps: std::collections::BTreeSet<i64> = exps.collect();
    ensure!(exps.len() >= 3, "the token was not refreshed: {exps:?}");
    Ok(())
}

#[tokio::test]
async fn a_websocket_ends_after_its_lifetime_so_that_it_does_not_outlive_a_login_for_long()
-> Result<()> {
    let lifetime = ["--websocket-lifetime", "2s"].map(str::to_owned);
    let endpoints = Endpoints::start(|options| options.render.extend(lifetime)).await?;
    let seen = logged_in(&endpoints, "/api/flows", &[json!({"hold": "/api/ws"})]).await?;
    ensure!(seen.seen[0] == "ended", "{:?}", seen.seen);
    Ok(())
}

#[tokio::test]
async fn behind_googles_proxy_its_signed_assertion_counts_on_its_host_only_and_its_plain_headers_never()
-> Result<()> {
    let endpoints = Endpoints::shared().await?;
    let mut claims = endpoints.claims();
    claims["iss"] = json!(IAP_ISSUER);
    claims["aud"] = json!(IAP_AUDIENCE);
    let assertion = endpoints.sign(&claims).await?;
    let at = |host: &str| {
        endpoints
            .get("/api/ping")
            .header("host", host)
            .header("x-goog-authenticated-user-email", "root@acme.com")
    };
    let accepted = at(IAP_HOST)
        .header(IAP_ASSERTION_HEADER, &assertion)
        .send()
        .await?;
    ensure!(accepted.status() == 200, "{}", accepted.status());
    ensure!(
        at(IAP_HOST).send().await?.status() == 401,
        "plain headers are enough"
    );
    ensure!(
        at(IAP_HOST).bearer_auth(&assertion).send().await?.status() == 401,
        "it counts in another header"
    );
    let elsewhere = at(API_HOST)
        .header(IAP_ASSERTION_HEADER, &assertion)
        .send()
        .await?;
    ensure!(
        elsewhere.status() == 401,
        "it counts on another host: {}",
        elsewhere.status()
    );
    claims["aud"] = json!("/projects/1234/global/backendServices/9999");
    let other = at(IAP_HOST)
        .header(IAP_ASSERTION_HEADER, endpoints.sign(&claims).await?)
        .send()
        .await?;
    ensure!(
        other.status() == 403,
        "an assertion for another service: {}",
        other.status()
    );
    Ok(())
}
