//! The log: one line a decision, on standard output.

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;

use crate::server::args::LogFormat;

/// Starts the log for the whole process.
///
/// # Errors
/// When the filter cannot be read, or a log was started before.
pub fn start(filter: &str, format: LogFormat) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter).with_context(|| format!("log filter {filter:?}"))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter);
    let started = match format {
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .try_init(),
        LogFormat::Text => builder.try_init(),
    };
    started.map_err(|e| anyhow::anyhow!("start the log: {e}"))
}
