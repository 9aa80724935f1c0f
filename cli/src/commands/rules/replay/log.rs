//! Reads an audit log from a file or standard input, line by line.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use namesake_core::Replay;

use crate::answer::failure::Failure;
use crate::console::Progress;

/// How many bytes of a file are read at once.
const BUFFER: usize = 1 << 20;

pub(super) fn read(
    path: &Path,
    replay: &mut Replay<'_>,
    input: &mut dyn BufRead,
) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::Usage(format!("failed to read {}: {error}", path.display()))
    };
    if path == Path::new("-") {
        let mut progress = Progress::of_bytes(None);
        let read = replay.read(input, |bytes| progress.add(bytes));
        return read.map_err(failed);
    }
    let file = File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?;
    let mut progress = Progress::of_bytes(size.is_file().then_some(size.len()));
    let file = BufReader::with_capacity(BUFFER, file);
    let read = replay.read(file, |bytes| progress.add(bytes));
    read.map_err(failed)
}
