//! STS: exchanges Kubernetes tokens for federated access tokens, and introspects them.

mod verify;

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::api::call::Call;
use crate::api::caller::split_scopes;
use crate::api::errors::{ApiError, ErrorFormat};
use crate::api::principal::{Principal, pool_name};
use crate::world::World;
use crate::world::controls::quotas::Quota;
use crate::world::pools::Issuer;

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const SUBJECT_TYPES: [&str; 2] = [
    "urn:ietf:params:oauth:token-type:jwt",
    "urn:ietf:params:oauth:token-type:id_token",
];
const LIFETIME: SignedDuration = SignedDuration::from_secs(3_599);

/// `POST /v1/token`, as form or JSON, in snake or camel case.
///
/// # Errors
/// OAuth errors in STS's words.
pub(crate) fn exchange(world: &mut World, call: &Call) -> Result<Value, ApiError> {
    try_exchange(world, call).map_err(|error| error.in_format(ErrorFormat::OAuth))
}

fn try_exchange(world: &mut World, call: &Call) -> Result<Value, ApiError> {
    let field = |name: &str| call.text(name);
    if field("grantType") != GRANT_TYPE {
        return Err(invalid_request("Invalid value for \"grant_type\"."));
    }
    if field("requestedTokenType") != ACCESS_TOKEN {
        return Err(invalid_request(
            "Invalid value of requested_token_type in request.",
        ));
    }
    if !SUBJECT_TYPES.contains(&field("subjectTokenType").as_str()) {
        return Err(invalid_request("Invalid value for \"subject_token_type\"."));
    }
    let audience = field("audience");
    let (pool, issuer) = parse_audience(world, &audience)?;
    let scopes = split_scopes(&field("scope"));
    if scopes.is_empty() {
        return Err(invalid_request("Scope(s) must be provided."));
    }
    let token = field("subjectToken");
    // Token files often end with a newline, which clients do not remove.
    let token = token.trim();
    if token.is_empty() {
        return Err(invalid_request("Invalid value for \"subject_token\"."));
    }
    let number = world
        .visible_pool_number(&pool)
        .ok_or_else(invalid_target)?;
    world.take_quota(Quota::Sts, &number.to_string())?;
    let federated = verify::verify(world, &pool, number, &issuer, token)?;
    let principal = Principal::Federated(Arc::new(federated));
    let (token, _) = world.issue_token(principal, scopes, LIFETIME);
    Ok(json!({
        "access_token": token,
        "issued_token_type": ACCESS_TOKEN,
        "token_type": "Bearer",
        "expires_in": LIFETIME.as_secs(),
    }))
}

/// `POST /v1/introspect`: describes a federated token. gcloud uses it to get the name of the principal.
///
/// # Errors
/// 400 without a token.
pub(crate) fn introspect(world: &mut World, call: &Call) -> Result<Value, ApiError> {
    let token = call.text("token");
    if token.is_empty() {
        return Err(invalid_request("Invalid value for \"token\"."));
    }
    let grant = world.tokens.get(&token, world.clock.token_now());
    let Some((grant, Principal::Federated(federated))) =
        grant.map(|grant| (grant, &grant.principal))
    else {
        return Ok(json!({"active": false}));
    };
    Ok(json!({
        "active": true,
        "iss": "https://sts.googleapis.com/",
        "sub": federated.id,
        "username": federated.id,
        "scope": grant.scopes.join(" "),
        "iat": grant.issued.as_second(),
        "exp": grant.expires.as_second(),
    }))
}

fn invalid_request(description: &str) -> ApiError {
    ApiError::oauth("invalid_request", description)
}

fn invalid_target() -> ApiError {
    ApiError::oauth(
        "invalid_target",
        "The target service indicated by the \"audience\" parameters is invalid. This might either be because the \
         pool or provider is disabled or deleted or because it doesn't exist.",
    )
}

fn invalid_grant(description: impl Into<String>) -> ApiError {
    ApiError::oauth("invalid_grant", description)
}

/// The pool and the issuer in the audience of an exchange.
fn parse_audience(world: &World, audience: &str) -> Result<(String, String), ApiError> {
    if let Some(rest) = audience.strip_prefix("identitynamespace:") {
        let (pool, issuer) = rest
            .split_once(':')
            .ok_or_else(|| invalid_request("Invalid value for \"audience\"."))?;
        let trusted = world
            .pools
            .get(pool)
            .is_some_and(|pool| pool.issuers.contains_key(issuer));
        return match trusted {
            true => Ok((pool.to_owned(), issuer.to_owned())),
            false => Err(invalid_target()),
        };
    }
    if !audience.starts_with("//iam.googleapis.com/") {
        return Err(invalid_request("Invalid value for \"audience\"."));
    }
    for (name, pool) in &world.pools {
        for (url, issuer) in &pool.issuers {
            if provider_name(pool.number, name, issuer)
                .is_some_and(|known| format!("//{known}") == audience)
            {
                return Ok((name.clone(), url.clone()));
            }
        }
    }
    Err(invalid_target())
}

fn provider_name(number: u64, pool: &str, issuer: &Issuer) -> Option<String> {
    let provider = issuer.provider.as_ref()?;
    Some(format!("{}/providers/{provider}", pool_name(number, pool)))
}
