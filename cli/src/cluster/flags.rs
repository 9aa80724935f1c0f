//! Flags of all commands: which cluster, which stack, which namespace, and the format of the answer.

use std::path::PathBuf;

use clap::Args as Flags;
use namesake_api::names;

use crate::answer::Output;

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
    /// Namespace of the objects that the command is about [default: all, or the context's where all cannot be meant or seen]
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
