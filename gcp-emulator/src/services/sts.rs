//! STS: a Kubernetes token in, a federated access token out, and what such a token is worth.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::api::call::Call;
use crate::api::caller::split_scopes;
use crate::api::errors::{ApiError, Shape};
use crate::api::principal::{Federated, Principal, pool_name};
use crate::policy::refusals;
use crate::world::World;
use crate::world::controls::quotas::Quota;
use crate::world::jwt::{self, Claims};
use crate::world::pools::Issuer;

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const SUBJECT_TYPES: [&str; 2] = [
    "urn:ietf:params:oauth:token-type:jwt",
    "urn:ietf:params:oauth:token-type:id_token",
];
/// A subject token older than this is stale, in seconds.
const MAX_AGE: i64 = 86_400;
/// Clocks may differ by this much, in seconds (assumed).
const SKEW: i64 = 60;
const MAX_SUBJECT: usize = 127;
const LIFETIME: SignedDuration = SignedDuration::from_secs(3_599);

/// `POST /v1/token`, form or JSON, snake or camel case.
///
/// # Errors
/// OAuth errors as STS words them.
pub(crate) fn exchange(world: &mut World, call: &Call) -> Result<Value, ApiError> {
    exchanged(world, call).map_err(|error| error.shaped(Shape::OAuth))
}

fn exchanged(world: &mut World, call: &Call) -> Result<Value, ApiError> {
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
    // Token files often end in a newline, which no client trims.
    let token = token.trim();
    if token.is_empty() {
        return Err(invalid_request("Invalid value for \"subject_token\"."));
    }
    let number = world.pool_visible(&pool).ok_or_else(invalid_target)?;
    let (now, limits) = (world.clock.now(), world.settings.limits.clone());
    world.quotas.take(Quota::Sts, number, &limits, now)?;
    let federated = verify(world, &pool, number, &issuer, token)?;
    let principal = Principal::Federated(Arc::new(federated));
    let issued = world.clock.token_now();
    let (token, _) = world
        .tokens
        .issue(&mut world.random, principal, scopes, LIFETIME, issued);
    Ok(json!({
        "access_token": token,
        "issued_token_type": ACCESS_TOKEN,
        "token_type": "Bearer",
        "expires_in": LIFETIME.as_secs(),
    }))
}

/// `POST /v1/introspect`: what a federated token is worth. gcloud asks this to learn the name of such a bearer.
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

/// Pool and issuer that an STS audience names.
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

/// Signature, issuer, audience and times, in the order in which Google seems to look at them (assumed).
fn verify(
    world: &World,
    pool: &str,
    number: u64,
    issuer_url: &str,
    token: &str,
) -> Result<Federated, ApiError> {
    let claims = jwt::claims(token).map_err(invalid_grant)?;
    let issuer = world
        .pools
        .get(pool)
        .and_then(|pool| pool.issuers.get(issuer_url))
        .ok_or_else(invalid_target)?;
    if claims.iss != issuer_url {
        return Err(invalid_grant(format!(
            "The issuer in ID Token {} does not match the expected ones: {issuer_url}",
            claims.iss
        )));
    }
    issuer.keys.verify(token).map_err(invalid_grant)?;
    check_audience(&claims, pool, number, issuer)?;
    check_times(&claims, world.clock.token_now().as_second())?;
    refusals::of_subject(world, &claims.sub)?;
    if issuer.provider.is_some() {
        if claims.sub.len() > MAX_SUBJECT {
            return Err(invalid_request(
                "The size of mapped attribute google.subject exceeds the 127 bytes limit. Either modify your attribute \
                 mapping or the incoming assertion to produce a mapped attribute that is less than 127 bytes.",
            ));
        }
        return Ok(Federated::subject(pool, number, &claims.sub));
    }
    let Some(kubernetes) = &claims.kubernetes else {
        return Err(invalid_grant(
            "The ID Token is not that of a Kubernetes service account.",
        ));
    };
    let account = &kubernetes.serviceaccount;
    Ok(Federated::kubernetes(
        pool,
        number,
        &kubernetes.namespace,
        &account.name,
        &account.uid,
        issuer_url,
    ))
}

fn check_audience(
    claims: &Claims,
    pool: &str,
    number: u64,
    issuer: &Issuer,
) -> Result<(), ApiError> {
    let expected = match provider_name(number, pool, issuer) {
        Some(name) if issuer.allowed_audiences.is_empty() => {
            vec![format!("//{name}"), format!("https://{name}")]
        }
        Some(_) => issuer.allowed_audiences.clone(),
        None => vec![pool.to_owned()],
    };
    if claims
        .audiences()
        .iter()
        .any(|audience| expected.contains(audience))
    {
        return Ok(());
    }
    Err(invalid_grant(format!(
        "The audience in ID Token [{}] does not match the expected audience.",
        claims.audiences().join(", ")
    )))
}

fn check_times(claims: &Claims, now: i64) -> Result<(), ApiError> {
    let stale = claims.exp <= now - SKEW || claims.iat < now - MAX_AGE;
    if stale {
        return Err(invalid_grant(format!(
            "ID Token issued at {} is stale to sign-in.",
            claims.iat
        )));
    }
    let begins = claims.nbf.unwrap_or(claims.iat).max(claims.iat);
    if begins > now + SKEW {
        return Err(invalid_grant(format!(
            "ID Token issued at {begins} is issued in the future."
        )));
    }
    Ok(())
}
