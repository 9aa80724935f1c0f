use super::*;

const GOOD: &str = "\
apiVersion: namesake.dev/v1alpha1
kind: GatewayConfig
hosts:
- name: ui.acme.com
  serves: ui
  backend: http://ui:8083
  login: google
- name: api.acme.com
  serves: api
  backend: http://metadata:8080
issuers:
- name: google
  issuer: https://accounts.google.com
  audiences: [web]
  domains: [acme.com]
  login: {type: oidc, clientId: web, secretName: login-google}
cluster: {audience: namesake-gateway, issuer: https://cluster.acme.com}
";

/// The problems of the good file with this text replaced.
fn problems(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    let error = Config::parse("gateway.yaml", &GOOD.replacen(from, to, 1)).unwrap_err();
    error.to_string()
}

#[test]
fn a_good_file_is_read_with_its_defaults() {
    let config = Config::parse("gateway.yaml", GOOD).unwrap();
    let issuer = config.issuer("google").unwrap();
    assert_eq!(issuer.username, UsernameClaim::default());
    assert!(issuer.requires_verified_email());
    assert_eq!(config.hosts[1].serves, Serves::Api);
    assert_eq!(config.issuer("other"), None);
}

/// What is replaced in the good file, by what, and what is said about it.
const PROBLEMS: [(&str, &str, &str); 23] = [
    (
        "v1alpha1",
        "v2",
        "1:13: apiVersion: \"namesake.dev/v2\" is unknown: write namesake.dev/v1alpha1",
    ),
    (
        "GatewayConfig",
        "Gateway",
        "2:7: kind: \"Gateway\" is unknown: write GatewayConfig",
    ),
    (
        "name: api.acme.com",
        "name: ui.acme.com",
        "8:9: hosts[1].name: \"ui.acme.com\" is given twice: give each host its own name",
    ),
    (
        "name: api.acme.com",
        "name: API.acme.com:8443",
        "8:9: hosts[1].name: \"API.acme.com:8443\" is not a DNS name: ",
    ),
    (
        "serves: api",
        "serves: ui",
        "hosts: no host serves api: add one: programs and task pods use it",
    ),
    (
        "  login: google\n",
        "",
        "4:3: hosts[0].login: a host that serves ui needs a login: name the issuer with which people log in",
    ),
    (
        "login: google",
        "login: gogle",
        "7:10: hosts[0].login: there is no issuer \"gogle\": write the name of an entry of issuers",
    ),
    (
        "  login: {type: oidc, clientId: web, secretName: login-google}\n",
        "",
        "hosts[0].login: the issuer \"google\" has no login: ",
    ),
    (
        "http://metadata:8080",
        "http://metadata:8080\n  login: google",
        "hosts[1].login: nobody logs in at a host that serves api: ",
    ),
    (
        "http://metadata:8080",
        "metadata",
        "10:12: hosts[1].backend: \"metadata\" is not the URL of a service: ",
    ),
    (
        "http://metadata:8080",
        "http://metadata:8080/api",
        "hosts[1].backend: \"http://metadata:8080/api\" is not the URL of a service: ",
    ),
    (
        "https://accounts.google.com",
        "http://accounts.google.com",
        "13:11: issuers[0].issuer: \"http://accounts.google.com\" is not a URL with https: ",
    ),
    (
        "https://accounts.google.com",
        "accounts.google.com",
        "issuers[0].issuer: \"accounts.google.com\" is not a URL: relative URL without a base: ",
    ),
    (
        "[web]",
        "[]",
        "14:14: issuers[0].audiences: no audience is given: ",
    ),
    (
        "[acme.com]",
        "[\"@acme.com\"]",
        "15:13: issuers[0].domains[0]: \"@acme.com\" is not a domain: ",
    ),
    (
        "  domains: [acme.com]",
        "  domains: [acme.com]\n  username: {claim: sub}",
        "issuers[0].domains: domains are those of e-mail addresses, and the user is the claim \"sub\": ",
    ),
    (
        "clientId: web",
        "clientId: ''",
        "issuers[0].login.clientId: the value is empty: write a value",
    ),
    (
        "secretName: login-google",
        "secretName: a/b",
        "issuers[0].login.secretName: \"a/b\" is not the name of a Secret: ",
    ),
    (
        "secretName: login-google",
        "secretName: login-google, scopes: [email]",
        "issuers[0].login.scopes: openid is missing: ",
    ),
    (
        "type: oidc, clientId: web, secretName: login-google",
        "type: iap",
        "issuers[0].issuer: https://accounts.google.com is not the issuer of Google's Identity-Aware Proxy: ",
    ),
    (
        "https://cluster.acme.com",
        "https://accounts.google.com",
        "cluster.issuer: https://accounts.google.com is also under issuers: ",
    ),
    (
        "  domains: [acme.com]",
        "  endpoints: {keys: 'http://a.com/keys'}",
        "issuers[0].endpoints.keys: \"http://a.com/keys\" is not a URL with https: ",
    ),
    (
        "  domains: [acme.com]",
        "  endpoints: {keys: 'https://a.com/keys'}",
        "issuers[0].endpoints: the login needs the key authorization: ",
    ),
];

#[test]
fn every_problem_has_its_place_its_key_and_what_to_do() {
    for (from, to, expected) in PROBLEMS {
        let problems = problems(from, to);
        assert!(
            problems.contains(&format!("gateway.yaml:{expected}"))
                || problems.contains(&format!(": {expected}")),
            "{expected}\nnot in\n{problems}"
        );
    }
}

#[test]
fn an_unknown_key_or_type_has_its_place() {
    assert!(problems("serves: ui", "serve: ui").starts_with("gateway.yaml:5:3: "));
    assert!(problems("serves: ui", "serves: web").starts_with("gateway.yaml:5:11: "));
    assert!(problems("hosts:", "hosts: [").starts_with("gateway.yaml:"));
}

#[test]
fn issuers_with_one_url_are_refused() {
    let second =
        "issuers:\n- {name: other, issuer: 'https://accounts.google.com', audiences: [a]}\n";
    let problems = problems("issuers:\n", second);
    assert!(
        problems.contains("issuers[1].issuer: https://accounts.google.com is given twice"),
        "{problems}"
    );
}

#[test]
fn an_api_host_without_any_accepted_issuer_is_refused() {
    let text = GOOD
        .split("issuers:")
        .next()
        .unwrap()
        .replace("  login: google\n", "")
        .replace("serves: ui", "serves: api");
    let problems = Config::parse("gateway.yaml", &text)
        .unwrap_err()
        .to_string();
    assert!(
        problems.contains("hosts[1]: no issuer's tokens are accepted here"),
        "{problems}"
    );
}

#[test]
fn an_issuer_on_loopback_may_use_http() {
    for url in ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1"] {
        let text = GOOD.replace("https://accounts.google.com", url);
        Config::parse("gateway.yaml", &text).unwrap();
    }
}

#[test]
fn a_missing_file_is_named() {
    let error = Config::load(Path::new("/none/gateway.yaml"))
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("cannot read /none/gateway.yaml: No such file"),
        "{error}"
    );
}
