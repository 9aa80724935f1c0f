//! Who sent a request, by the header of claims that Envoy set.

use axum::http::HeaderMap;
use namesake_api::names::CLAIMS_HEADER;
use namesake_core::{Refusal, Rules};

use crate::caller::{self, Caller, Token, TokenError, refuse_token};
use crate::state::State;

/// Finds out who sent the request.
///
/// # Errors
/// It has no acceptable claims, or they prove nobody whom the rules know.
pub(super) fn identify(
    state: &State,
    rules: &Rules,
    headers: &HeaderMap,
) -> Result<Caller, Refusal> {
    let mut values = headers.get_all(CLAIMS_HEADER).iter();
    let token = match (values.next(), values.next()) {
        (Some(claims), None) => Token::read(claims.as_bytes()),
        _ => Err(TokenError::Missing),
    };
    let token = token.map_err(|error| refuse_token(&error))?;
    caller::identify(
        &token,
        &state.config,
        rules,
        state.now(),
        |namespace, name| {
            let known = state.identities.get(namespace, name);
            known.filter(|known| *known.stack == *rules.stack())
        },
    )
}
