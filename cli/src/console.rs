//! Where a command reads and writes: standard input and output, or those of a test. How far it is, when it takes long.

mod reading;

use std::io::{BufRead, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

pub(crate) use reading::Reading;

/// How long a command works before a progress bar appears.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many bytes are read between two looks at the clock.
const BYTES_AT_ONCE: u64 = 4 << 20;
const BYTES_OF: &str = "{bar:30} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
const BYTES: &str = "{spinner} {bytes}, {bytes_per_sec}";
const NUMBER_OF: &str = "{bar:30} {pos} of {len} {msg}, {eta} left";
const NUMBER: &str = "{spinner} {pos} {msg}";

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

/// How far a command is: a bar on standard error, once it has worked for two seconds, if that is a terminal. It disappears at the end.
pub(crate) struct Progress {
    bar: ProgressBar,
    /// Where it is drawn, until it appears.
    target: Option<ProgressDrawTarget>,
    patience: Duration,
    began: Instant,
    /// Work since the last look at the clock, and how much there is between two.
    new: u64,
    step: u64,
}

impl Progress {
    /// Of reading bytes, of so many if that is known.
    pub(crate) fn of_bytes(total: Option<u64>) -> Self {
        let template = if total.is_some() { BYTES_OF } else { BYTES };
        Self::new(total, template, BYTES_AT_ONCE)
    }

    /// Of things, such as people, of so many if that is known.
    pub(crate) fn of(what: &'static str, total: Option<usize>) -> Self {
        let template = if total.is_some() { NUMBER_OF } else { NUMBER };
        let total = total.map(|total| u64::try_from(total).unwrap_or(u64::MAX));
        let progress = Self::new(total, template, 1);
        progress.bar.set_message(what);
        progress
    }

    /// Of what another one shows.
    pub(crate) fn hidden() -> Self {
        let mut progress = Self::of("", None);
        progress.target = None;
        progress
    }

    fn new(total: Option<u64>, template: &str, step: u64) -> Self {
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self {
            bar,
            // It draws nothing if standard error is not a terminal.
            target: Some(ProgressDrawTarget::stderr()),
            patience: PATIENCE,
            began: Instant::now(),
            new: 0,
            step,
        }
    }

    /// So much more is done.
    pub(crate) fn add(&mut self, number: u64) {
        self.new += number;
        if self.new < self.step {
            return;
        }
        self.bar.inc(std::mem::take(&mut self.new));
        self.show_if_late();
    }

    /// Appears if it has worked for so long.
    fn show_if_late(&mut self) {
        if self.began.elapsed() >= self.patience
            && let Some(target) = self.target.take()
        {
            self.bar.set_draw_target(target);
            self.bar.tick();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Result;
    use std::sync::{Arc, Mutex};

    use indicatif::TermLike;

    use super::*;

    /// A terminal that keeps what is written.
    #[derive(Clone, Debug, Default)]
    pub(super) struct Terminal(Arc<Mutex<String>>);

    impl Terminal {
        pub(super) fn target(&self) -> ProgressDrawTarget {
            ProgressDrawTarget::term_like(Box::new(self.clone()))
        }

        pub(super) fn text(&self) -> String {
            self.0.lock().unwrap().clone()
        }
    }

    impl TermLike for Terminal {
        fn width(&self) -> u16 {
            120
        }
        fn move_cursor_up(&self, _: usize) -> Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> Result<()> {
            self.write_str(text)
        }
        fn write_str(&self, text: &str) -> Result<()> {
            self.0.lock().unwrap().push_str(text);
            Ok(())
        }
        fn clear_line(&self) -> Result<()> {
            Ok(())
        }
        fn flush(&self) -> Result<()> {
            Ok(())
        }
    }

    fn drawn(patience: Duration) -> String {
        let terminal = Terminal::default();
        let target = terminal.target();
        let mut progress = Progress::of("people", Some(50));
        (progress.target, progress.patience) = (Some(target), patience);
        (0..50).for_each(|_| progress.add(1));
        drop(progress);
        terminal.text()
    }

    #[test]
    fn a_terminal_shows_how_far_it_is_and_only_when_it_takes_long() {
        let text = drawn(Duration::ZERO);
        assert!(text.contains(" of 50 people"), "{text:?}");
        assert_eq!(drawn(Duration::MAX), "");
    }

    /// The standard error of tests, and of a CI, is not a terminal.
    #[test]
    fn a_pipe_gets_nothing_however_long_it_takes() {
        for mut progress in [Progress::of_bytes(None), Progress::of("objects", None)] {
            progress.patience = Duration::ZERO;
            progress.add(2 * BYTES_AT_ONCE);
            assert!(progress.target.is_none(), "it did not appear");
            let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
            assert_eq!(progress.bar.is_hidden(), !is_terminal);
        }
    }
}
