//! generateIdToken.

use serde_json::{Value, json};

use super::key::SigningKey;
use super::{email_and_uid, impersonate};
use crate::api::call::Call;
use crate::api::errors::ApiError;
use crate::world::World;

/// Lifetime of an ID token, in seconds.
const LIFETIME: i64 = 3_600;

/// `POST /v1/projects/-/serviceAccounts/{name}:generateIdToken`
///
/// # Errors
/// 400 without an audience, 401 or 403 for the caller, 404 for an unknown account.
pub(crate) fn generate_id_token(
    world: &mut World,
    call: &Call,
    project: &str,
    name: &str,
) -> Result<Value, ApiError> {
    call.check_known(&[], &["audience", "includeEmail", "delegates", "name"])?;
    let audience = call.text("audience");
    if audience.is_empty() {
        return Err(ApiError::invalid("audience must be specified."));
    }
    let permission = "iam.serviceAccounts.getOpenIdToken";
    let principal = impersonate(world, call, project, name, permission)?;
    let (email, uid) = email_and_uid(&principal);
    let now = world.clock.token_now().as_second();
    let mut claims = json!({
        "aud": audience, "azp": uid, "sub": uid, "iss": "https://accounts.google.com",
        "iat": now, "exp": now + LIFETIME,
    });
    let include_email = call.field("includeEmail").and_then(Value::as_bool);
    if let (Some(true), Some(claims)) = (include_email, claims.as_object_mut()) {
        claims.insert("email".to_owned(), json!(email));
        claims.insert("email_verified".to_owned(), json!(true));
    }
    Ok(json!({"token": SigningKey::get()?.token(&claims.to_string())?}))
}
