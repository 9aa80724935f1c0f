//! Flags and commands.

use std::path::PathBuf;

use clap::{Args as Flags, Parser, Subcommand};
use namesake_api::names;

use crate::answer::Output;
use crate::pages;

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

/// Flags of all commands.
#[derive(Clone, Debug, Default, Flags)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// The kubeconfig [default: KUBECONFIG, then ~/.kube/config, then the cluster in which it runs]
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,
    /// Namespace of the objects that the command is about [default: all, or the context's where all cannot be meant]
    #[arg(long, short = 'n', global = true, value_name = "NAME")]
    pub namespace: Option<String>,
    /// Stack, if the cluster has several
    #[arg(long, global = true, value_name = "NAME")]
    pub stack: Option<String>,
    /// Namespace of webhook and broker [default: found by the stack]
    #[arg(long, global = true, value_name = "NAME", env = names::ENV_NAMESPACE)]
    pub system_namespace: Option<String>,
    /// Format of the answer
    #[arg(long, short = 'o', global = true, value_enum, default_value_t)]
    pub output: Output,
}

/// The commands.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
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
