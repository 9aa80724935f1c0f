//! Progress lines and results on standard output.

use std::{io::Write, sync::OnceLock, time::Instant};

/// Prints a progress line, with the time since the start.
pub fn say(line: &str) {
    static START: OnceLock<Instant> = OnceLock::new();
    let seconds = START.get_or_init(Instant::now).elapsed().as_secs_f64();
    print(&format!("{seconds:6.1} s  {line}"));
}

/// Prints a line. A closed pipe is not an error: the cluster must still be stopped.
pub(crate) fn print(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
