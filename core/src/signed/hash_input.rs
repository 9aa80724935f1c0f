//! Collects what is hashed: one long text is hashed much faster than many short ones.

use sha2::{Digest, Sha256};

/// Bytes to be hashed. Each value has a tag, and its length where its end is ambiguous, so that different values never give the
/// same bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct HashInput(Vec<u8>);

impl HashInput {
    /// Starts with these bytes, which say what is hashed.
    #[must_use]
    pub fn new(what: &[u8]) -> Self {
        Self(what.to_vec())
    }

    /// Adds a tag.
    pub fn tag(&mut self, tag: u8) {
        self.0.push(tag);
    }

    /// Adds a tag and a size: seven bits in each byte, the lowest first; the last byte is below 128.
    pub fn tag_and_size(&mut self, tag: u8, mut size: usize) {
        self.0.push(tag);
        while size > 127 {
            self.0.push((size % 128) as u8 | 128);
            size /= 128;
        }
        self.0.push(size as u8);
    }

    /// Adds a tag, and bytes with their length.
    pub fn tagged_bytes(&mut self, tag: u8, bytes: &[u8]) {
        self.tag_and_size(tag, bytes.len());
        self.0.extend(bytes);
    }

    /// Number of bytes so far.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.0.len()
    }

    /// Removes everything after this many bytes.
    pub fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    /// SHA-256 of all bytes.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(&self.0).into()
    }
}
