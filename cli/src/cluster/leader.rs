//! Which broker leads, by its Lease. Pure.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::Lease;

/// Lease duration that counts if the Lease does not say it.
const DEFAULT_LEASE_SECONDS: i32 = 15;

/// The broker that leads, or why none does.
pub(crate) fn leader(lease: Option<&Lease>, now: Timestamp) -> Result<String, String> {
    let spec = lease.and_then(|lease| lease.spec.as_ref());
    let holder = spec.and_then(|spec| spec.holder_identity.as_deref());
    let (Some(spec), Some(holder)) = (spec, holder.filter(|holder| !holder.is_empty())) else {
        return Err("no broker holds it".to_owned());
    };
    let seconds = spec.lease_duration_seconds.unwrap_or(DEFAULT_LEASE_SECONDS);
    let renewed = spec.renew_time.as_ref().map(|time| time.0);
    // One more duration, because the clocks of the caller and of the broker differ.
    let allowed = SignedDuration::from_secs(2 * i64::from(seconds));
    match renewed {
        Some(renewed) if renewed + allowed >= now => Ok(holder.to_owned()),
        Some(renewed) => Err(format!("{holder} has not renewed it since {renewed}")),
        None => Err(format!("{holder} has never renewed it")),
    }
}
