//! Flags; each is an environment variable too.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{ArgAction, Parser, Subcommand};
use namesake_api::names;
use namesake_core::RulesDuration;
use namesake_gcp::{Endpoints, RateLimits};
use namesake_service::{CertificateArgs, ServerArgs};

use crate::google::policies::PolicyLimits;
use crate::google::roles::AllowedRoles;
use crate::server::clean::Clean;
use crate::server::config::{Config, Timings, system_clock};

/// What the broker does instead of serving.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Delete the identities of a stack, at Google and in the cluster, without a running broker: to uninstall, or when the
    /// finalizers of Identities block the deletion of a namespace.
    Clean(Clean),
}

/// Namesake's broker: creates identities, brings Google in line with them, and opens the gates of their pods.
#[derive(Clone, Debug, Parser)]
#[command(version, about)]
pub struct Args {
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Flags that all programs have.
    #[command(flatten)]
    pub server: ServerArgs,
    /// Flags of the certificate.
    #[command(flatten)]
    pub certificate: CertificateArgs,
    /// Address and port on which to serve HTTPS.
    #[arg(long, env = names::ENV_LISTEN, default_value = names::BROKER_LISTEN)]
    pub listen: SocketAddr,
    /// Name of this replica, for people who read the Lease.
    #[arg(long, env = names::ENV_REPLICA, default_value = names::BROKER_SERVICE_ACCOUNT)]
    pub replica: String,
    /// New identities that one user may have in a minute.
    #[arg(long, env = names::ENV_IDENTITIES_PER_MINUTE, default_value_t = names::IDENTITIES_PER_MINUTE)]
    pub identities_per_minute: u32,
    /// How long the disabled Google service account of an offboarded user is kept before it is deleted, such as 30d or 12h.
    #[arg(long, env = names::ENV_OFFBOARDING_GRACE, default_value = names::OFFBOARDING_GRACE)]
    pub offboarding_grace: RulesDuration,
    /// How long after a user was listed under `offboarded` removing the entry undoes it. Nobody acts as the user meanwhile.
    #[arg(long, env = names::ENV_OFFBOARDING_UNDO, default_value = names::OFFBOARDING_UNDO)]
    pub offboarding_undo: RulesDuration,
    /// Delete what has the mark of this stack and belongs to no Identity. Without it, such garbage is only reported.
    #[arg(long, env = names::ENV_COLLECT, default_value_t = false, action = ArgAction::Set)]
    pub collect: bool,
    /// How long garbage, or an Identity that the rules do not derive any more, is kept first.
    #[arg(long, env = names::ENV_COLLECT_AFTER, default_value = names::COLLECT_AFTER)]
    pub collect_after: RulesDuration,
    /// Roles that identities may be granted, whatever the rules say, separated by commas.
    #[arg(long, env = names::ENV_ALLOWED_ROLES, default_value = names::ALLOWED_ROLES)]
    pub allowed_roles: AllowedRoles,
    /// Google service accounts that a project may have, by its quota; without it, the broker creates them until Google refuses.
    #[arg(long, env = names::ENV_ACCOUNTS_PER_PROJECT)]
    pub accounts_per_project: Option<u64>,
    /// Reads of IAM a minute that the quota of the identities' projects allows.
    #[arg(long, env = names::ENV_READS_PER_MINUTE, default_value_t = names::READS_PER_MINUTE)]
    pub reads_per_minute: u32,
    /// Writes to IAM a minute that the quota of the identities' projects allows.
    #[arg(long, env = names::ENV_WRITES_PER_MINUTE, default_value_t = names::WRITES_PER_MINUTE)]
    pub writes_per_minute: u32,
    /// Verifications of identities that run at the same time; each holds a token of its identity for some seconds.
    #[arg(long, env = names::ENV_VERIFICATIONS_AT_ONCE, default_value_t = names::VERIFICATIONS_AT_ONCE, value_parser = clap::value_parser!(u16).range(1..))]
    pub verifications_at_once: u16,
    /// Creations of service accounts a minute that the quota allows; without it half of the writes, or fewer when Google refuses.
    #[arg(long, env = names::ENV_CREATES_PER_MINUTE)]
    pub creates_per_minute: Option<u32>,
    /// Bytes that a policy at Google may have; Google does not document a number.
    #[arg(long, env = names::ENV_POLICY_BYTES, default_value_t = names::POLICY_BYTES)]
    pub policy_bytes: usize,
    /// Base URL of Google's IAM API.
    #[arg(long, env = names::ENV_IAM_ENDPOINT, default_value = names::IAM_ENDPOINT)]
    pub iam_endpoint: String,
    /// Base URL of Google's IAM Service Account Credentials API.
    #[arg(long, env = names::ENV_IAM_CREDENTIALS_ENDPOINT, default_value = names::IAM_CREDENTIALS_ENDPOINT)]
    pub iam_credentials_endpoint: String,
    /// Base URL of Google's Security Token Service.
    #[arg(long, env = names::ENV_STS_ENDPOINT, default_value = names::STS_ENDPOINT)]
    pub sts_endpoint: String,
    /// Base URL of Google's Cloud Storage JSON API.
    #[arg(long, env = names::ENV_STORAGE_ENDPOINT, default_value = names::STORAGE_ENDPOINT)]
    pub storage_endpoint: String,
    /// Base URL of Google's Resource Manager API.
    #[arg(long, env = names::ENV_RESOURCE_MANAGER_ENDPOINT, default_value = names::RESOURCE_MANAGER_ENDPOINT)]
    pub resource_manager_endpoint: String,
}

impl Args {
    /// The configuration that the flags give.
    #[must_use]
    pub fn config(&self) -> Config {
        Config {
            namespace: self.server.namespace.clone(),
            tls_names: self
                .certificate
                .certificate_names(names::BROKER_SERVICE_ACCOUNT, &self.server.namespace),
            replica: self.replica.clone(),
            drain: self.server.drain,
            identities_per_minute: self.identities_per_minute,
            allowed_roles: self.allowed_roles.clone(),
            accounts_per_project: self.accounts_per_project,
            policy_limits: PolicyLimits {
                bytes: self.policy_bytes,
                ..PolicyLimits::default()
            },
            offboarding_grace: Duration::from_secs(self.offboarding_grace.as_secs()),
            offboarding_undo: Duration::from_secs(self.offboarding_undo.as_secs()),
            drift_reads_per_minute: names::DRIFT_READS_PER_MINUTE,
            verifications_at_once: self.verifications_at_once,
            collect: self.collect,
            collect_after: Duration::from_secs(self.collect_after.as_secs()),
            timings: Timings::default(),
            clock: system_clock(),
        }
    }

    /// Google's rate limits.
    #[must_use]
    pub fn rates(&self) -> RateLimits {
        RateLimits {
            reads: self.reads_per_minute,
            writes: self.writes_per_minute,
            creates: self.creates_per_minute,
            ..RateLimits::default()
        }
    }

    /// URLs of Google's APIs.
    #[must_use]
    pub fn endpoints(&self) -> Endpoints {
        Endpoints {
            iam: self.iam_endpoint.clone(),
            iam_credentials: self.iam_credentials_endpoint.clone(),
            sts: self.sts_endpoint.clone(),
            storage: self.storage_endpoint.clone(),
            resource_manager: self.resource_manager_endpoint.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use clap::error::ErrorKind;

    use super::*;

    #[test]
    fn every_flag_is_valid_and_has_an_environment_variable() {
        let command = Args::command();
        command.clone().debug_assert();
        for arg in command
            .get_arguments()
            .filter(|a| !["help", "version"].contains(&a.get_id().as_str()))
        {
            assert!(arg.get_env().is_some(), "{arg}");
        }
    }

    #[test]
    fn the_broker_starts_without_flags() {
        let args = Args::try_parse_from(["namesake-broker"]).unwrap();
        let (config, default) = (args.config(), Config::default());
        assert_eq!(config.drain, Duration::from_secs(5));
        let spans = |config: &Config| {
            let offboarding = (config.offboarding_grace, config.offboarding_undo);
            (offboarding, config.collect_after)
        };
        assert_eq!(spans(&config), spans(&default));
        assert!(args.command.is_none());
        let clean = ["namesake-broker", "clean", "--stack", "prod"];
        let cleaning = Args::try_parse_from(clean).unwrap().command;
        assert!(matches!(cleaning, Some(Command::Clean(clean)) if clean.stack == "prod"));
        for asked in [
            &["namesake-broker", "--help"][..],
            &["namesake-broker", "clean", "--help"],
        ] {
            let help = Args::try_parse_from(asked).unwrap_err();
            assert_eq!(help.kind(), ErrorKind::DisplayHelp);
        }
    }

    #[test]
    fn the_certificate_is_for_the_service_of_the_broker() {
        let args = Args::parse_from(["namesake-broker", "--namespace", "ids"]);
        assert_eq!(args.config().tls_names, ["namesake-broker.ids.svc"]);
    }
}
