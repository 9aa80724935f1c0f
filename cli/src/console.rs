//! Where a command reads and writes: standard input and output, or those of a test.

use std::io::{BufRead, Write};

/// Where a command reads and writes.
pub struct Console<'a> {
    /// Answers.
    pub out: &'a mut dyn Write,
    /// Errors and questions.
    pub err: &'a mut dyn Write,
    /// Answers to questions.
    pub input: &'a mut dyn BufRead,
}

/// Writes text. Whoever reads it may have closed the pipe.
pub(crate) fn say(to: &mut dyn Write, text: &str) {
    let _ = to.write_all(text.as_bytes());
    let _ = to.flush();
}
