//! Flags of all programs; each is an environment variable too.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use namesake_api::names;

use crate::duration::parse_duration;

/// Format of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// Plain text, for people.
    Text,
}

/// Flags that all programs have.
#[derive(Clone, Debug, Args)]
pub struct ServerArgs {
    /// Namespace of the program, its Secrets and the ConfigMap of rules.
    #[arg(long, env = names::ENV_NAMESPACE, default_value = names::SYSTEM_NAMESPACE)]
    pub namespace: String,
    /// Address and port on which to serve metrics over HTTP.
    #[arg(long, env = names::ENV_METRICS_LISTEN, default_value = names::METRICS_LISTEN)]
    pub metrics_listen: SocketAddr,
    /// How long to keep serving after SIGTERM, until the Service sends no more requests; such as 5s or 0s.
    #[arg(long, env = names::ENV_DRAIN, default_value = names::DRAIN, value_parser = parse_duration)]
    pub drain: Duration,
    /// Log filter, such as info or namesake_webhook=debug.
    #[arg(long, env = names::ENV_LOG, default_value = names::LOG)]
    pub log: String,
    /// Format of the log.
    #[arg(long, env = names::ENV_LOG_FORMAT, default_value = names::LOG_FORMAT, value_enum)]
    pub log_format: LogFormat,
}

/// Flags of a program that serves with a certificate of Namesake's authority.
#[derive(Clone, Debug, Args)]
pub struct CertificateArgs {
    /// DNS names and IP addresses in the certificate, separated by commas [default: the Service, as NAME.NAMESPACE.svc]
    #[arg(long, env = names::ENV_TLS_NAMES, value_delimiter = ',')]
    pub tls_names: Vec<String>,
}

impl CertificateArgs {
    /// DNS names and IP addresses for the certificate; without any, that of the Service of this name in this namespace.
    #[must_use]
    pub fn certificate_names(&self, service: &str, namespace: &str) -> Vec<String> {
        let names = self.tls_names.iter().map(|name| name.trim().to_owned());
        let names: Vec<_> = names.filter(|name| !name.is_empty()).collect();
        if names.is_empty() {
            return vec![format!("{service}.{namespace}.svc")];
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        server: ServerArgs,
        #[command(flatten)]
        certificate: CertificateArgs,
    }

    fn parse(args: &[&str]) -> Result<Program, clap::Error> {
        Program::try_parse_from(["program"].iter().chain(args))
    }

    #[test]
    fn the_certificate_is_for_the_service_unless_names_are_given() {
        let names = |args: &[&str]| {
            let certificate = parse(args).unwrap().certificate;
            certificate.certificate_names("broker", "ids")
        };
        assert_eq!(names(&[]), ["broker.ids.svc"]);
        let given = names(&["--tls-names", "127.0.0.1, localhost"]);
        assert_eq!(given, ["127.0.0.1", "localhost"]);
    }

    #[test]
    fn a_duration_without_a_unit_is_refused_with_an_example() {
        assert_eq!(parse(&[]).unwrap().server.drain, Duration::from_secs(5));
        let error = parse(&["--drain", "5"]).unwrap_err().to_string();
        assert!(error.contains("such as 6s"), "{error}");
    }
}
