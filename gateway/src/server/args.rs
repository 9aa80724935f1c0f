//! Flags; each is an environment variable too.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};
use namesake_api::names;
use namesake_service::ServerArgs;
use reqwest::Url;

use crate::render::Render;

/// What the gateway does.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Write Envoy's configuration, after reading the discovery document of each issuer.
    Render(Box<Render>),
    /// Authorize the requests that Envoy authenticated, and serve Namesake's page.
    Serve(Box<Serve>),
}

/// Namesake's gateway: authenticated endpoints for Metaflow's services.
#[derive(Clone, Debug, Parser)]
#[command(version, about)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags of `serve`.
#[derive(Clone, Debug, ClapArgs)]
pub struct Serve {
    /// The file with hosts and issuers.
    #[arg(long, env = names::ENV_GATEWAY_CONFIG, default_value = names::GATEWAY_CONFIG_FILE)]
    pub config: PathBuf,
    /// Unix socket on which to answer Envoy.
    #[arg(long, env = names::ENV_GATEWAY_SOCKET, default_value = names::GATEWAY_SOCKET)]
    pub socket: PathBuf,
    /// Base URL of the metadata service, which says who owns a run [default: the backend of the hosts that serve `api`]
    #[arg(long, env = names::ENV_METADATA_URL)]
    pub metadata_url: Option<Url>,
    /// Flags that all programs have.
    #[command(flatten)]
    pub server: ServerArgs,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn flags_are_consistent_and_none_is_required() {
        Args::command().debug_assert();
        let args = Args::try_parse_from(["namesake-gateway", "serve"]).unwrap();
        let Command::Serve(serve) = args.command else {
            panic!("not serve");
        };
        assert_eq!(serve.socket.to_str(), Some(names::GATEWAY_SOCKET));
        assert_eq!(serve.server.namespace, names::SYSTEM_NAMESPACE);
    }
}
