//! Refusals by the API server.

use anyhow::{Result, bail, ensure};

/// A refusal: code and message as the client sees them.
#[derive(Debug)]
pub struct Refused {
    /// HTTP status.
    pub code: u16,
    /// What the client shows.
    pub message: String,
}

/// The refusal in a result that must be one.
///
/// # Errors
/// The request was accepted, or failed without a response of the API server.
pub fn refused<T: std::fmt::Debug>(result: kube::Result<T>) -> Result<Refused> {
    match result {
        Ok(object) => bail!("this should have been refused, but was accepted: {object:?}"),
        Err(kube::Error::Api(status)) => Ok(Refused {
            code: status.code,
            message: status.message.clone(),
        }),
        Err(other) => bail!("neither accepted nor refused: {other}"),
    }
}

impl Refused {
    /// Checks the code.
    ///
    /// # Errors
    /// It is a different one.
    pub fn with_code(self, code: u16) -> Result<Self> {
        ensure!(
            self.code == code,
            "refused with {} instead of {code}: {}",
            self.code,
            self.message
        );
        Ok(self)
    }

    /// Checks that the message contains this.
    ///
    /// # Errors
    /// It does not.
    pub fn with_message(self, part: &str) -> Result<Self> {
        ensure!(
            self.message.contains(part),
            "the refusal ({}) does not say {part:?}: {}",
            self.code,
            self.message
        );
        Ok(self)
    }
}
