//! Waiting for a condition: with a deadline, and with the last state in the failure.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// The longest wait of [`eventually`]. Long, because it only shows when something is broken.
pub const DEADLINE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);

/// Looks until the look succeeds, and answers what it found.
///
/// # Errors
/// It did not within [`DEADLINE`]: the message has `what` and the last look's error.
pub async fn eventually<T, F>(what: &str, look: impl Fn() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    within(DEADLINE, what, look).await
}

/// [`eventually`] with another deadline.
///
/// # Errors
/// It did not hold in time.
pub async fn within<T, F>(deadline: Duration, what: &str, look: impl Fn() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let start = Instant::now();
    loop {
        // Limited, because a look may hang on somebody that was stopped.
        let state = match tokio::time::timeout(deadline, look()).await {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => "the look itself did not end".to_owned(),
        };
        if start.elapsed() > deadline {
            bail!("not within {} s: {what}: {state}", deadline.as_secs());
        }
        tokio::time::sleep(POLL).await;
    }
}
