//! Entries of a log, read one by one, and how many there were.

use std::io::{self, BufRead};

use namesake_core::read_log;
use serde::de::DeserializeOwned;

/// What was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Entries.
    pub(super) entries: u64,
    /// Lines, or elements of a list, that are not entries.
    pub(super) broken: u64,
    /// Number of the first of them.
    pub(super) first_broken: Option<u64>,
    /// Number of the last entry that was read, if the rest of the log could not be read.
    pub(super) read_up_to: Option<u64>,
}

impl Counts {
    fn add_broken(&mut self) {
        self.broken += 1;
        self.first_broken = self.first_broken.or(Some(self.entries + self.broken));
    }
}

/// Calls `entry` with each entry; it returns whether that is one of the log. `progress` gets how many bytes were read.
pub(super) fn each<T: DeserializeOwned>(
    log: impl BufRead,
    progress: impl FnMut(u64),
    mut entry: impl FnMut(&T) -> bool,
) -> io::Result<Counts> {
    let mut counts = Counts::default();
    let add = |text: Option<&[u8]>| {
        let read = text.and_then(|text| serde_json::from_slice(text).ok());
        match read {
            Some(read) if entry(&read) => counts.entries += 1,
            _ => counts.add_broken(),
        }
    };
    let read_up_to = read_log(log, add, progress)?;
    Ok(Counts {
        read_up_to,
        ..counts
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_an_entry_is_counted_and_skipped() {
        let mut all = Vec::new();
        let text = "1\n\n{\"half\n13\n2";
        let mut bytes = 0;
        let counts = each(
            text.as_bytes(),
            |new| bytes += new,
            |one: &i64| {
                all.push(*one);
                *one != 13
            },
        );
        let expected = Counts {
            entries: 2,
            broken: 2,
            first_broken: Some(2),
            read_up_to: None,
        };
        assert_eq!((all, counts.unwrap()), (vec![1, 13, 2], expected));
        assert_eq!(bytes, text.len() as u64);
    }
}
