//! The servers of a round, each in a process that ends when its parent does.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

use anyhow::{Context, bail};
use axum::Router;
use axum_server::tls_rustls::RustlsConfig;
use data_encoding::BASE64;
use namesake_api::names;
use namesake_service::{LogFormat, start_log};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};

use super::{floor, reader, reviews};

/// As many rules and pins as an admin of a large company might write; with more pins the rules would be too long.
const MANY_RULES: usize = 4_000;
const MANY_PINS: usize = 20_000;

/// Serves until standard input closes. The first line on standard error is the address.
pub(crate) fn serve(name: &str) -> anyhow::Result<()> {
    // When the parent goes away, however it does, its end of the pipe closes.
    std::thread::spawn(|| {
        std::io::stdin().read_to_end(&mut Vec::new()).ok();
        std::process::exit(0);
    });
    match name {
        "floor" => run(async || floor::app()),
        "reader" => {
            start_log(names::LOG, LogFormat::Json)?;
            run(async || reader::app(reviews::answer().await))
        }
        "webhook" => webhook(&json!([])),
        "webhook-with-rules" => webhook(&reviews::more_rules(MANY_RULES)),
        "webhook-with-pins" => webhook(&reviews::more_pins(MANY_PINS)),
        other => bail!("no server is called {other}"),
    }
}

fn webhook(edits: &Value) -> anyhow::Result<()> {
    // As in the real program, one line for each decision.
    start_log(names::LOG, LogFormat::Json)?;
    run(async || namesake_webhook::app(Arc::new(reviews::state(edits))))
}

#[tokio::main]
async fn run(app: impl AsyncFnOnce() -> Router) -> anyhow::Result<()> {
    let app = app().await;
    let listener = TcpListener::bind("127.0.0.1:0").context("failed to listen")?;
    listener.set_nonblocking(true)?;
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(["localhost".to_owned()])?.self_signed(&key)?;
    let encoded = BASE64.encode(certificate.der());
    writeln!(std::io::stderr(), "{} {encoded}", listener.local_addr()?)?;
    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(anyhow::Error::msg)?;
    let mut tls = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let tls = RustlsConfig::from_config(Arc::new(tls));
    axum_server::from_tcp_rustls(listener, tls)?
        .serve(app.into_make_service())
        .await
        .context("server stopped")
}
