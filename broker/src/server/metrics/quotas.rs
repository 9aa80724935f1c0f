//! Quotas and rates as metrics. Labels are bounded: projects of the rules, the fullest policies, one cluster.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use namesake_gcp::{Gcp, Rate};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::{Labels, narrow, new};
use crate::controllers::quota::report::QuotaLine;

/// Quotas as they were last counted, and rates.
pub(super) struct QuotaMetrics {
    used: Family<Labels<2>, Gauge>,
    limit: Family<Labels<2>, Gauge>,
    full_seconds: Family<Labels<2>, Gauge>,
    rate_left: Family<Labels<2>, Gauge>,
    paused_seconds: Family<Labels<2>, Gauge>,
    google: ArcSwapOption<Gcp>,
}

impl QuotaMetrics {
    pub(super) fn new(r: &mut Registry) -> Self {
        Self {
            used: new(r, "quota_used", "How much of a quota is used"),
            limit: new(r, "quota_limit", "The quota"),
            full_seconds: new(
                r,
                "quota_full_seconds",
                "When it will be exhausted if usage grows as before, in seconds from the last count",
            ),
            rate_left: new(
                r,
                "google_rate_left",
                "Requests that may be made now; below zero, the number of requests that wait",
            ),
            paused_seconds: new(
                r,
                "google_paused_seconds",
                "How long Google makes such requests wait",
            ),
            google: ArcSwapOption::empty(),
        }
    }

    pub(super) fn set(&self, lines: &[QuotaLine]) {
        for family in [&self.used, &self.limit, &self.full_seconds] {
            family.clear();
        }
        for line in lines {
            let of = line.kind.as_str().to_owned();
            let labels = [("of", of), ("whose", line.whose.clone())];
            self.used.get_or_create(&labels).set(narrow(line.used));
            if let Some(limit) = line.limit {
                self.limit.get_or_create(&labels).set(narrow(limit));
            }
            if let Some(time) = line.full_in {
                let gauge = self.full_seconds.get_or_create(&labels);
                gauge.set(time.as_secs());
            }
        }
    }

    pub(super) fn watch(&self, google: Gcp) {
        self.google.store(Some(Arc::new(google)));
    }

    /// Reads the current rates.
    pub(super) fn update_rates(&self) {
        let Some(google) = self.google.load_full() else {
            return;
        };
        self.rate_left.clear();
        self.paused_seconds.clear();
        for status in google.rate_statuses() {
            // There are many folders, so all of storage is one series.
            let storage = matches!(status.rate, Rate::StorageRead | Rate::StorageWrite);
            let rate = status.rate.as_str().to_owned();
            let whose = if storage {
                String::new()
            } else {
                status.consumer
            };
            let labels = [("rate", rate), ("whose", whose)];
            let paused = narrow(status.paused.as_secs());
            let longest = self.paused_seconds.get_or_create(&labels).get().max(paused);
            self.paused_seconds.get_or_create(&labels).set(longest);
            if let Some(left) = status.left.filter(|_| !storage) {
                let gauge = self.rate_left.get_or_create(&labels);
                #[expect(clippy::cast_possible_truncation, reason = "at most some thousands")]
                gauge.set(left.floor() as i64);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controllers::quota::report::QuotaKind;

    #[test]
    fn a_quota_that_is_not_counted_any_more_is_not_shown() {
        let mut registry = Registry::default();
        let quotas = QuotaMetrics::new(&mut registry);
        let line = |whose: &str| QuotaLine {
            kind: QuotaKind::GoogleAccounts,
            whose: whose.to_owned(),
            used: 82,
            limit: Some(100),
            full_in: None,
        };
        quotas.set(&[line("acme"), line("old")]);
        quotas.set(&[line("acme")]);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        assert!(
            text.contains("quota_used{of=\"google_service_accounts\",whose=\"acme\"} 82"),
            "{text}"
        );
        assert!(
            !text.contains("old") && !text.contains("quota_full_seconds{"),
            "{text}"
        );
    }
}
