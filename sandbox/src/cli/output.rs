//! Progress lines and results on standard output.

use std::{io::Write, sync::OnceLock, time::Instant};

/// Says what happens now, with the time since the start.
pub fn say(line: &str) {
    static START: OnceLock<Instant> = OnceLock::new();
    let seconds = START.get_or_init(Instant::now).elapsed().as_secs_f64();
    print(&format!("{seconds:6.1} s  {line}"));
}

/// Prints a line. A reader that went away is no reason to leave a cluster behind.
pub(crate) fn print(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
