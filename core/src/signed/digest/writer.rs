//! Writing values into the input of a hash.

use data_encoding::BASE32_NOPAD;

use super::Digest;
use crate::{
    json::{Json, Text},
    signed::hash_input::HashInput,
};

/// Bytes of the hash that are kept: 128 bits, for which no second text can be found.
const KEPT_BYTES: usize = 16;

/// Decides by key and value whether a member counts.
pub(super) type Counts<'a> = &'a dyn Fn(&str, &Json<'_>) -> bool;

/// Writes values into the input of a hash.
pub(super) struct DigestWriter(HashInput);

impl DigestWriter {
    pub(super) fn new(of: &str) -> DigestWriter {
        let mut writer = DigestWriter(HashInput::new(b"namesake/runs/v1\0"));
        writer.text(of);
        writer
    }

    pub(super) fn digest(&self) -> Digest {
        let hash = self.0.sha256();
        let kept = hash.get(..KEPT_BYTES).unwrap_or(&hash);
        Digest(BASE32_NOPAD.encode(kept).to_ascii_lowercase())
    }

    pub(super) fn text(&mut self, text: &str) {
        self.0.tagged_bytes(b's', text.as_bytes());
    }

    pub(super) fn value(&mut self, value: &Json<'_>, counts: Counts<'_>) {
        if !self.value_unless_empty(value, counts) {
            self.0.tagged_bytes(b'0', b"");
        }
    }

    // Writes a value unless it is empty, and returns whether it did. `false` and 0 are not empty: no token mounted, user 0.
    fn value_unless_empty(&mut self, value: &Json<'_>, counts: Counts<'_>) -> bool {
        match value {
            Json::Null => return false,
            Json::Bool(yes) => self.0.tagged_bytes(b'b', &[u8::from(*yes)]),
            Json::Number(number) => self.0.tagged_bytes(b'n', number.to_string().as_bytes()),
            Json::String(text) if text.is_empty() => return false,
            Json::String(text) => self.text(text),
            Json::Array(all) if all.is_empty() => return false,
            Json::Array(all) => {
                self.0.tag_and_size(b'[', all.len());
                all.iter().for_each(|value| self.value(value, counts));
            }
            Json::Object(members) => {
                let before = self.0.size();
                let any = self.members(members, counts, counts);
                if !any {
                    self.0.truncate(before);
                }
                return any;
            }
        }
        true
    }

    // Writes the members that count and are not empty, and returns whether there are any. They are sorted by name already.
    pub(super) fn members(
        &mut self,
        members: &[(Text<'_>, Json<'_>)],
        counts: Counts<'_>,
        counts_below: Counts<'_>,
    ) -> bool {
        let mut any = false;
        self.0.tagged_bytes(b'{', b"");
        for (key, value) in members {
            let before = self.0.size();
            if counts(key, value) {
                self.text(key);
                if self.value_unless_empty(value, counts_below) {
                    any = true;
                } else {
                    self.0.truncate(before);
                }
            }
        }
        self.0.tagged_bytes(b'}', b"");
        any
    }
}
