//! Fingerprints of what a container runs, short enough for a resolution.

use sha2::{Digest, Sha256};

/// Bytes of the hash that are kept: 128 bits, for which no second text can be found.
const KEPT_BYTES: usize = 16;

/// A fingerprint of these texts in this order. It also covers where one text ends and the next begins.
pub fn fingerprint<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    let hash = hash.finalize();
    let kept = hash.get(..KEPT_BYTES).unwrap_or(&hash);
    data_encoding::BASE64URL_NOPAD.encode(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_covers_the_texts_and_where_each_ends() {
        assert_eq!(fingerprint([]), "47DEQpj8HBSa-_TImW-5JA");
        assert_eq!(fingerprint(["ab", "c"]), fingerprint(["ab", "c"]));
        assert_ne!(fingerprint(["ab", "c"]), fingerprint(["a", "bc"]));
        assert_ne!(fingerprint(["ab"]), fingerprint(["ab", ""]));
        assert_ne!(fingerprint(["a", "b"]), fingerprint(["b", "a"]));
    }
}
