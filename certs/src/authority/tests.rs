use std::sync::Arc;

use k8s_openapi::ByteString;
use rcgen::{BasicConstraints, ExtendedKeyUsagePurpose};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};

use super::*;
use crate::{Resolver, client_roots, server_config, server_config_with_client_auth};

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn authority(secret: &Secret) -> Result<Authority, Error> {
    Authority::read(secret, "namesake-system", now())
}

fn text(secret: &Secret, key: &str) -> String {
    String::from_utf8(secret.data.as_ref().unwrap()[key].0.clone()).unwrap()
}

fn set(secret: &mut Secret, key: &str, value: &str) {
    let value = ByteString(value.as_bytes().to_vec());
    secret.data.as_mut().unwrap().insert(key.to_owned(), value);
}

fn names() -> Vec<String> {
    vec![
        "namesake-webhook.namesake-system.svc".to_owned(),
        "127.0.0.1".to_owned(),
    ]
}

// A whole handshake in memory. The client's verifier reads the system's clock, so the leaves must be valid now.
fn connect(bundle: &str, leaf: &Leaf, name: &str) -> Result<(), rustls::Error> {
    handshake(bundle, Arc::new(Resolver::new(leaf)), name)
}

fn handshake(bundle: &str, resolver: Arc<Resolver>, name: &str) -> Result<(), rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(client_roots(bundle).unwrap())
        .with_no_client_auth();
    complete_handshake(client, server_config(resolver)?, name).map(|_| ())
}

fn complete_handshake(
    client: ClientConfig,
    server: Arc<ServerConfig>,
    name: &str,
) -> Result<ServerConnection, rustls::Error> {
    let mut client = ClientConnection::new(
        Arc::new(client),
        ServerName::try_from(name.to_owned()).unwrap(),
    )?;
    let mut server = ServerConnection::new(server)?;
    while client.is_handshaking() || server.is_handshaking() {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut wire.as_slice()).unwrap();
        server.process_new_packets()?;
        wire.clear();
        server.write_tls(&mut wire).unwrap();
        client.read_tls(&mut wire.as_slice()).unwrap();
        client.process_new_packets()?;
    }
    // With TLS 1.3 the client finishes first, and learns afterwards that its certificate was rejected.
    Ok(server)
}

/// PEM of an authority for clients, and a client's certificate and key that it signed.
fn client_authority() -> (String, CertificateDer<'static>, PrivateKeyDer<'static>) {
    let authority_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = params.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(params, authority_key);
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["kube-apiserver".to_owned()]).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    (pem, certificate.into(), key)
}

#[test]
fn a_client_shows_a_certificate_of_the_requested_authority_or_none() {
    let now = Timestamp::now();
    let authority = authority(&generate("n", now).unwrap()).unwrap();
    let names = names();
    let leaf = authority
        .issue(&names, now, schedule::LEAF_LIFETIME)
        .unwrap();
    let (pem, certificate, key) = client_authority();
    let (_, other_certificate, other_key) = client_authority();
    let server = || {
        let resolver = Arc::new(Resolver::new(&leaf));
        server_config_with_client_auth(resolver, &pem).unwrap()
    };
    let client = || {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(client_roots(authority.bundle_pem()).unwrap())
    };
    let certified = client()
        .with_client_auth_cert(vec![certificate], key)
        .unwrap();
    let server_side = complete_handshake(certified, server(), &names[0]).unwrap();
    assert_eq!(server_side.peer_certificates().map(<[_]>::len), Some(1));
    let server_side =
        complete_handshake(client().with_no_client_auth(), server(), &names[0]).unwrap();
    assert!(server_side.peer_certificates().is_none());
    let other = client()
        .with_client_auth_cert(vec![other_certificate], other_key)
        .unwrap();
    assert!(complete_handshake(other, server(), &names[0]).is_err());
    assert!(server_config_with_client_auth(Arc::new(Resolver::new(&leaf)), "none").is_err());
}

#[test]
fn a_client_with_the_bundle_accepts_a_leaf_by_name_and_by_address() {
    let now = Timestamp::now();
    let authority = authority(&generate("n", now).unwrap()).unwrap();
    let leaf = authority
        .issue(&names(), now, schedule::LEAF_LIFETIME)
        .unwrap();
    for name in names() {
        connect(authority.bundle_pem(), &leaf, &name).unwrap();
    }
    assert!(connect(authority.bundle_pem(), &leaf, "elsewhere.example").is_err());
}

#[test]
fn a_client_with_another_bundle_rejects_the_leaf() {
    let now = Timestamp::now();
    let ours = authority(&generate("n", now).unwrap()).unwrap();
    let other = authority(&generate("n", now).unwrap()).unwrap();
    let leaf = ours.issue(&names(), now, schedule::LEAF_LIFETIME).unwrap();
    assert!(connect(other.bundle_pem(), &leaf, "127.0.0.1").is_err());
}

#[test]
fn a_bundle_of_two_authorities_trusts_leaves_of_both() {
    let now = Timestamp::now();
    let (old, mut new) = (generate("n", now).unwrap(), generate("n", now).unwrap());
    let both = text(&new, CERTIFICATE) + &text(&old, CERTIFICATE);
    set(&mut new, CERTIFICATE, &both);
    let (old, new) = (authority(&old).unwrap(), authority(&new).unwrap());
    for signer in [&old, &new] {
        let leaf = signer
            .issue(&names(), now, schedule::LEAF_LIFETIME)
            .unwrap();
        connect(new.bundle_pem(), &leaf, "127.0.0.1").unwrap();
    }
}

#[test]
fn a_leaf_is_trusted_with_every_bundle_that_has_its_signer() {
    let now = now();
    let (old, mut both) = (generate("n", now).unwrap(), generate("n", now).unwrap());
    let alone = authority(&both).unwrap();
    let two = text(&both, CERTIFICATE) + &text(&old, CERTIFICATE);
    set(&mut both, CERTIFICATE, &two);
    let (old, both) = (authority(&old).unwrap(), authority(&both).unwrap());
    let leaf = |of: &Authority| of.issue(&names(), now, schedule::LEAF_LIFETIME).unwrap();
    let (by_old, by_new) = (leaf(&old), leaf(&both));
    assert!(old.trusts(&by_old) && both.trusts(&by_old) && !alone.trusts(&by_old));
    assert!(!old.trusts(&by_new) && both.trusts(&by_new) && alone.trusts(&by_new));
    // From the old authority to the new one with the old one still trusted, the bundle goes first. If clients trust the new
    // leaf already, or do not trust the current one any more, nothing is gained by waiting.
    let soon = now + SignedDuration::from_hours(1);
    let waits = crate::keeper::must_publish_first;
    assert!(waits(&old, &both, (&by_old, &by_new), soon));
    assert!(!waits(&both, &both, (&by_old, &by_new), soon));
    assert!(!waits(&old, &alone, (&by_old, &by_new), soon));
    let late = now + schedule::LEAF_LIFETIME;
    assert!(!waits(&old, &both, (&by_old, &by_new), late));
}

#[test]
fn a_swapped_leaf_is_served_on_the_next_connection() {
    let now = Timestamp::now();
    let authority = authority(&generate("n", now).unwrap()).unwrap();
    let leaf = |name: &str| {
        authority
            .issue(&[name.to_owned()], now, schedule::LEAF_LIFETIME)
            .unwrap()
    };
    let resolver = Arc::new(Resolver::new(&leaf("a.example")));
    let serves =
        |name: &str| handshake(authority.bundle_pem(), Arc::clone(&resolver), name).is_ok();
    assert!(serves("a.example") && !serves("b.example"));
    resolver.swap(&leaf("b.example"));
    assert!(serves("b.example") && !serves("a.example"));
}

#[test]
fn a_leaf_is_valid_as_long_as_requested_but_not_longer_than_its_authority() {
    let authority = authority(&generate("n", now()).unwrap()).unwrap();
    let leaf = authority
        .issue(&names(), now(), SignedDuration::from_hours(1))
        .unwrap();
    assert_eq!(leaf.not_after(), now() + SignedDuration::from_hours(1));
    assert_eq!(leaf.not_before(), now() - schedule::SKEW);
    assert!(!leaf.is_due(now()));
    let long = authority
        .issue(&names(), now(), schedule::AUTHORITY_LIFETIME * 2)
        .unwrap();
    assert_eq!(long.not_after(), now() + schedule::AUTHORITY_LIFETIME);
    assert!(!authority.is_old(now()));
}

#[test]
fn names_that_a_certificate_cannot_hold_are_refused() {
    let authority = authority(&generate("n", now()).unwrap()).unwrap();
    for names in [vec![], vec!["bücher.example".to_owned()]] {
        let error = authority
            .issue(&names, now(), schedule::LEAF_LIFETIME)
            .unwrap_err();
        assert!(matches!(error, Error::Issue { .. }), "{error}");
    }
}

#[test]
fn the_error_for_an_invalid_secret_names_the_entry_and_shows_no_key() {
    let good = generate("n", now()).unwrap();
    let other = generate("n", now()).unwrap();
    let leaf_pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    for (key, value, problem) in [
        (CERTIFICATE, String::new(), "holds no certificate"),
        (CERTIFICATE, leaf_pem.to_owned(), "does not parse"),
        (
            CERTIFICATE,
            text(&other, CERTIFICATE),
            "does not belong to the first certificate",
        ),
        (KEY, "secret".to_owned(), "not a private key"),
        (
            KEY,
            text(&other, KEY),
            "does not belong to the first certificate",
        ),
    ] {
        let mut secret = good.clone();
        set(&mut secret, key, &value);
        let error = authority(&secret).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
        assert!(
            error.contains("namesake-system/namesake-authority")
                && error.contains("delete the secret"),
            "{error}"
        );
        assert!(
            !error.contains("PRIVATE") && !error.contains("secret:"),
            "{error}"
        );
    }
    let mut empty = good;
    empty.data = None;
    assert!(
        authority(&empty)
            .unwrap_err()
            .to_string()
            .contains("tls.crt: is missing")
    );
}

#[test]
fn an_expired_authority_is_an_error() {
    let long_ago = now() - schedule::AUTHORITY_LIFETIME * 2;
    let error = authority(&generate("n", long_ago).unwrap())
        .unwrap_err()
        .to_string();
    assert!(error.contains("expired at"), "{error}");
}

#[test]
fn debug_output_shows_no_key() {
    let secret = generate("n", now()).unwrap();
    let authority = authority(&secret).unwrap();
    let leaf = authority
        .issue(&names(), now(), schedule::LEAF_LIFETIME)
        .unwrap();
    for text in [format!("{authority:?}"), format!("{leaf:?}")] {
        assert!(
            !text.contains("PRIVATE") && !text.contains("signing"),
            "{text}"
        );
    }
}
