//! Our programs: as binaries, and in this process. Each has its own runtime, so that killing it ends every task and connection,
//! like `kill -9`.

use std::{path::Path, thread::JoinHandle};

use anyhow::{Context, Result, ensure};
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

/// The command for a binary of this workspace that cargo built for the tests.
///
/// # Errors
/// It is not built.
pub fn built(package: &str) -> Result<std::process::Command> {
    let tests = std::env::current_exe()?;
    let folder = tests.parent().and_then(Path::parent);
    let path = folder
        .context("cannot find the target folder")?
        .join(package);
    ensure!(
        path.exists(),
        "{} is not built: cargo build --workspace",
        path.display()
    );
    Ok(std::process::Command::new(path))
}

/// A program in this process. Dropping it kills it, so that it does not run on when its test fails.
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
    /// Starts a program. Its name is in its log lines.
    ///
    /// # Errors
    /// The operating system refuses to start threads.
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
                        ended = work(stop) => tracing::error!(name, ?ended, "finished without being asked to"),
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

    /// Asks it to stop, like SIGTERM, and waits until it has stopped.
    pub async fn stop(mut self) {
        self.stopped.cancel();
        self.join().await;
    }

    /// Kills it.
    pub async fn kill(mut self) {
        self.killed.cancel();
        self.join().await;
    }

    async fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            // Joining blocks, so it needs a thread for blocking work.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}
