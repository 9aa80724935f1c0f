//! Draws epochs.

use data_encoding::BASE32_NOPAD;

use crate::review::reason::RefusalReason;
use crate::review::verdict::Refused;

/// Random bytes of an epoch: nobody guesses one, and none is drawn twice.
const RANDOM_BYTES: usize = 16;

/// A new epoch, in lower-case letters and digits.
///
/// # Errors
/// When the operating system gives no random bytes.
pub(crate) fn draw() -> Result<String, Refused> {
    let mut bytes = [0; RANDOM_BYTES];
    let random = rustls::crypto::ring::default_provider().secure_random;
    if random.fill(&mut bytes).is_err() {
        return Err(Refused::later(
            RefusalReason::NotOptedIn,
            "the namespace cannot be opted in: the operating system gives the webhook no random bytes; try again".to_owned(),
        ));
    }
    Ok(BASE32_NOPAD.encode(&bytes).to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use namesake_core::is_epoch;

    use super::*;

    #[test]
    fn no_epoch_is_drawn_twice() {
        let (one, other) = (draw().unwrap(), draw().unwrap());
        assert!(is_epoch(&one), "{one}");
        assert_ne!(one, other);
    }
}
