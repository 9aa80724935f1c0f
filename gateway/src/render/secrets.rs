//! The files from which Envoy reads secrets (its secret discovery service, from files). They name files only, no secrets.

use std::collections::BTreeMap;

use namesake_api::names::{CLIENT_SECRET_KEY, COOKIE_SECRET_KEY};
use serde_json::{Value, json};

use super::{Options, file};
use crate::config::{Config, Login};

const TLS: &str = "tls";

/// The files by name.
pub(super) fn files(config: &Config, options: &Options) -> BTreeMap<String, Value> {
    let folder = &options.tls;
    // Envoy reads the certificate again when the kubelet replaces the folder's contents.
    let certificate = json!({"name": TLS, "tls_certificate": {
        "certificate_chain": {"filename": file(folder, "tls.crt")},
        "private_key": {"filename": file(folder, "tls.key")},
        "watched_directory": {"path": folder},
    }});
    let mut files = BTreeMap::from([(file_name(TLS), resource(certificate))]);
    for secret in secret_names(config) {
        for key in [CLIENT_SECRET_KEY, COOKIE_SECRET_KEY] {
            let path = options.login_secrets.join(secret).join(key);
            let name = format!("{secret}-{key}");
            let generic = json!({"name": name, "generic_secret": {"secret": {"filename": path}}});
            files.insert(file_name(&name), resource(generic));
        }
    }
    files
}

/// The Secrets of all logins.
pub(super) fn secret_names(config: &Config) -> impl Iterator<Item = &str> {
    config
        .issuers
        .iter()
        .filter_map(|issuer| match &issuer.login {
            Some(Login::Oidc { secret_name, .. }) => Some(secret_name.as_str()),
            _ => None,
        })
}

/// Where Envoy finds the certificate of the gateway.
pub(super) fn certificate(options: &Options) -> Value {
    source(TLS, options)
}

/// Where Envoy finds a key of a login's Secret.
pub(super) fn login(secret: &str, key: &str, options: &Options) -> Value {
    source(&format!("{secret}-{key}"), options)
}

fn source(name: &str, options: &Options) -> Value {
    json!({"name": name, "sds_config": {
        "path_config_source": {"path": file(&options.folder, &file_name(name))},
        "resource_api_version": "V3",
    }})
}

fn file_name(name: &str) -> String {
    format!("{name}.json")
}

fn resource(mut secret: Value) -> Value {
    secret["@type"] = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret".into();
    json!({"resources": [secret]})
}
