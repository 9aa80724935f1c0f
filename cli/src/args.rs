//! Flags and commands.

use clap::{Parser, Subcommand};

use crate::check::Check;
use crate::cluster::flags::Global;
use crate::commands::pages;
use crate::doctor::Doctor;

/// Asks an installation of Namesake. Talks to the API server only, with your rights, and changes nothing unless the command's
/// name says so.
///
/// Exit code 0: fine. 1: something was found. 2: the command line or a file is not valid. 3: something could not be seen or done,
/// because of missing rights. 4: no API server answers, or it has no Namesake.
#[derive(Clone, Debug, Parser)]
#[command(name = "kubectl-namesake", bin_name = "kubectl namesake", version)]
pub struct Args {
    /// Flags of all commands.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Check every link of the chain, and print how to fix what is broken
    Doctor(Doctor),
    /// Check an installation for security gaps, and print how to close them
    Check(Check),
    /// Print how much of each quota is used, and when it will be exhausted
    Quota,
    /// Print the completions for a shell, for `kubectl-namesake`
    Completion(pages::Completion),
    /// Print a manual page, for `man -l -`
    Man(pages::Man),
}

impl Command {
    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Doctor(_) => "doctor",
            Self::Check(_) => "check",
            Self::Quota => "quota",
            Self::Completion(_) => "completion",
            Self::Man(_) => "man",
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::answer::Output;

    #[test]
    fn flags_are_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn global_flags_may_follow_the_command() {
        let args = ["kubectl-namesake", "quota", "--stack", "dev", "-o", "json"];
        let args = Args::try_parse_from(args).unwrap();
        assert_eq!(args.global.stack.as_deref(), Some("dev"));
        assert_eq!(args.global.output, Output::Json);
    }
}
