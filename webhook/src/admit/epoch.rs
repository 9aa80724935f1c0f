//! Generates epochs.

use data_encoding::BASE32_NOPAD;
use namesake_core::Reason;

use crate::review::refused::Refused;

/// Random bytes of an epoch: enough that they cannot be guessed and do not repeat.
const RANDOM_BYTES: usize = 16;

/// A new epoch, in lower-case letters and digits.
///
/// # Errors
/// When the operating system returns no random bytes.
pub(crate) fn generate() -> Result<String, Refused> {
    let mut bytes = [0; RANDOM_BYTES];
    let random = rustls::crypto::ring::default_provider().secure_random;
    if random.fill(&mut bytes).is_err() {
        return Err(Refused::new(
            Reason::NoRandomBytes,
            "the namespace cannot be opted in: the operating system returned no random bytes to the webhook; try again",
        ));
    }
    Ok(BASE32_NOPAD.encode(&bytes).to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use namesake_core::is_epoch;

    use super::*;

    #[test]
    fn no_epoch_is_generated_twice() {
        let (one, other) = (generate().unwrap(), generate().unwrap());
        assert!(is_epoch(&one), "{one}");
        assert_ne!(one, other);
    }
}
