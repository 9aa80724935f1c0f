//! Flags and commands.

use clap::{Parser, Subcommand};

use crate::check::Check;
use crate::cluster::flags::Global;
use crate::commands::adopt::Adopt;
use crate::commands::list::List;
use crate::commands::offboard::{Offboard, Return};
use crate::commands::pages;
use crate::commands::removal::gc::Gc;
use crate::commands::rules::lint::Lint;
use crate::commands::rules::replay::Replay;
use crate::commands::rules::simulate::Simulate;
use crate::commands::support_bundle::SupportBundle;
use crate::commands::warm::Warm;
use crate::commands::who::Who;
use crate::doctor::Doctor;
use crate::explain::Explain;

/// Asks an installation of Namesake. Talks to the API server only, with your rights. Changes nothing, except with `adopt`, which
/// asks first or needs `--yes`, and with `warm --yes`.
///
/// Exit code 0: fine. 1: something was found, or what it is about does not exist. 2: the command line or a file is not valid. 3:
/// something could not be seen or done, such as for missing rights. 4: no API server answers, or it has no Namesake.
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
    /// Explain who asked for a pod, how that is proven, which account it has and what it waits for
    Explain(Explain),
    /// List identities, those that do not work, or parents without a proven requester
    List(List),
    /// Check files of rules; needs no cluster
    Lint(Lint),
    /// Print what the webhook would decide about objects, by the rules in force or by others
    Simulate(Simulate),
    /// Print what an edit of the rules does to what exists, or to the requests of an audit log
    Replay(Replay),
    /// Assign an object that has no proven requester to a user; shows what would run, and asks
    Adopt(Adopt),
    /// Print what offboarding a user would do, and the edit of the rules
    Offboard(Offboard),
    /// Print what the return of an offboarded user would do, and the edit of the rules
    Return(Return),
    /// Create identities before the first run, with --yes
    Warm(Warm),
    /// Find which pods ran as an account, for whom, and what it did at Google; reads audit logs, or prints the queries for them
    Who(Who),
    /// List what is left over, with the commands that remove it
    Gc(Gc),
    /// Print the commands that remove Namesake, in their order
    Uninstall,
    /// Print what a maintainer needs to see, without the names of people
    SupportBundle(SupportBundle),
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
            Self::Explain(_) => "explain",
            Self::List(_) => "list",
            Self::Lint(_) => "lint",
            Self::Simulate(_) => "simulate",
            Self::Replay(_) => "replay",
            Self::Adopt(_) => "adopt",
            Self::Offboard(_) => "offboard",
            Self::Return(_) => "return",
            Self::Warm(_) => "warm",
            Self::Who(_) => "who",
            Self::Gc(_) => "gc",
            Self::Uninstall => "uninstall",
            Self::SupportBundle(_) => "support-bundle",
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
