//! Login of people in a browser: OpenID Connect with authorization code and PKCE.

use namesake_api::names;
use serde_json::{Map, Value, json};

use crate::{
    config::{Host, Login},
    render::{Context, RenderError, clusters::cluster_of, secrets},
};

/// Lifetimes if the issuer names none.
const ACCESS_LIFETIME: &str = "3600s";
const REFRESH_LIFETIME: &str = "86400s";

/// The filter's cookies, by their keys in Envoy's configuration.
const COOKIES: [(&str, &str); 7] = [
    ("bearer_token", "access"),
    ("oauth_hmac", "signature"),
    ("oauth_expires", "expires"),
    ("id_token", "identity"),
    ("refresh_token", "refresh"),
    ("oauth_nonce", "nonce"),
    ("code_verifier", "verifier"),
];

/// The login of a host; none where nobody logs in, or where a proxy in front does it.
pub(super) fn of_host(context: &Context<'_>, host: &Host) -> Result<Option<Value>, RenderError> {
    let issuer = host
        .login
        .as_deref()
        .and_then(|name| context.config.issuer(name));
    let Some((
        issuer,
        Some(Login::Oidc {
            client_id,
            secret_name,
            scopes,
        }),
    )) = issuer.map(|issuer| (issuer, issuer.login.as_ref()))
    else {
        return Ok(None);
    };
    let endpoints = context.endpoints(&issuer.name)?;
    let missing = |endpoint| RenderError::NoEndpoint {
        issuer: issuer.name.clone(),
        endpoint,
    };
    let authorization = endpoints
        .authorization
        .as_ref()
        .ok_or_else(|| missing("authorization"))?;
    let token = endpoints.token.as_ref().ok_or_else(|| missing("token"))?;
    let default_scopes = ["openid".to_owned(), "email".to_owned()];
    let scopes = if scopes.is_empty() {
        &default_scopes[..]
    } else {
        scopes
    };
    let mut config = json!({
        "authorization_endpoint": authorization,
        "token_endpoint": {"uri": token, "cluster": cluster_of(token)?, "timeout": "10s"},
        "redirect_uri": format!("{}{}", origin(context, host), names::LOGIN_PATH),
        "redirect_path_matcher": {"path": {"exact": names::LOGIN_PATH}},
        "signout_path": {"path": {"exact": names::LOGOUT_PATH}},
        "allowed_redirect_domains": [host.name],
        "credentials": credentials(context, client_id, secret_name),
        "cookie_configs": each_cookie(|_| ("_cookie_config".to_owned(), json!({"same_site": "LAX"}))),
        "auth_scopes": scopes,
        "use_refresh_token": true,
        "default_expires_in": ACCESS_LIFETIME,
        "default_refresh_token_expires_in": REFRESH_LIFETIME,
        // Only the id token says who somebody is.
        "disable_access_token_set_cookie": true,
        "forward_id_token": {"header": names::LOGIN_TOKEN_HEADER},
        "deny_redirect_matcher": not_a_page(),
    });
    if let Some(end_session) = &endpoints.end_session {
        config["end_session_endpoint"] = json!(end_session);
        config["post_logout_redirect_uri"] = json!({"uri": format!("{}/", origin(context, host))});
    }
    Ok(Some(json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.oauth2.v3.OAuth2PerRoute",
        "config": config,
    })))
}

fn credentials(context: &Context<'_>, client_id: &str, secret_name: &str) -> Value {
    let secret = |key| secrets::login(secret_name, key, context.options);
    json!({
        "client_id": client_id,
        "token_secret": secret(names::CLIENT_SECRET_KEY),
        "hmac_secret": secret(names::COOKIE_SECRET_KEY),
        "cookie_names": each_cookie(|name| (String::new(), json!(format!("{}{name}", names::COOKIE_PREFIX)))),
    })
}

/// The address of a host, as people write it.
fn origin(context: &Context<'_>, host: &Host) -> String {
    match context.options.public_port {
        443 => format!("https://{}", host.name),
        port => format!("https://{}:{port}", host.name),
    }
}

fn each_cookie(value: impl Fn(&str) -> (String, Value)) -> Map<String, Value> {
    let entry = |(key, name): (&str, &str)| {
        let (suffix, value) = value(name);
        (format!("{key}{suffix}"), value)
    };
    COOKIES.into_iter().map(entry).collect()
}

/// What a script or a program sends gets 401: it could not follow a redirect to a login page.
fn not_a_page() -> Value {
    json!([
        {"name": ":method", "string_match": {"exact": "GET"}, "invert_match": true},
        {"name": "accept", "string_match": {"contains": "application/json"}},
        {"name": "x-requested-with", "present_match": true},
        {"name": "upgrade", "present_match": true},
        {"name": "sec-fetch-mode", "string_match": {"safe_regex": {"regex": "cors|no-cors|same-origin|websocket"}}},
    ])
}
