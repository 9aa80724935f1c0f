//! What a command that reads many things at once waits for.

use std::cell::RefCell;
use std::pin::pin;
use std::time::Duration;

use tokio::time::timeout;

use super::Progress;
use crate::answer::text::some;

/// Between two looks at the clock.
const LOOK_EVERY: Duration = Duration::from_millis(250);
const READ: &str = "{spinner} {pos} read, waits for {msg}";

/// Things that are read at once, and which of them are not there yet: shown as [`Progress`] is.
pub(crate) struct Reading(RefCell<State>);

struct State {
    progress: Progress,
    waits_for: Vec<&'static str>,
}

impl Reading {
    pub(crate) fn new() -> Self {
        Self(RefCell::new(State {
            progress: Progress::new(None, READ, 1),
            waits_for: Vec::new(),
        }))
    }

    /// Reads one of them.
    pub(crate) async fn of<T>(&self, what: &'static str, read: impl Future<Output = T>) -> T {
        self.0.borrow_mut().begin(what);
        let read = read.await;
        self.0.borrow_mut().end(what);
        read
    }

    /// Reads all of them, and looks at the clock meanwhile: the one that takes long says nothing.
    pub(crate) async fn all<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            match timeout(LOOK_EVERY, &mut work).await {
                Ok(done) => return done,
                Err(_) => self.0.borrow_mut().progress.show_if_late(),
            }
        }
    }
}

impl State {
    fn begin(&mut self, what: &'static str) {
        self.waits_for.push(what);
        self.say();
    }

    fn end(&mut self, what: &'static str) {
        if let Some(at) = self.waits_for.iter().position(|one| *one == what) {
            self.waits_for.remove(at);
        }
        self.say();
        self.progress.add(1);
    }

    fn say(&self) {
        self.progress.bar.set_message(some(&self.waits_for));
    }
}

#[cfg(test)]
mod tests {
    use futures::join;
    use tokio::sync::oneshot;

    use super::super::tests::Terminal;
    use super::*;

    #[tokio::test]
    async fn a_terminal_shows_what_is_not_there_yet_although_nothing_new_comes() {
        let terminal = Terminal::default();
        let reading = Reading::new();
        {
            let mut state = reading.0.borrow_mut();
            state.progress.target = Some(terminal.target());
            state.progress.patience = Duration::from_millis(50);
        }
        let (answer, answered) = oneshot::channel();
        let part = "1 read, waits for whether the webhook answers";
        let until_shown = async {
            while !terminal.text().contains(part) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            answer.send(1)
        };
        let work = async {
            join!(
                reading.of("the Deployments", async {}),
                reading.of("whether the webhook answers", answered),
            )
        };
        let both = async { join!(until_shown, reading.all(work)) };
        let (_, ((), answered)) = timeout(Duration::from_secs(20), both).await.unwrap();
        assert_eq!(answered, Ok(1));
    }

    #[tokio::test]
    async fn what_is_fast_shows_nothing() {
        let terminal = Terminal::default();
        let reading = Reading::new();
        reading.0.borrow_mut().progress.target = Some(terminal.target());
        let work = reading.of("the Deployments", async { 1 });
        assert_eq!(reading.all(work).await, 1);
        assert_eq!(terminal.text(), "");
    }
}
