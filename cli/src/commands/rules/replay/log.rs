//! Reads an audit log from a file or standard input, line by line, with a progress bar when it takes long.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use namesake_core::Replay;

use crate::answer::failure::Failure;

/// How long it reads before a progress bar appears.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many bytes of a file are read at once.
const BUFFER: usize = 1 << 20;
/// How many bytes are read between two looks at the clock.
const STEP: u64 = 4 << 20;
const OF_FILE: &str = "{bar:30} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
const OF_STREAM: &str = "{spinner} {bytes}, {bytes_per_sec}";

pub(super) fn read(
    path: &Path,
    replay: &mut Replay<'_>,
    input: &mut dyn BufRead,
) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::Usage(format!("failed to read {}: {error}", path.display()))
    };
    if path == Path::new("-") {
        return read_with_progress(input, None, replay).map_err(failed);
    }
    let file = File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?;
    let size = size.is_file().then_some(size.len());
    let file = BufReader::with_capacity(BUFFER, file);
    read_with_progress(file, size, replay).map_err(failed)
}

fn read_with_progress(
    log: impl BufRead,
    size: Option<u64>,
    replay: &mut Replay<'_>,
) -> std::io::Result<()> {
    let bar = match size {
        Some(size) => ProgressBar::with_draw_target(Some(size), ProgressDrawTarget::hidden()),
        None => ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()),
    };
    let template = if size.is_some() { OF_FILE } else { OF_STREAM };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    let (began, mut is_shown, mut new) = (Instant::now(), false, 0);
    let read = replay.read(log, |bytes| {
        new += bytes;
        if new < STEP {
            return;
        }
        bar.inc(new);
        new = 0;
        if !is_shown && began.elapsed() >= PATIENCE {
            // It draws nothing if standard error is not a terminal.
            bar.set_draw_target(ProgressDrawTarget::stderr());
            is_shown = true;
        }
    });
    bar.finish_and_clear();
    read
}
