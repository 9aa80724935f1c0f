//! Processes of our programs on the node, and their usage according to the kernel.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};

/// The clock ticks per second in `/proc`, on every Linux that Rust's std supports.
pub(crate) const TICKS: u64 = 100;

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
    /// The process with this ID.
    pub(crate) fn of(pid: u32) -> Self {
        let folder = Path::new("/proc").join(pid.to_string());
        Self { folder }
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
    pub(crate) fn stat(&self, index: usize) -> anyhow::Result<u64> {
        let stat = std::fs::read_to_string(self.folder.join("stat"))?;
        let after = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let field = after.split_whitespace().nth(index);
        Ok(field.context("a short /proc stat")?.parse()?)
    }
}
