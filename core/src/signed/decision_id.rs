//! Decision ids: eight characters that people can read out, from a message to the line of the log about the same decision.

use std::fmt;

use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};
use sha2::{Digest, Sha256};

/// Characters of an id.
const LENGTH: usize = 8;
/// Bytes of an id: eight characters of base32.
const BYTES: usize = 5;
/// What is hashed before the UID of a review.
const REVIEW_TAG: &[u8] = b"namesake/decision/v1\0";

/// Names one decision: 40 bits in base32 (`a-z2-7`). It is not a secret, and proves nothing. Among a million decisions it is likely
/// that none or only two have the same one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DecisionId([u8; LENGTH]);

impl DecisionId {
    /// The id of a decision that is signed: the first 40 bits of the MAC of its stamp or resolution. `None` for other text.
    #[must_use]
    pub fn of_signed(text: &str) -> Option<Self> {
        let (_, mac) = text.rsplit_once('.')?;
        // Eight characters of base64url are six bytes.
        let mut bytes = [0; BYTES + 1];
        let first = mac.as_bytes().get(..8)?;
        BASE64URL_NOPAD.decode_mut(first, &mut bytes).ok()?;
        Some(Self::of_bytes(&bytes))
    }

    /// The id of a decision that is not signed, such as a refusal: the first 40 bits of SHA-256 over a tag and the UID of the review.
    /// The API server draws a new UID for each call of a webhook, and the log has it.
    #[must_use]
    pub fn of_review(uid: &str) -> Self {
        let hash = Sha256::new_with_prefix(REVIEW_TAG).chain_update(uid);
        Self::of_bytes(&hash.finalize())
    }

    /// The id as it is printed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Its characters are ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    fn of_bytes(bytes: &[u8]) -> Self {
        let mut id = [0; LENGTH];
        BASE32_NOPAD.encode_mut(&bytes[..BYTES], &mut id);
        id.make_ascii_lowercase();
        Self(id)
    }
}

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64URL_NOPAD;

    use super::*;

    #[test]
    fn the_id_of_a_signed_decision_is_the_beginning_of_its_mac() {
        let mac = BASE64URL_NOPAD.encode(&[0xe5, 0x34, 0x9f, 0x0e, 0x1b, 1, 2, 3]);
        let id = DecisionId::of_signed(&format!("v2.k1.epoch.payload.{mac}")).unwrap();
        assert_eq!(id.to_string(), "4u2j6dq3");
        assert_eq!(
            id.as_str().to_uppercase(),
            BASE32_NOPAD.encode(&[0xe5, 0x34, 0x9f, 0x0e, 0x1b])
        );
    }

    #[test]
    fn text_that_is_not_signed_has_no_id_and_does_not_panic() {
        for text in [
            "",
            ".",
            "no dots",
            "v2.k.e.p.short",
            "v2.k.e.p.!!!!!!!!",
            "v2.k.e.p.\u{e9}\u{e9}\u{e9}\u{e9}",
        ] {
            assert_eq!(DecisionId::of_signed(text), None, "{text}");
        }
    }

    #[test]
    fn each_review_has_an_id_of_its_own_and_always_the_same() {
        let uid = "705ab4f5-6393-11e8-b7cc-42010a800002";
        assert_eq!(DecisionId::of_review(uid), DecisionId::of_review(uid));
        assert_ne!(DecisionId::of_review(uid), DecisionId::of_review("u-1"));
        let id = DecisionId::of_review(uid).to_string();
        assert!(
            id.len() == LENGTH && id.bytes().all(|c| matches!(c, b'a'..=b'z' | b'2'..=b'7')),
            "{id}"
        );
    }
}
