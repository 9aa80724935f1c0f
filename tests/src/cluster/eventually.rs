//! Waits for a condition, with a deadline and with the last state in the error.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// The longest wait of [`eventually`]. Long, because it only shows when something is broken.
pub const DEADLINE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);

/// Repeats `check` until it succeeds, and returns its result.
///
/// # Errors
/// It does not succeed within [`DEADLINE`]: the message has `what` and the last error.
pub async fn eventually<T, F>(what: &str, check: impl Fn() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    within(DEADLINE, what, check).await
}

/// [`eventually`] with another deadline.
///
/// # Errors
/// It does not succeed in time.
pub async fn within<T, F>(deadline: Duration, what: &str, check: impl Fn() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let start = Instant::now();
    loop {
        // With a timeout, because a check may hang on a program that was stopped.
        let state = match tokio::time::timeout(deadline, check()).await {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => "the check itself did not return".to_owned(),
        };
        if start.elapsed() > deadline {
            bail!("not within {} s: {what}: {state}", deadline.as_secs());
        }
        tokio::time::sleep(POLL).await;
    }
}
