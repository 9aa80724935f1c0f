//! The certificates by which the API server trusts the webhook. Pure.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use namesake_api::names;
use namesake_webhook::state::installation::Installation;
use x509_parser::pem::Pem;

use super::replicas::{self, Replica};
use super::unseen;
use crate::answer::text::some;
use crate::doctor::checks::{Check, Finding, Outcome};
use crate::doctor::facts::Facts;

/// An authority that expires within this time is reported.
const SOON: SignedDuration = SignedDuration::from_hours(90 * 24);
/// A certificate of a server is valid for a week, and renewed when a third of it is left: with less than this it was not.
const OVERDUE: SignedDuration = SignedDuration::from_hours(2 * 24);

pub(super) fn outcome(installation: &Installation, facts: &Facts, now: Timestamp) -> Outcome {
    let home = &installation.home;
    let mut expiries = Vec::new();
    let mut findings = Vec::new();
    for (bundle, webhooks) in by_bundle(installation) {
        let place = format!("caBundle of {}", webhooks.join(", "));
        match expiry(bundle) {
            Ok(expires) if expires > now + SOON => expiries.push(expires),
            Ok(expires) => findings.push((place, format!("the authority expires at {expires}"))),
            Err(what) => findings.push((place, what)),
        }
    }
    let serving = Serving::of(facts);
    for (pod, expires) in &serving.expiries {
        if *expires <= now + OVERDUE {
            let what = format!(
                "it serves a certificate that expires at {expires}, and has not renewed it"
            );
            findings.push((format!("Pod {home}/{pod}"), what));
        }
    }
    let findings = findings.into_iter();
    let findings: Vec<Finding> = findings
        .map(|(place, what)| Check::CaBundle.finding(home, place, what))
        .collect();
    let date = |at: Option<Timestamp>| at.map(|at| at.strftime("%Y-%m-%d").to_string());
    let until = date(expiries.into_iter().min());
    let fine = until.map(|until| format!("valid until {until}"));
    let fine = fine.unwrap_or_else(|| "no webhooks".to_owned());
    let served = date(serving.expiries.iter().map(|(_, at)| *at).min());
    let served = served.map(|until| format!(", certificates of servers until {until}"));
    Outcome::of(findings, fine + &served.unwrap_or_default()).and_unseen(serving.unseen)
}

/// When the certificates expire that replicas serve, as they say it.
#[derive(Default)]
struct Serving {
    expiries: Vec<(String, Timestamp)>,
    /// What could not be seen.
    unseen: Option<Outcome>,
}

impl Serving {
    fn of(facts: &Facts) -> Self {
        let mut serving = Self::default();
        let mut silent = Vec::new();
        for program in [
            names::WEBHOOK_SERVICE_ACCOUNT,
            names::BROKER_SERVICE_ACCOUNT,
        ] {
            let replicas = match replicas::of(facts, program) {
                Ok(replicas) => replicas,
                Err(why) => {
                    serving.unseen = Some(unseen(why));
                    continue;
                }
            };
            for Replica { pod, status, .. } in replicas {
                let expires = status.and_then(|status| status.certificate_expires?.parse().ok());
                match expires {
                    Some(expires) => serving.expiries.push((pod.to_owned(), expires)),
                    None => silent.push(pod),
                }
            }
        }
        if !silent.is_empty() {
            let why = format!(
                "when the certificate that they serve expires, these replicas have not said: {}",
                some(&silent)
            );
            serving.unseen = Some(Outcome::NotYet(why));
        }
        serving
    }
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
