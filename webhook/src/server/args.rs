//! Flags; each is an environment variable too.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use namesake_api::names;
use namesake_core::Glob;
use namesake_service::{CertificateArgs, ServerArgs, parse_duration};
use reqwest::Url;

/// Namesake's admission webhook: records who requested an object, and gives each pod its user's own service account.
#[derive(Clone, Debug, Parser)]
#[command(version, about)]
pub struct Args {
    /// Address and port on which to serve HTTPS.
    #[arg(long, env = names::ENV_LISTEN, default_value = names::WEBHOOK_LISTEN)]
    pub listen: SocketAddr,
    /// Base URL of the broker.
    #[arg(long, env = names::ENV_BROKER_URL, default_value = names::BROKER_URL)]
    pub broker_url: Url,
    /// File with the token for the broker; read again for every call.
    #[arg(long, env = names::ENV_BROKER_TOKEN_FILE, default_value = names::BROKER_TOKEN_FILE)]
    pub broker_token_file: PathBuf,
    /// Longest wait for the broker, such as 6s; must be less than timeoutSeconds of the webhook configuration.
    #[arg(long, env = names::ENV_BROKER_DEADLINE, default_value = names::BROKER_DEADLINE, value_parser = parse_duration)]
    pub broker_deadline: Duration,
    /// How often to check for a new certificate authority, new stamp keys, and a missing caBundle; such as 60s.
    #[arg(long, env = names::ENV_UPKEEP, default_value = names::UPKEEP, value_parser = parse_duration)]
    pub upkeep: Duration,
    /// File (PEM) with the certificate authorities of the API server's client certificate for webhooks. Reviews without such a
    /// certificate are then refused. Read at the start [default: none, every client may send reviews]
    #[arg(long, env = names::ENV_CLIENT_CA_FILE)]
    pub client_ca_file: Option<PathBuf>,
    /// MutatingWebhookConfigurations, by name with `*`, whose webhooks may change pods after Namesake without a final check of the
    /// result, comma-separated. Nobody but cluster admins may decide what they change [default: none]
    #[arg(long, env = names::ENV_TRUSTED_WEBHOOKS, value_delimiter = ',')]
    pub trusted_webhooks: Vec<String>,
    /// Name of this replica, by which it says which rules it uses.
    #[arg(long, env = names::ENV_HOSTNAME, default_value = names::HOSTNAME)]
    pub replica: String,
    /// Flags of the certificate.
    #[command(flatten)]
    pub certificate: CertificateArgs,
    /// Flags that all programs have.
    #[command(flatten)]
    pub server: ServerArgs,
}

impl Args {
    /// The configurations whose webhooks may change pods after Namesake.
    pub(super) fn trusted_webhooks(&self) -> Vec<Glob> {
        self.trusted_webhooks
            .iter()
            .map(|one| Glob::new(one))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use super::*;

    #[test]
    fn flags_are_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn no_flag_is_required() {
        let args = Args::try_parse_from(["namesake-webhook"]).unwrap();
        assert_eq!(args.server.namespace, names::SYSTEM_NAMESPACE);
        assert_eq!(args.server.drain, Duration::from_secs(5));
        let help = Args::try_parse_from(["namesake-webhook", "--help"]).unwrap_err();
        assert_eq!(help.kind(), ErrorKind::DisplayHelp);
    }

    #[test]
    fn a_deadline_of_zero_is_allowed_and_one_without_a_unit_is_refused() {
        let parse = |value| Args::try_parse_from(["x", "--broker-deadline", value]);
        assert!(parse("0s").unwrap().broker_deadline.is_zero());
        assert!(parse("soon").is_err());
    }
}
