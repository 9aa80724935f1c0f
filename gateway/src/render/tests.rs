//! The rendered configuration of the worked examples of docs/endpoints.md.

use std::{fs, path::PathBuf};

use serde_json::Value;

use super::*;
use crate::{
    config::{Login, Serves},
    discovery::read_for_tests,
};

fn testdata(example: &str, file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("testdata")
        .join(example)
        .join(file)
}

fn options() -> Options {
    Options {
        listen: names::GATEWAY_LISTEN.parse().unwrap(),
        public_port: 443,
        health_listen: names::GATEWAY_HEALTH_LISTEN.parse().unwrap(),
        folder: names::GATEWAY_ENVOY_FOLDER.into(),
        tls: names::GATEWAY_TLS_FOLDER.into(),
        login_secrets: names::GATEWAY_LOGIN_FOLDER.into(),
        issuer_ca: names::ISSUER_CA_FILE.into(),
        socket: names::GATEWAY_SOCKET.into(),
        admin_socket: None,
        keys_cache: Duration::from_secs(300),
        max_body: 1 << 20,
        max_requests: 5_000,
        max_connection_requests: 1_000,
        trusted_hops: 0,
        websocket_lifetime: Duration::from_secs(3_600),
    }
}

fn example(name: &str) -> (Config, Rendered) {
    let config = Config::load(&testdata(name, "gateway.yaml")).unwrap();
    let document = fs::read(testdata(name, "document.json")).unwrap();
    let endpoints = config
        .issuers
        .iter()
        .map(|issuer| (issuer.name.clone(), read_for_tests(issuer, &document)))
        .collect();
    let rendered = render(&config, &endpoints, &options()).unwrap();
    (config, rendered)
}

const EXAMPLES: [&str; 5] = ["auth0", "dex", "google", "iap", "okta"];

#[test]
fn the_examples_are_rendered_as_recorded() {
    for name in EXAMPLES {
        let (_, rendered) = example(name);
        let text = serde_json::to_string_pretty(&rendered.files).unwrap() + "\n";
        let golden = testdata(name, "envoy.json");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&golden, &text).unwrap();
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        assert!(
            text == expected,
            "{} differs: read the difference, then write it with UPDATE_GOLDEN=1",
            golden.display()
        );
    }
}

fn find<'v>(rendered: &'v Rendered, pointer: &str) -> &'v Value {
    rendered.files[names::ENVOY_CONFIG_FILE]
        .pointer(pointer)
        .unwrap()
}

const MANAGER: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";

#[test]
fn every_host_requires_a_token_and_every_other_host_is_refused() {
    for name in EXAMPLES {
        let (config, rendered) = example(name);
        let hosts = find(&rendered, &format!("{MANAGER}/route_config/virtual_hosts"))
            .as_array()
            .unwrap();
        let filters = find(&rendered, &format!("{MANAGER}/http_filters"))
            .as_array()
            .unwrap();
        let tokens = filters
            .iter()
            .find(|filter| filter["name"] == "tokens")
            .unwrap();
        let requirements = &tokens["typed_config"]["requirement_map"];
        let (unknown, known) = hosts.split_last().unwrap();
        assert_eq!(known.len(), config.hosts.len());
        for host in known {
            let requirement = host["typed_per_filter_config"]["tokens"]["requirement_name"]
                .as_str()
                .unwrap();
            let requirement = requirements[requirement].to_string();
            assert!(requirement.contains("provider_name"), "{requirement}");
            assert!(!requirement.contains("allow_missing"), "{requirement}");
        }
        assert_eq!(unknown["routes"][0]["direct_response"]["status"], 421);
        assert_eq!(unknown["routes"].as_array().unwrap().len(), 1);
    }
}

#[test]
fn a_login_is_accepted_only_on_its_ui_host_and_a_bearer_token_only_on_api_hosts() {
    for name in EXAMPLES {
        let (config, rendered) = example(name);
        let filters = find(&rendered, &format!("{MANAGER}/http_filters")).to_string();
        for host in &config.hosts {
            let pointer = format!(
                "{MANAGER}/http_filters/4/typed_config/requirement_map/{}",
                host.name
            );
            let requirement = find(&rendered, &pointer).to_string();
            let (accepted, refused) = match host.serves {
                Serves::Ui => ("login ", "bearer "),
                Serves::Api => ("bearer ", "login "),
            };
            assert!(
                requirement.contains(accepted) && !requirement.contains(refused),
                "{requirement}"
            );
        }
        assert!(!filters.contains("from_params") && !filters.contains("from_cookies"));
    }
}

#[test]
fn the_assertion_of_googles_proxy_reaches_the_filters_only_where_it_is_verified() {
    for name in EXAMPLES {
        let (config, rendered) = example(name);
        let removed = find(
            &rendered,
            &format!("{MANAGER}/early_header_mutation_extensions"),
        )
        .to_string();
        let verified = config
            .issuers
            .iter()
            .any(|issuer| issuer.login == Some(Login::Iap));
        assert_eq!(removed.contains(names::IAP_ASSERTION_HEADER), !verified);
    }
}

#[test]
fn no_secret_is_in_the_files_but_its_path() {
    let (_, rendered) = example("google");
    let secrets = rendered
        .files
        .keys()
        .map(String::as_str)
        .collect::<Vec<_>>();
    assert_eq!(
        secrets,
        [
            "envoy.json",
            "namesake-login-google-client-secret.json",
            "namesake-login-google-cookie-secret.json",
            "tls.json"
        ]
    );
    let secret = rendered.files["namesake-login-google-client-secret.json"].to_string();
    assert!(
        secret.contains(r#""filename":"/etc/namesake-login/namesake-login-google/client-secret""#),
        "{secret}"
    );
}
