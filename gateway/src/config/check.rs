//! What a file may not say, beyond its types.

use std::{collections::HashSet, net::IpAddr};

use namesake_api::names;
use reqwest::Url;

use super::{API_VERSION, Config, Endpoints, Host, Issuer, KIND, Login, Serves};

/// A problem, without its place.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// As `hosts[1].name`.
    pub(super) key: String,
    pub(super) what: String,
    pub(super) remedy: &'static str,
}

#[derive(Default)]
struct Log(Vec<Found>);

impl Log {
    fn add(&mut self, key: impl Into<String>, what: impl Into<String>, remedy: &'static str) {
        self.0.push(Found {
            key: key.into(),
            what: what.into(),
            remedy,
        });
    }
}

/// All problems of a file.
pub(super) fn check(config: &Config) -> Vec<Found> {
    let mut log = Log::default();
    if config.api_version != API_VERSION {
        log.add(
            "apiVersion",
            format!("{:?} is unknown", config.api_version),
            "write namesake.dev/v1alpha1",
        );
    }
    if config.kind != KIND {
        log.add(
            "kind",
            format!("{:?} is unknown", config.kind),
            "write GatewayConfig",
        );
    }
    check_issuers(config, &mut log);
    check_hosts(config, &mut log);
    if let Some(cluster) = &config.cluster {
        check_url(&mut log, "cluster.issuer", &cluster.issuer);
        check_not_empty(&mut log, "cluster.audience", &cluster.audience);
        if config
            .issuers
            .iter()
            .any(|issuer| issuer.issuer == cluster.issuer)
        {
            let what = format!("{} is also under issuers", cluster.issuer);
            log.add(
                "cluster.issuer",
                what,
                "remove one of the two: tokens of pods and of people need different issuers",
            );
        }
    }
    log.0
}

fn check_hosts(config: &Config, log: &mut Log) {
    if !config.hosts.iter().any(|host| host.serves == Serves::Api) {
        log.add(
            "hosts",
            "no host serves api",
            "add one: programs and task pods use it",
        );
    }
    let mut names = HashSet::new();
    for (i, host) in config.hosts.iter().enumerate() {
        let key = |field: &str| format!("hosts[{i}].{field}");
        if !is_dns_name(&host.name) {
            let remedy =
                "write it in lower case, without scheme, port and path, as metaflow.acme.com";
            log.add(
                key("name"),
                format!("{:?} is not a DNS name", host.name),
                remedy,
            );
        }
        if !names.insert(&host.name) {
            log.add(
                key("name"),
                format!("{:?} is given twice", host.name),
                "give each host its own name",
            );
        }
        check_backend(log, key("backend"), &host.backend);
        if let Some(files) = &host.r#static {
            check_backend(log, key("static"), files);
        }
        match host.serves {
            Serves::Ui => check_ui(config, host, &key("login"), log),
            Serves::Api => check_api(config, host, i, log),
        }
    }
}

fn check_ui(config: &Config, host: &Host, key: &str, log: &mut Log) {
    let Some(name) = &host.login else {
        log.add(
            key,
            "a host that serves ui needs a login",
            "name the issuer with which people log in",
        );
        return;
    };
    match config.issuer(name) {
        None => {
            let what = format!("there is no issuer {name:?}");
            log.add(key, what, "write the name of an entry of issuers");
        }
        Some(issuer) if issuer.login.is_none() => {
            let what = format!("the issuer {name:?} has no login");
            log.add(
                key,
                what,
                "add login with clientId and secretName to the issuer",
            );
        }
        Some(_) => {}
    }
}

fn check_api(config: &Config, host: &Host, i: usize, log: &mut Log) {
    if host.login.is_some() {
        let remedy = "remove it: programs send a token with each request";
        log.add(
            format!("hosts[{i}].login"),
            "nobody logs in at a host that serves api",
            remedy,
        );
    }
    if host.r#static.is_some() {
        let remedy = "remove it, or write it at a host that serves ui";
        log.add(
            format!("hosts[{i}].static"),
            "a host that serves api has no static files",
            remedy,
        );
    }
    let accepts_people = config
        .issuers
        .iter()
        .any(|issuer| issuer.login != Some(Login::Iap));
    if !accepts_people && config.cluster.is_none() {
        let remedy = "add an entry to issuers, or cluster";
        log.add(
            format!("hosts[{i}]"),
            "no issuer's tokens are accepted here",
            remedy,
        );
    }
}

fn check_issuers(config: &Config, log: &mut Log) {
    let (mut issuer_names, mut urls) = (HashSet::new(), HashSet::new());
    for (i, issuer) in config.issuers.iter().enumerate() {
        let key = |field: &str| format!("issuers[{i}].{field}");
        check_not_empty(log, &key("name"), &issuer.name);
        if !issuer_names.insert(&issuer.name) {
            log.add(
                key("name"),
                format!("{:?} is given twice", issuer.name),
                "give each issuer its own name",
            );
        }
        check_url(log, &key("issuer"), &issuer.issuer);
        if !urls.insert(&issuer.issuer) {
            let remedy = "write one entry, with all audiences";
            log.add(
                key("issuer"),
                format!("{} is given twice", issuer.issuer),
                remedy,
            );
        }
        if issuer.audiences.iter().all(String::is_empty) {
            let remedy = "list the client ids whose tokens are accepted: otherwise tokens for any other service would be";
            log.add(key("audiences"), "no audience is given", remedy);
        }
        check_claims(log, i, issuer);
        if let Some(login) = &issuer.login {
            check_login(log, i, issuer, login);
        }
        if let Some(endpoints) = &issuer.endpoints {
            check_endpoints(log, i, endpoints);
        }
    }
}

fn check_claims(log: &mut Log, i: usize, issuer: &Issuer) {
    check_not_empty(
        log,
        &format!("issuers[{i}].username.claim"),
        &issuer.username.claim,
    );
    for (j, domain) in issuer.domains.iter().enumerate() {
        if !is_dns_name(domain) {
            let remedy =
                "write the part of e-mail addresses after the @, in lower case, as acme.com";
            log.add(
                format!("issuers[{i}].domains[{j}]"),
                format!("{domain:?} is not a domain"),
                remedy,
            );
        }
    }
    if !issuer.domains.is_empty() && issuer.username.claim != "email" {
        let what = format!(
            "domains are those of e-mail addresses, and the user is the claim {:?}",
            issuer.username.claim
        );
        log.add(
            format!("issuers[{i}].domains"),
            what,
            "remove domains, or use the claim email",
        );
    }
}

fn check_login(log: &mut Log, i: usize, issuer: &Issuer, login: &Login) {
    let key = |field: &str| format!("issuers[{i}].login.{field}");
    match login {
        Login::Oidc {
            client_id,
            secret_name,
            scopes,
        } => {
            check_not_empty(log, &key("clientId"), client_id);
            if !is_dns_name(secret_name) {
                let remedy = "write the name of a Secret in the gateway's namespace";
                log.add(
                    key("secretName"),
                    format!("{secret_name:?} is not the name of a Secret"),
                    remedy,
                );
            }
            if !scopes.is_empty() && !scopes.iter().any(|scope| scope == "openid") {
                let remedy = "add openid: without it the issuer gives no id token";
                log.add(key("scopes"), "openid is missing", remedy);
            }
            if let Some(endpoints) = &issuer.endpoints {
                for (name, url) in [
                    ("authorization", &endpoints.authorization),
                    ("token", &endpoints.token),
                ] {
                    if url.is_none() {
                        let what = format!("the login needs the key {name}");
                        log.add(
                            format!("issuers[{i}].endpoints"),
                            what,
                            "add it, or remove endpoints so that they are discovered",
                        );
                    }
                }
            }
        }
        Login::Iap if issuer.issuer != names::IAP_ISSUER => {
            let what = format!(
                "{} is not the issuer of Google's Identity-Aware Proxy",
                issuer.issuer
            );
            log.add(
                format!("issuers[{i}].issuer"),
                what,
                "write https://cloud.google.com/iap",
            );
        }
        Login::Iap => {}
    }
}

fn check_endpoints(log: &mut Log, i: usize, endpoints: &Endpoints) {
    let urls = [
        ("keys", Some(&endpoints.keys)),
        ("authorization", endpoints.authorization.as_ref()),
        ("token", endpoints.token.as_ref()),
        ("endSession", endpoints.end_session.as_ref()),
    ];
    for (name, url) in urls {
        if let Some(url) = url {
            check_url(log, &format!("issuers[{i}].endpoints.{name}"), url);
        }
    }
}

fn check_not_empty(log: &mut Log, key: &str, value: &str) {
    if value.trim().is_empty() {
        log.add(key, "the value is empty", "write a value");
    }
}

/// A URL of an issuer: https, or http on loopback.
fn check_url(log: &mut Log, key: &str, text: &str) {
    if let Err(what) = issuer_url(text) {
        log.add(
            key,
            what,
            "write it with https://, as https://accounts.google.com",
        );
    }
}

/// Reads a URL of an issuer: https, or http on loopback.
pub(crate) fn issuer_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("{text:?} is not a URL: {error}"))?;
    match url.scheme() {
        "https" if url.host_str().is_some() => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        _ => Err(format!("{text:?} is not a URL with https")),
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// A URL of a service behind the gateway: scheme, host and port.
fn check_backend(log: &mut Log, key: String, text: &str) {
    let is_backend = Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.host_str().is_some()
            && url.path() == "/"
            && url.query().is_none()
    });
    if !is_backend {
        let remedy = "write scheme, host and port, as http://metadata-service.default:8080";
        log.add(key, format!("{text:?} is not the URL of a service"), remedy);
    }
}

fn is_dns_name(text: &str) -> bool {
    let is_label = |label: &str| {
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        !label.is_empty()
            && label.len() <= 63
            && label.chars().all(legal)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}
