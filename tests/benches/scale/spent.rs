//! Processor time by process, because all of them share this machine.

use std::time::Duration;

use super::home::Home;
use super::process::Process;
use super::report::Report;

/// The processor time of all processes at some moment.
pub(crate) struct Spent(Vec<(String, Process, Duration)>);

impl Spent {
    /// Measures now.
    ///
    /// # Errors
    /// A process does not run.
    pub(crate) fn from_now(home: &Home) -> anyhow::Result<Self> {
        let all = home.everybody()?.into_iter();
        let all = all.map(|(name, process)| {
            let until = process.cpu()?;
            Ok((name, process, until))
        });
        all.collect::<anyhow::Result<_>>().map(Self)
    }

    /// The usage of each process since then, as a share of one processor.
    ///
    /// # Errors
    /// A process has ended.
    pub(crate) fn tell(&self, report: &mut Report, time: Duration) -> anyhow::Result<()> {
        for (name, process, until) in &self.0 {
            let used = process.cpu()?.saturating_sub(*until);
            let share = used.as_secs_f64() / time.as_secs_f64() * 100.0;
            report.figure(format!("processor of {name}, meanwhile"), share, "%");
        }
        Ok(())
    }
}
