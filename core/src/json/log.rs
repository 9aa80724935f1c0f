//! Reads logs entry by entry: lines of JSON, or one list of JSON as gcloud prints it. It keeps no entry, so a log of any size fits into
//! memory.

use std::cell::Cell;
use std::fmt;
use std::io::{self, BufRead, Read};

use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Longest entry that is read, in bytes: two objects of 3 MiB, the largest request that the API server accepts.
const MAX_ENTRY_BYTES: u64 = 8 << 20;

/// Calls `entry` with each entry that is not blank: `None` for a line that is too long. `progress` is called with the bytes that
/// were read. If a list is broken somewhere, an element is too long, or something follows the list, the rest is not read: it
/// returns how many entries were read then.
///
/// # Errors
/// The log cannot be read.
pub fn read_log(
    mut log: impl BufRead,
    mut entry: impl FnMut(Option<&[u8]>),
    mut progress: impl FnMut(u64),
) -> io::Result<Option<u64>> {
    let spaces = skip_spaces(&mut log)?;
    progress(spaces);
    if log.fill_buf()?.first() == Some(&b'[') {
        return read_list(log, |element| entry(Some(element)), progress);
    }
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut bytes = Read::take(&mut log, MAX_ENTRY_BYTES).read_until(b'\n', &mut line)? as u64;
        if bytes == 0 {
            return Ok(None);
        }
        let is_cut = bytes == MAX_ENTRY_BYTES && line.last() != Some(&b'\n');
        if is_cut {
            bytes += skip_line(&mut log)?;
        }
        let text = line.trim_ascii();
        if is_cut || !text.is_empty() {
            entry(Some(text).filter(|_| !is_cut));
        }
        progress(bytes);
    }
}

fn read_list(
    log: impl BufRead,
    mut element: impl FnMut(&[u8]),
    mut progress: impl FnMut(u64),
) -> io::Result<Option<u64>> {
    let (left, mut number) = (Cell::new(MAX_ENTRY_BYTES), 0);
    let mut counted = |one: &[u8]| {
        number += 1;
        element(one);
    };
    let mut reader = serde_json::Deserializer::from_reader(Bounded { log, left: &left });
    let read = reader.deserialize_seq(Elements(&mut counted, &mut progress, &left));
    match read.and_then(|()| reader.end()) {
        Ok(()) => Ok(None),
        Err(error) if error.is_io() && left.get() > 0 => Err(error.into()),
        Err(_) => Ok(Some(number)),
    }
}

fn skip_spaces(log: &mut impl BufRead) -> io::Result<u64> {
    let mut skipped = 0;
    loop {
        let start = log.fill_buf()?;
        let spaces = start.iter().take_while(|c| c.is_ascii_whitespace()).count();
        let is_end = start.is_empty() || spaces < start.len();
        log.consume(spaces);
        skipped += spaces as u64;
        if is_end {
            return Ok(skipped);
        }
    }
}

// Skips the rest of a line, and returns its bytes.
fn skip_line(log: &mut impl BufRead) -> io::Result<u64> {
    let mut skipped = 0;
    loop {
        let rest = log.fill_buf()?;
        let (used, is_end) = match rest.iter().position(|&c| c == b'\n') {
            Some(at) => (at + 1, true),
            None => (rest.len(), rest.is_empty()),
        };
        log.consume(used);
        skipped += used as u64;
        if is_end {
            return Ok(skipped);
        }
    }
}

/// Fails when an element is too long, so that it is never in memory whole.
struct Bounded<'c, R> {
    log: R,
    left: &'c Cell<u64>,
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.left.get() == 0 {
            return Err(io::Error::other("an element is too long"));
        }
        let read = self.log.read(into)?;
        self.left.set(self.left.get().saturating_sub(read as u64));
        Ok(read)
    }
}

struct Elements<'c, E, P>(&'c mut E, &'c mut P, &'c Cell<u64>);

impl<'de, E: FnMut(&[u8]), P: FnMut(u64)> Visitor<'de> for Elements<'_, E, P> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of entries")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self(entry, progress, left) = self;
        while let Some(element) = list.next_element::<Box<RawValue>>()? {
            entry(element.get().as_bytes());
            progress(element.get().len() as u64);
            left.set(MAX_ENTRY_BYTES);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The entries of a log, and after how many of them its rest was not read.
    fn read(text: &str) -> (Vec<String>, Option<u64>) {
        let mut all = Vec::new();
        let log = io::BufReader::with_capacity(3, text.as_bytes());
        let entry = |entry: Option<&[u8]>| {
            all.push(entry.map_or("-".to_owned(), |e| String::from_utf8_lossy(e).into_owned()));
        };
        let end = read_log(log, entry, |_| ()).unwrap();
        (all, end)
    }

    fn entries(all: &[&str]) -> Vec<String> {
        all.iter().map(|&one| one.to_owned()).collect()
    }

    #[test]
    fn each_line_is_an_entry_unless_it_is_blank() {
        assert_eq!(read(""), (vec![], None));
        let lines = "\n 1\n\n  \n{\"half\n2";
        assert_eq!(read(lines), (entries(&["1", "{\"half", "2"]), None));
    }

    #[test]
    fn a_list_is_read_element_by_element_up_to_where_it_is_broken() {
        let list = "\n [1, {\"a\": [2]},\n3]\n";
        assert_eq!(read(list), (entries(&["1", "{\"a\": [2]}", "3"]), None));
        for broken in ["[1, 2, {", "[1, 2, x, 3]", "[1, 2", "[1, 2] [3]", "[1, 2,"] {
            assert_eq!(read(broken), (entries(&["1", "2"]), Some(2)), "{broken}");
        }
        assert_eq!(read("[x"), (vec![], Some(0)));
    }

    #[test]
    fn a_list_is_read_up_to_an_element_that_is_too_long() {
        let long = format!("[1, \"{}\", 2]", "3".repeat(9 << 20));
        assert_eq!(read(&long), (entries(&["1"]), Some(1)));
        let half = format!("\"{}\"", "3".repeat(5 << 20));
        let (all, end) = read(&format!("[{half}, {half}, 2]"));
        assert_eq!((all.len(), end), (3, None));
    }

    #[test]
    fn a_line_that_is_too_long_is_skipped_whole() {
        let long = format!("1\n{}\n2\n", "3".repeat(9 << 20));
        let (mut all, mut bytes) = (Vec::new(), 0);
        let entry = |entry: Option<&[u8]>| all.push(entry.map(<[u8]>::to_vec));
        let end = read_log(long.as_bytes(), entry, |read| bytes += read).unwrap();
        assert_eq!(all, [Some(b"1".to_vec()), None, Some(b"2".to_vec())]);
        assert_eq!((bytes, end), (long.len() as u64, None));
    }
}
