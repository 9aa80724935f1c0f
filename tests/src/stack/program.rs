//! Programs of ours: as cargo has built them; and in this process, each with a runtime of its own: killing it ends every task
//! and connection, as `kill -9` does.

use std::{path::Path, thread::JoinHandle};

use anyhow::{Context, Result, ensure};
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

/// A program of this workspace, as cargo has built it for the tests.
///
/// # Errors
/// It is not built.
pub fn built(package: &str) -> Result<std::process::Command> {
    let tests = std::env::current_exe()?;
    let folder = tests.parent().and_then(Path::parent);
    let path = folder.context("no target folder")?.join(package);
    ensure!(
        path.exists(),
        "{} is not built: cargo build --workspace",
        path.display()
    );
    Ok(std::process::Command::new(path))
}

/// One program that runs until it is killed; one that a failing test forgets would go on in the next test.
pub struct Program {
    stopped: CancellationToken,
    killed: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Program {
    fn drop(&mut self) {
        self.killed.cancel();
    }
}

impl Program {
    /// Starts it. What it does is logged under its name, and so is its end.
    ///
    /// # Errors
    /// The operating system gives no threads.
    pub fn start(
        name: &'static str,
        work: impl AsyncFnOnce(CancellationToken) -> Result<()> + Send + 'static,
    ) -> Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .thread_name(name)
            .build()?;
        let killed = CancellationToken::new();
        let until = killed.clone();
        let stopped = CancellationToken::new();
        let stop = stopped.clone();
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        biased;
                        () = until.cancelled() => tracing::info!(name, "killed"),
                        ended = work(stop) => tracing::error!(name, ?ended, "ended by itself"),
                    }
                });
                runtime.shutdown_background();
            })?;
        Ok(Self {
            stopped,
            killed,
            thread: Some(thread),
        })
    }

    /// Asks it to end, as SIGTERM does, and waits until it has.
    pub async fn stop(mut self) {
        self.stopped.cancel();
        self.join().await;
    }

    /// Ends it in the middle of whatever it is doing.
    pub async fn kill(mut self) {
        self.killed.cancel();
        self.join().await;
    }

    async fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            // Joins on a thread that may wait.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}
