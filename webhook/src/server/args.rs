//! Flags; each is an environment variable too.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use namesake_api::names;
use reqwest::Url;

use crate::check::Check;
use crate::review::duration;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

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
    /// Namespace of the rules and of our own Secrets.
    #[arg(long, env = names::ENV_NAMESPACE, default_value = names::SYSTEM_NAMESPACE)]
    pub namespace: String,
    /// Address and port to serve HTTPS on.
    #[arg(long, env = names::ENV_LISTEN, default_value = names::WEBHOOK_LISTEN)]
    pub listen: SocketAddr,
    /// Address and port to serve metrics on, over HTTP.
    #[arg(long, env = names::ENV_METRICS_LISTEN, default_value = names::METRICS_LISTEN)]
    pub metrics_listen: SocketAddr,
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
    /// DNS names and IP addresses in the certificate, separated by commas [default: namesake-webhook.NAMESPACE.svc]
    #[arg(long, env = names::ENV_TLS_NAMES, value_delimiter = ',')]
    pub tls_names: Vec<String>,
    /// File with the authorities (PEM) of the API server's client certificate for webhooks. Reviews that come without such a
    /// certificate are refused then. It is read at the start [default: none, reviews are for whoever reaches the port]
    #[arg(long, env = "NAMESAKE_CLIENT_CA_FILE")]
    pub client_ca_file: Option<PathBuf>,
    /// How long to go on serving after SIGTERM, until the API server has stopped sending; such as 5s or 0s.
    #[arg(long, env = "NAMESAKE_DRAIN", default_value = "5s", value_parser = parse_duration)]
    pub drain: Duration,
    /// Filter of the log, such as info or namesake_webhook=debug.
    #[arg(long, env = names::ENV_LOG, default_value = names::LOG)]
    pub log: String,
    /// Form of the log.
    #[arg(long, env = names::ENV_LOG_FORMAT, default_value = names::LOG_FORMAT, value_enum)]
    pub log_format: LogFormat,
}

impl Args {
    /// DNS names and addresses for the certificate.
    #[must_use]
    pub fn certificate_names(&self) -> Vec<String> {
        let names = self.tls_names.iter().map(|n| n.trim().to_owned());
        let names: Vec<_> = names.filter(|n| !n.is_empty()).collect();
        if names.is_empty() {
            return vec![format!(
                "{}.{}.svc",
                names::WEBHOOK_SERVICE_ACCOUNT,
                self.namespace
            )];
        }
        names
    }
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    duration(text).ok_or_else(|| {
        format!("{text:?} is not a duration: write a number with its unit, such as 6s")
    })
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
        assert_eq!(args.namespace, names::SYSTEM_NAMESPACE);
        assert_eq!(args.drain, Duration::from_secs(5));
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
    fn without_names_the_certificate_is_for_our_service() {
        let args =
            Args::try_parse_from(["x", "--namespace", "n", "--broker-deadline", "0s"]).unwrap();
        assert_eq!(args.certificate_names(), ["namesake-webhook.n.svc"]);
        assert!(args.broker_deadline.is_zero());
        let args = Args::try_parse_from(["x", "--tls-names", "127.0.0.1, localhost"]).unwrap();
        assert_eq!(args.certificate_names(), ["127.0.0.1", "localhost"]);
        assert!(Args::try_parse_from(["x", "--broker-deadline", "soon"]).is_err());
    }
}
