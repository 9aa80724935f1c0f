//! Reads logs entry by entry: lines of JSON, or one list of JSON as gcloud prints it. It keeps no entry, so a log of any size fits into
//! memory.

use std::fmt;
use std::io::{self, BufRead, Read};
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, SeqAccess, Visitor};

/// Longest line that is read, in bytes: two objects of 3 MiB, the largest request that the API server accepts.
const MAX_LINE_BYTES: u64 = 8 << 20;

/// What was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Entries.
    pub(super) entries: u64,
    /// Lines, or a rest of a list, that are no entry.
    pub(super) broken: u64,
    /// Number of the first of them.
    pub(super) first_broken: Option<u64>,
}

impl Counts {
    fn add_broken(&mut self) {
        self.broken += 1;
        self.first_broken = self.first_broken.or(Some(self.entries + self.broken));
    }
}

/// Calls `entry` with each entry; it returns whether that is one of the log.
pub(super) fn each<T: DeserializeOwned>(
    mut log: impl BufRead,
    mut entry: impl FnMut(&T) -> bool,
) -> io::Result<Counts> {
    let mut counts = Counts::default();
    if is_list(&mut log)? {
        let mut reader = serde_json::Deserializer::from_reader(log);
        let visitor = Each(&mut counts, &mut entry, PhantomData);
        // What follows the place where it is broken cannot be read.
        match reader.deserialize_seq(visitor) {
            Err(error) if error.is_io() => return Err(error.into()),
            Err(_) => counts.add_broken(),
            Ok(()) => {}
        }
        return Ok(counts);
    }
    let mut line = Vec::new();
    loop {
        line.clear();
        let bytes = Read::take(&mut log, MAX_LINE_BYTES).read_until(b'\n', &mut line)?;
        if bytes == 0 {
            return Ok(counts);
        }
        let is_cut = bytes as u64 == MAX_LINE_BYTES && line.last() != Some(&b'\n');
        if is_cut {
            skip_line(&mut log)?;
        }
        let text = line.trim_ascii();
        if text.is_empty() {
            continue;
        }
        match serde_json::from_slice(text).ok().filter(|_| !is_cut) {
            Some(read) if entry(&read) => counts.entries += 1,
            _ => counts.add_broken(),
        }
    }
}

fn is_list(log: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let start = log.fill_buf()?;
        let spaces = start.iter().take_while(|c| c.is_ascii_whitespace()).count();
        match start.get(spaces) {
            Some(first) => return Ok(*first == b'['),
            None if start.is_empty() => return Ok(false),
            None => log.consume(spaces),
        }
    }
}

fn skip_line(log: &mut impl BufRead) -> io::Result<()> {
    loop {
        let rest = log.fill_buf()?;
        let (skipped, is_end) = match rest.iter().position(|&c| c == b'\n') {
            Some(at) => (at + 1, true),
            None => (rest.len(), rest.is_empty()),
        };
        log.consume(skipped);
        if is_end {
            return Ok(());
        }
    }
}

struct Each<'c, T, F>(&'c mut Counts, &'c mut F, PhantomData<T>);

/// An entry, or whatever else is in its place.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Element<T> {
    Entry(T),
    Other(IgnoredAny),
}

impl<'de, T: DeserializeOwned, F: FnMut(&T) -> bool> Visitor<'de> for Each<'_, T, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of entries")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self(counts, entry, _) = self;
        while let Some(element) = list.next_element::<Element<T>>()? {
            match element {
                Element::Entry(read) if entry(&read) => counts.entries += 1,
                _ => counts.add_broken(),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<i64>, Counts) {
        let mut all = Vec::new();
        let counts = each(
            io::BufReader::with_capacity(3, text.as_bytes()),
            |one: &i64| {
                all.push(*one);
                *one != 13
            },
        );
        (all, counts.unwrap())
    }

    fn counts(entries: u64, broken: u64, first_broken: Option<u64>) -> Counts {
        Counts {
            entries,
            broken,
            first_broken,
        }
    }

    #[test]
    fn broken_lines_are_counted_and_skipped() {
        assert_eq!(read(""), (vec![], counts(0, 0, None)));
        let (all, read_counts) = read("1\n\n  \n{\"half\n13\n2");
        assert_eq!((all, read_counts), (vec![1, 13, 2], counts(2, 2, Some(2))));
    }

    #[test]
    fn a_list_is_read_element_by_element_up_to_where_it_is_broken() {
        assert_eq!(read("\n [1, 2,\n3]\n"), (vec![1, 2, 3], counts(3, 0, None)));
        assert_eq!(read("[1, \"x\", 3]"), (vec![1, 3], counts(2, 1, Some(2))));
        assert_eq!(read("[1, 2, {"), (vec![1, 2], counts(2, 1, Some(3))));
    }

    #[test]
    fn a_line_that_is_too_long_is_skipped_whole() {
        let long = format!("1\n{}\n2\n", "3".repeat(9 << 20));
        let mut all = Vec::new();
        let counts = each(long.as_bytes(), |one: &f64| {
            all.push(*one);
            true
        });
        assert_eq!((all, counts.unwrap().broken), (vec![1.0, 2.0], 1));
    }
}
