//! People: the token of an issuer of gateway.yaml becomes a requester, as the API server would see it.

use namesake_core::Requester;
use serde_json::Value;

use super::token::{Token, TokenError};
use crate::config::Issuer;

/// The requester that the claims prove.
///
/// # Errors
/// A claim is missing or of another type, or the e-mail address is not verified or of another domain.
pub(super) fn requester(token: &Token, issuer: &Issuer) -> Result<Requester, TokenError> {
    token.text("sub")?;
    let name = token.text(&issuer.username.claim)?;
    let is_verified = token.claim("email_verified") == Some(&Value::Bool(true));
    if issuer.requires_verified_email() && !is_verified {
        return Err(TokenError::Unverified);
    }
    check_domain(name, &issuer.domains)?;
    Ok(Requester {
        username: format!("{}{name}", issuer.username.prefix),
        groups: groups(token, issuer)?,
        // Only the API server's own tokens have one: nobody becomes a service account by a name in a claim.
        has_credential_id: false,
    })
}

fn check_domain(name: &str, accepted: &[String]) -> Result<(), TokenError> {
    let domain = name.rsplit_once('@').map(|(_, domain)| domain);
    let is_accepted = |accepted: &String| domain.is_some_and(|d| d.eq_ignore_ascii_case(accepted));
    if accepted.is_empty() || accepted.iter().any(is_accepted) {
        return Ok(());
    }
    Err(TokenError::Domain)
}

/// The groups, of which a token may have none, one as text, or a list.
fn groups(token: &Token, issuer: &Issuer) -> Result<Vec<String>, TokenError> {
    let Some(claim) = &issuer.groups else {
        return Ok(Vec::new());
    };
    let invalid = || TokenError::Claim(claim.claim.clone());
    let group = |value: &Value| {
        let group = value.as_str().ok_or_else(invalid)?;
        Ok(format!("{}{group}", claim.prefix))
    };
    match token.claim(&claim.claim) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(values)) => values.iter().map(group).collect(),
        Some(value) => Ok(vec![group(value)?]),
    }
}
