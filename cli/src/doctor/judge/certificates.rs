//! The certificates by which the API server trusts the webhook. Pure.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use namesake_webhook::state::installation::Installation;
use x509_parser::pem::Pem;

use crate::doctor::checks::{Check, Finding, Outcome};

/// An authority that expires within this time is reported.
const SOON: SignedDuration = SignedDuration::from_hours(90 * 24);

pub(super) fn outcome(installation: &Installation, now: Timestamp) -> Outcome {
    let home = &installation.home;
    let mut expiries = Vec::new();
    let mut findings = Vec::new();
    for (bundle, webhooks) in by_bundle(installation) {
        match expiry(bundle) {
            Ok(expires) if expires > now + SOON => expiries.push(expires),
            Ok(expires) => findings.push((webhooks, format!("the authority expires at {expires}"))),
            Err(what) => findings.push((webhooks, what)),
        }
    }
    let findings: Vec<Finding> = findings
        .into_iter()
        .map(|(webhooks, what)| {
            let place = format!("caBundle of {}", webhooks.join(", "));
            Check::CaBundle.finding(home, place, what)
        })
        .collect();
    let until = expiries.into_iter().min();
    let fine = until.map(|until| format!("valid until {}", until.strftime("%Y-%m-%d")));
    Outcome::of(findings, fine.unwrap_or_else(|| "no webhooks".to_owned()))
}

/// The webhooks of both configurations by what they trust.
fn by_bundle(installation: &Installation) -> BTreeMap<&[u8], Vec<&str>> {
    let mut by_bundle = BTreeMap::<_, Vec<_>>::new();
    for webhook in installation.webhooks() {
        by_bundle
            .entry(webhook.ca_bundle)
            .or_default()
            .push(webhook.name);
    }
    by_bundle
}

/// When the first certificate expires, which is the one that signs.
fn expiry(bundle: &[u8]) -> Result<Timestamp, String> {
    let first = Pem::iter_from_buffer(bundle)
        .next()
        .ok_or("it is empty: the webhook has not written it")?;
    let pem = first.map_err(|error| format!("it is not PEM: {error}"))?;
    let certificate = pem
        .parse_x509()
        .map_err(|error| format!("its first certificate cannot be read: {error}"))?;
    let seconds = certificate.validity().not_after.timestamp();
    Timestamp::from_second(seconds).map_err(|error| error.to_string())
}
