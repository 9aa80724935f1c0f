//! signBlob and signJwt.

use data_encoding::BASE64;
use serde_json::{Value, json};

use super::impersonate;
use super::key::SigningKey;
use crate::api::call::Call;
use crate::api::errors::ApiError;
use crate::world::World;

/// Maximum lifetime of a signed token, in seconds.
const MAX_TOKEN_LIFETIME: i64 = 12 * 3_600;

/// `POST /v1/projects/-/serviceAccounts/{name}:signBlob`
///
/// # Errors
/// 400 for a payload that is not base64, 401 or 403 for the caller, 404 for an unknown account; 501 for IAM's deprecated
/// method of the same name, whose body has `bytesToSign`.
pub(crate) fn sign_blob(
    world: &mut World,
    call: &Call,
    project: &str,
    name: &str,
) -> Result<Value, ApiError> {
    if call.field("bytesToSign").is_some() {
        return Err(ApiError::unimplemented(
            "gcp-emulator does not emulate IAM's deprecated signBlob, only that of IAM credentials",
        ));
    }
    call.check_known(&[], &["payload", "delegates", "name"])?;
    let payload = BASE64.decode(call.text("payload").as_bytes());
    let payload = payload.map_err(|error| {
        ApiError::invalid(format!(
            "Invalid value at 'payload' (TYPE_BYTES), Base64 decoding failed: {error}"
        ))
    })?;
    impersonate(world, call, project, name, "iam.serviceAccounts.signBlob")?;
    let key = SigningKey::get()?;
    let signature = key.sign(&payload)?;
    Ok(json!({"keyId": key.id, "signedBlob": BASE64.encode(&signature)}))
}

/// `POST /v1/projects/-/serviceAccounts/{name}:signJwt`
///
/// # Errors
/// 400 for claims that are not an object, or whose `exp` is in the past or more than 12 hours away; else as [`sign_blob`].
pub(crate) fn sign_jwt(
    world: &mut World,
    call: &Call,
    project: &str,
    name: &str,
) -> Result<Value, ApiError> {
    call.check_known(&[], &["payload", "delegates", "name"])?;
    let payload = call.text("payload");
    check_claims(&payload, world.clock.token_now().as_second())?;
    impersonate(world, call, project, name, "iam.serviceAccounts.signJwt")?;
    let key = SigningKey::get()?;
    Ok(json!({"keyId": key.id, "signedJwt": key.token(&payload)?}))
}

fn check_claims(payload: &str, now: i64) -> Result<(), ApiError> {
    let claims: Value = serde_json::from_str(payload).unwrap_or_default();
    let Some(claims) = claims.as_object() else {
        return Err(ApiError::invalid(
            "The payload must be a JSON object that has the claims.",
        ));
    };
    let Some(expires) = claims.get("exp") else {
        return Ok(());
    };
    let in_range = expires
        .as_i64()
        .is_some_and(|at| at > now && at <= now + MAX_TOKEN_LIFETIME);
    match in_range {
        true => Ok(()),
        false => Err(ApiError::invalid(
            "The claim exp must be an integer timestamp that is not in the past and at most 12 hours in the future.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_must_be_an_object_that_expires_within_twelve_hours_or_never() {
        for good in ["{}", r#"{"exp": 1001}"#, r#"{"exp": 44200}"#] {
            assert!(check_claims(good, 1_000).is_ok(), "{good}");
        }
        for bad in [
            "",
            "[]",
            r#"{"exp": 1000}"#,
            r#"{"exp": 44201}"#,
            r#"{"exp": "1001"}"#,
        ] {
            assert!(check_claims(bad, 1_000).is_err(), "{bad}");
        }
    }
}
