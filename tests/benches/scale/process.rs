//! Processes of our programs on the node, and their usage according to the kernel.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// The clock ticks per second in `/proc`, on every Linux that Rust's std supports.
const TICKS: u64 = 100;

/// A running program.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    folder: PathBuf,
}

/// Its memory, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// Resident memory now.
    pub(crate) resident: u64,
    /// The peak of resident memory.
    pub(crate) peak: u64,
}

impl Process {
    /// Finds the process of this program in the cluster whose API server has this port.
    pub(crate) fn find(program: &Path, api_port: &str) -> Option<Self> {
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
        Some(Self { folder })
    }

    /// The process with this ID.
    pub(crate) fn of(pid: u32) -> Self {
        let folder = Path::new("/proc").join(pid.to_string());
        Self { folder }
    }

    /// Its start time, to a hundredth of a second.
    ///
    /// # Errors
    /// It has ended.
    pub(crate) fn started(&self) -> anyhow::Result<Instant> {
        let uptime = std::fs::read_to_string("/proc/uptime")?;
        let uptime: f64 = uptime.split(' ').next().unwrap_or_default().parse()?;
        let ticks = self.stat(19)?;
        let since = Duration::from_millis(ticks * 1000 / TICKS);
        let age = Duration::from_secs_f64(uptime).saturating_sub(since);
        Instant::now()
            .checked_sub(age)
            .context("a start before the machine's")
    }

    /// The processor time that it has used.
    ///
    /// # Errors
    /// It has ended.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        let ticks = self.stat(11)? + self.stat(12)?;
        Ok(Duration::from_millis(ticks * 1000 / TICKS))
    }

    /// Its memory.
    ///
    /// # Errors
    /// It has ended.
    pub(crate) fn memory(&self) -> anyhow::Result<Memory> {
        let status = std::fs::read_to_string(self.folder.join("status"))?;
        let bytes = |key: &str| -> anyhow::Result<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            let Some(number) = line.and_then(|rest| rest.split_whitespace().next()) else {
                bail!("no {key} in {}", self.folder.display());
            };
            Ok(number.parse::<u64>()? * 1024)
        };
        Ok(Memory {
            resident: bytes("VmRSS:")?,
            peak: bytes("VmHWM:")?,
        })
    }

    /// A field of `/proc/PID/stat`, counted from 0 after the name, which may hold spaces.
    fn stat(&self, index: usize) -> anyhow::Result<u64> {
        let stat = std::fs::read_to_string(self.folder.join("stat"))?;
        let after = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let field = after.split_whitespace().nth(index);
        Ok(field.context("a short /proc stat")?.parse()?)
    }
}
