//! `GET /tokeninfo?access_token=…` and `GET /v1/userinfo`: the principal of a token.

use serde_json::{Value, json};

use crate::api::call::Call;
use crate::api::errors::ApiError;
use crate::api::principal::Principal;
use crate::world::World;

/// Describes a token. For a federated token, which Google's tokeninfo does not describe, `email` and `sub` are the principal
/// identifier.
///
/// # Errors
/// 400 `invalid_token` for a token that is unknown, expired or of a disabled account.
pub(crate) fn tokeninfo(world: &mut World, call: &Call) -> Result<Value, ApiError> {
    let posted = call.text("accessToken");
    let token = call.parameter("access_token").unwrap_or(&posted);
    let now = world.clock.token_now();
    let grant = world.tokens.get(token, now).cloned();
    let Some(grant) = grant.filter(|grant| world.is_active(&grant.principal)) else {
        return Err(ApiError::oauth("invalid_token", "Invalid Value"));
    };
    let name = grant.principal.name();
    let subject = subject(&grant.principal);
    Ok(json!({
        "azp": subject,
        "aud": subject,
        "sub": subject,
        "scope": grant.scopes.join(" "),
        "exp": grant.expires.as_second().to_string(),
        "expires_in": grant.expires.duration_since(now).as_secs().to_string(),
        "email": name,
        "email_verified": "true",
        "access_type": "online",
    }))
}

/// Describes the caller, as OpenID Connect's userinfo endpoint does.
///
/// # Errors
/// 401 without a valid token.
pub(crate) fn userinfo(world: &World, call: &Call) -> Result<Value, ApiError> {
    let Some(principal) = world.authenticated(&call.caller)? else {
        return Err(ApiError::credentials_missing());
    };
    Ok(json!({
        "sub": subject(principal),
        "email": principal.name(),
        "email_verified": true,
    }))
}

fn subject(principal: &Principal) -> &str {
    match principal {
        Principal::ServiceAccount { uid, .. } => uid,
        _ => principal.name(),
    }
}
