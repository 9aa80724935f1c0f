//! The command line.

use std::time::Duration;

use clap::{Args, Parser, Subcommand};

/// A whole cluster on loopback: a real Kubernetes control plane, a stand-in for its node, Google's side emulated, and Namesake.
///
/// Everything listens on 127.0.0.1 at random free ports, keeps its files in target/sandbox/run-…, and ends with this program,
/// however it ends.
#[derive(Debug, Parser)]
#[command(name = "namesake-sandbox", version, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run one stock Metaflow flow as alice and as bob at once, and show who each task was to Google.
    ///
    /// Prints what it does, then a table; writes target/demo/report.json. Exits 0 only if each task was its user's own identity,
    /// read its own data and was refused the other's.
    Demo(SandboxArgs),
    /// Leave a cluster with Namesake up, and print how to talk to it. Ctrl-C ends it.
    Up(SandboxArgs),
    /// Leave only the control plane up (etcd, kube-apiserver, kube-controller-manager): no node, no Namesake.
    ControlPlane(ControlPlaneArgs),
    /// Build or install whatever the other commands need, and end.
    ///
    /// The control plane's programs come from KUBEBUILDER_ASSETS if it is set, else from `go build` (about 6 minutes, once);
    /// Argo Workflows' from there too if that folder has them, else from `go build` (about 4 minutes, once).
    Build,
}

/// What `demo` and `up` share.
#[derive(Debug, Args)]
pub struct SandboxArgs {
    /// Keep the work folder (logs, kubeconfigs) also when all went well.
    #[arg(long)]
    pub keep: bool,
    /// Seconds that the emulated IAM takes to believe a change; at Google it is 2 to 7 minutes.
    #[arg(long, value_name = "SECONDS", default_value = "4", value_parser = seconds)]
    pub propagation: Duration,
}

/// Flags of `control-plane`.
#[derive(Debug, Args)]
pub struct ControlPlaneArgs {
    /// Keep the work folder (logs, kubeconfigs) also when all went well.
    #[arg(long)]
    pub keep: bool,
    /// Print `export KUBECONFIG=…` lines only, for a shell to read.
    #[arg(long)]
    pub print_env: bool,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text
        .parse()
        .map_err(|_| "not a number of seconds".to_owned())?;
    if !(0.0..=600.0).contains(&number) {
        return Err("not between 0 and 600 seconds".to_owned());
    }
    Ok(Duration::from_secs_f64(number))
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, error::ErrorKind};

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_starts_with_its_defaults_alone() {
        for name in ["demo", "up", "control-plane", "build"] {
            Cli::try_parse_from(["namesake-sandbox", name]).unwrap();
            let help = Cli::try_parse_from(["namesake-sandbox", name, "--help"]).unwrap_err();
            assert_eq!(help.kind(), ErrorKind::DisplayHelp, "{name}");
        }
        let all = Cli::command();
        assert_eq!(all.get_subcommands().count(), 4);
    }

    #[test]
    fn seconds_that_are_none_are_refused() {
        assert_eq!(seconds("2.5"), Ok(Duration::from_millis(2500)));
        for text in ["", "x", "-1", "601", "NaN", "inf"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
