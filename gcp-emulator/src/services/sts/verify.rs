//! Verifies subject tokens: signature, issuer, audience and times.

use super::{invalid_grant, invalid_request, invalid_target, provider_name};
use crate::api::errors::ApiError;
use crate::api::principal::Federated;
use crate::policy::refusals;
use crate::world::World;
use crate::world::jwt::{self, Claims};
use crate::world::pools::Issuer;

/// Maximum age of a subject token, in seconds.
const MAX_AGE: i64 = 86_400;
/// Tolerated clock skew, in seconds (assumed).
const SKEW: i64 = 60;
/// Maximum length of a subject, in bytes.
const MAX_SUBJECT: usize = 127;

/// Verifies a subject token and returns its principal. The checks are in the order in which Google seems to make them
/// (assumed).
///
/// # Errors
/// OAuth errors in STS's words.
pub(super) fn verify(
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
    refusals::check_subject(world, &claims.sub)?;
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
