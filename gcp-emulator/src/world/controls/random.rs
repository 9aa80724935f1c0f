//! Random values from one seed: the same seed and the same requests give the same answers.

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};

/// Derives values from a seed and a counter by SHA-256, so that a token does not reveal the next one.
#[derive(Debug)]
pub(crate) struct Random {
    seed: u64,
    salt: [u8; 32],
    counter: u64,
}

impl Random {
    /// Repeatable for a given seed; without one, seeded by the system's randomness.
    pub(crate) fn new(seed: Option<u64>) -> Self {
        let mut salt = [0; 32];
        if seed.is_none() {
            // Without it tokens are still unique, but can be guessed.
            let system = ring::rand::SystemRandom::new();
            if ring::rand::SecureRandom::fill(&system, &mut salt).is_err() {
                tracing::warn!("no system randomness: tokens can be guessed");
            }
        }
        Self {
            seed: seed.unwrap_or_default(),
            salt,
            counter: 0,
        }
    }

    fn block(&mut self) -> [u8; 32] {
        self.counter += 1;
        let mut hash = Sha256::new();
        hash.update(self.salt);
        hash.update(self.seed.to_be_bytes());
        hash.update(self.counter.to_be_bytes());
        hash.finalize().into()
    }

    /// A number below `bound`; 0 when `bound` is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.block();
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
            .checked_rem(bound)
            .unwrap_or(0)
    }

    /// 21 digits that begin with 1, as Google's unique ids do.
    pub(crate) fn unique_id(&mut self) -> String {
        const TEN_DIGITS: u64 = 10_000_000_000;
        format!(
            "1{:010}{:010}",
            self.below(TEN_DIGITS),
            self.below(TEN_DIGITS)
        )
    }

    /// 256 bits as text, for a bearer token.
    pub(crate) fn secret(&mut self) -> String {
        BASE64URL_NOPAD.encode(&self.block())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_ids_of_21_digits() {
        let mut one = Random::new(Some(7));
        let mut two = Random::new(Some(7));
        let id = one.unique_id();
        assert_eq!(id, two.unique_id());
        assert_eq!(id.len(), 21);
        assert_ne!(id, one.unique_id());
        assert_ne!(Random::new(None).secret(), Random::new(None).secret());
    }
}
