//! The claims of a token. Envoy has verified its signature, issuer, audience and time; what decides who somebody is is checked here
//! again, so that an error in Envoy's configuration does not let anybody in.

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Map, Value};

/// How far the issuer's clock may be away from ours, in seconds.
const SKEW: i64 = 60;

/// Why claims are not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Envoy passed no claims, or several.
    #[error("the request has no verified claims")]
    Missing,
    /// They are not a JSON object in base64url.
    #[error("its claims are not readable")]
    Unreadable,
    /// A claim is missing, or has another type.
    #[error("it has no proper claim {0}")]
    Claim(String),
    /// No issuer of gateway.yaml.
    #[error("its issuer is not in gateway.yaml")]
    Issuer,
    /// Not for the gateway.
    #[error("it is for another audience")]
    Audience,
    /// For several audiences, and the one that asked for it is not the gateway's.
    #[error(
        "it is for several audiences, and the authorized party (azp) is not one that is accepted"
    )]
    SeveralAudiences,
    /// It has expired.
    #[error("it has expired")]
    Expired,
    /// It is not valid yet.
    #[error("it is not valid yet")]
    NotYetValid,
    /// The e-mail address is not verified.
    #[error("its issuer has not verified the e-mail address")]
    Unverified,
    /// The e-mail address is of another domain.
    #[error("its e-mail address is of a domain that is not accepted")]
    Domain,
}

/// The claims of a token that Envoy verified.
#[derive(Debug)]
pub struct Token(Map<String, Value>);

impl Token {
    /// Reads the header that Envoy sets: the claims, in base64url with or without padding.
    ///
    /// # Errors
    /// It is not readable.
    pub fn read(header: &[u8]) -> Result<Self, TokenError> {
        let unpadded = header
            .strip_suffix(b"==")
            .or_else(|| header.strip_suffix(b"="))
            .unwrap_or(header);
        let text = BASE64URL_NOPAD
            .decode(unpadded)
            .map_err(|_| TokenError::Unreadable)?;
        serde_json::from_slice(&text)
            .map(Self)
            .map_err(|_| TokenError::Unreadable)
    }

    /// A claim.
    pub(super) fn claim(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// A claim that is text, and not empty.
    pub(super) fn text(&self, name: &str) -> Result<&str, TokenError> {
        let text = self.claim(name).and_then(Value::as_str);
        text.filter(|text| !text.is_empty())
            .ok_or_else(|| TokenError::Claim(name.to_owned()))
    }

    pub(super) fn issuer(&self) -> Result<&str, TokenError> {
        self.text("iss")
    }

    /// Requires `exp`, and that the token is valid now.
    pub(super) fn check_times(&self, now: i64) -> Result<(), TokenError> {
        let expires = self.time("exp")?;
        let expires = expires.ok_or_else(|| TokenError::Claim("exp".to_owned()))?;
        if expires + SKEW <= now {
            return Err(TokenError::Expired);
        }
        match self.time("nbf")? {
            Some(begins) if begins > now + SKEW => Err(TokenError::NotYetValid),
            _ => Ok(()),
        }
    }

    /// A time in seconds since 1970; some issuers write fractions.
    fn time(&self, name: &str) -> Result<Option<i64>, TokenError> {
        /// Times outside are not times.
        const YEAR_9999: f64 = 253_402_300_799.0;
        let Some(value) = self.claim(name) else {
            return Ok(None);
        };
        let seconds = value.as_f64().filter(|s| (0.0..=YEAR_9999).contains(s));
        let seconds = seconds.ok_or_else(|| TokenError::Claim(name.to_owned()))?;
        #[expect(clippy::cast_possible_truncation, reason = "checked above")]
        Ok(Some(seconds as i64))
    }

    /// Requires one of these audiences. With several audiences, whoever else is among them could use the token too, so it must have
    /// been issued to an accepted one.
    pub(super) fn check_audience(&self, accepted: &[String]) -> Result<(), TokenError> {
        let is_accepted = |audience: &str| accepted.iter().any(|a| a == audience);
        let audiences = match self.claim("aud") {
            Some(Value::String(audience)) => vec![audience.as_str()],
            Some(Value::Array(audiences)) => audiences
                .iter()
                .map(|audience| audience.as_str().ok_or(TokenError::Audience))
                .collect::<Result<_, _>>()?,
            _ => return Err(TokenError::Claim("aud".to_owned())),
        };
        if !audiences.iter().copied().any(is_accepted) {
            return Err(TokenError::Audience);
        }
        let is_for_us = audiences.len() == 1 || self.text("azp").is_ok_and(is_accepted);
        is_for_us.then_some(()).ok_or(TokenError::SeveralAudiences)
    }
}
