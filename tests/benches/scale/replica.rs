//! The replica that is measured: its process, which the sandbox's node started.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::process::{Process, TICKS};

/// Finds the process of this program in the cluster whose API server has this port.
pub(crate) fn find(program: &Path, api_port: &str) -> Option<Process> {
    let ours = format!("KUBERNETES_SERVICE_PORT={api_port}");
    let all = std::fs::read_dir("/proc").ok()?.filter_map(Result::ok);
    let mut folders = all.map(|entry| entry.path());
    let folder = folders.find(|folder| {
        std::fs::read_link(folder.join("exe")).is_ok_and(|exe| exe == program)
            && std::fs::read(folder.join("environ")).is_ok_and(|all| {
                all.split(|byte| *byte == 0)
                    .any(|one| one == ours.as_bytes())
            })
    })?;
    let pid = folder.file_name()?.to_str()?.parse().ok()?;
    Some(Process::of(pid))
}

/// The start time of a process, to a hundredth of a second.
///
/// # Errors
/// It has ended.
pub(crate) fn started(process: &Process) -> anyhow::Result<Instant> {
    let uptime = std::fs::read_to_string("/proc/uptime")?;
    let uptime: f64 = uptime.split(' ').next().unwrap_or_default().parse()?;
    let ticks = process.stat(19)?;
    let since = Duration::from_millis(ticks * 1000 / TICKS);
    let age = Duration::from_secs_f64(uptime).saturating_sub(since);
    Instant::now()
        .checked_sub(age)
        .context("a start before the machine's")
}
