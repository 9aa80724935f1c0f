//! The command line.

use std::time::Duration;

use clap::{Args, Parser, Subcommand};

/// A whole cluster on loopback: a real Kubernetes control plane, a stand-in for a node, an emulated Google, and Namesake.
///
/// Everything listens on 127.0.0.1 at random free ports, keeps its files in target/sandbox/run-…, and stops with this program,
/// however it exits.
#[derive(Debug, Parser)]
#[command(name = "namesake-sandbox", version, arg_required_else_help = true)]
pub struct Cli {
    /// The subcommand.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run one flow with stock Metaflow as alice and as bob at once, and show each task's identity at Google.
    ///
    /// Prints its progress, then a table, and writes target/demo/report.json. Exits 0 only if each task had its user's own identity,
    /// read its user's data and was refused the other's, if each run is recorded as its user's, and if the gateway refuses bob in
    /// alice's run and whoever has no token.
    Demo(SandboxArgs),
    /// Start a cluster with Namesake, and print how to use it. Ctrl-C stops it.
    Up(SandboxArgs),
    /// Start only a control plane (etcd, kube-apiserver, kube-controller-manager): no node, no Namesake. Ctrl-C stops it.
    ControlPlane(ControlPlaneArgs),
    /// Build or install whatever the other commands need.
    ///
    /// The programs of the control plane are taken from KUBEBUILDER_ASSETS if it is set, or else built with Go (about 6 minutes,
    /// once); those of Argo Workflows from that folder too if they are there, or else built with Go (about 4 minutes, once).
    Build(BuildArgs),
}

/// Flags of `demo` and `up`.
#[derive(Debug, Args)]
pub struct SandboxArgs {
    /// Keep the work folder (logs, kubeconfigs) after success too.
    #[arg(long)]
    pub keep: bool,
    /// Seconds that the emulated IAM takes to propagate a change; at Google it is 2 to 7 minutes.
    #[arg(long, value_name = "SECONDS", default_value = "4", value_parser = seconds)]
    pub propagation: Duration,
}

/// Flags of `build`.
#[derive(Debug, Args)]
pub struct BuildArgs {
    /// Build only this older version of the control plane, as 1.33, into target/control-plane-1.33 (13 minutes of processor time, once).
    ///
    /// A file of sandbox/control-plane pins it. KUBEBUILDER_ASSETS=target/control-plane-1.33 then makes the other commands and the
    /// tests use it.
    #[arg(long, value_name = "VERSION")]
    pub kubernetes: Option<String>,
}

/// Flags of `control-plane`.
#[derive(Debug, Args)]
pub struct ControlPlaneArgs {
    /// Keep the work folder (logs, kubeconfigs) after success too.
    #[arg(long)]
    pub keep: bool,
    /// Print only `export` lines, for a shell to evaluate.
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
    fn every_command_needs_no_flags() {
        for name in ["demo", "up", "control-plane", "build"] {
            Cli::try_parse_from(["namesake-sandbox", name]).unwrap();
            let help = Cli::try_parse_from(["namesake-sandbox", name, "--help"]).unwrap_err();
            assert_eq!(help.kind(), ErrorKind::DisplayHelp, "{name}");
        }
        let all = Cli::command();
        assert_eq!(all.get_subcommands().count(), 4);
    }

    #[test]
    fn invalid_seconds_are_refused() {
        assert_eq!(seconds("2.5"), Ok(Duration::from_millis(2500)));
        for text in ["", "x", "-1", "601", "NaN", "inf"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
