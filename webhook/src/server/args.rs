//! Flags; each is an environment variable too.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use namesake_api::names;
use namesake_service::{ServerArgs, parse_duration};
use reqwest::Url;

use crate::check::Check;

/// What the webhook does instead of serving.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Say what is open in this installation, and how to close it. Run by an admin; nothing is changed.
    ///
    /// Exit code 0: nothing is open. 1: something is. 2: something could not be looked at.
    Check(Check),
}

/// Namesake's admission webhook: stamps who asked, and gives each pod its user's own service account.
#[derive(Clone, Debug, Parser)]
#[command(version, about)]
pub struct Args {
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Address and port to serve HTTPS on.
    #[arg(long, env = names::ENV_LISTEN, default_value = names::WEBHOOK_LISTEN)]
    pub listen: SocketAddr,
    /// Base URL of the broker.
    #[arg(long, env = names::ENV_BROKER_URL, default_value = names::BROKER_URL)]
    pub broker_url: Url,
    /// File with the token that is shown to the broker; read again for every call.
    #[arg(long, env = names::ENV_BROKER_TOKEN_FILE, default_value = names::BROKER_TOKEN_FILE)]
    pub broker_token_file: PathBuf,
    /// Longest wait for the broker, such as 6s; keep it below timeoutSeconds of the webhook configuration.
    #[arg(long, env = names::ENV_BROKER_DEADLINE, default_value = names::BROKER_DEADLINE, value_parser = parse_duration)]
    pub broker_deadline: Duration,
    /// How often to look for a new authority, new stamp keys, and a caBundle that somebody took away; such as 60s.
    #[arg(long, env = names::ENV_UPKEEP, default_value = names::UPKEEP, value_parser = parse_duration)]
    pub upkeep: Duration,
    /// File with the authorities (PEM) of the API server's client certificate for webhooks. Reviews that come without such a
    /// certificate are refused then. It is read at the start [default: none, reviews are for whoever reaches the port]
    #[arg(long, env = "NAMESAKE_CLIENT_CA_FILE")]
    pub client_ca_file: Option<PathBuf>,
    /// Flags that both programs have.
    #[command(flatten)]
    pub server: ServerArgs,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use super::*;

    #[test]
    fn flags_fit_together() {
        Args::command().debug_assert();
    }

    #[test]
    fn it_starts_with_its_defaults_alone() {
        let args = Args::try_parse_from(["namesake-webhook"]).unwrap();
        assert_eq!(args.server.namespace, names::SYSTEM_NAMESPACE);
        assert_eq!(args.server.drain, Duration::from_secs(5));
        assert!(args.command.is_none());
        let Some(Command::Check(check)) = Args::try_parse_from(["namesake-webhook", "check"])
            .unwrap()
            .command
        else {
            panic!("no check");
        };
        assert!(check.trust.is_empty());
        for asked in [
            &["namesake-webhook", "--help"][..],
            &["namesake-webhook", "check", "--help"],
        ] {
            let help = Args::try_parse_from(asked).unwrap_err();
            assert_eq!(help.kind(), ErrorKind::DisplayHelp);
        }
    }

    #[test]
    fn a_deadline_of_zero_is_allowed_and_one_without_a_unit_is_refused() {
        let parse = |value| Args::try_parse_from(["x", "--broker-deadline", value]);
        assert!(parse("0s").unwrap().broker_deadline.is_zero());
        assert!(parse("soon").is_err());
    }
}
