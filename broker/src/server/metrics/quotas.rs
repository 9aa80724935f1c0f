//! What runs out, as metrics. Labels are bounded: projects of the rules, the fullest policies, one cluster.

use arc_swap::ArcSwapOption;
use namesake_gcp::{Gcp, Rate};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::Arc;

use crate::controllers::quota::Line;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Quota {
    of: &'static str,
    whose: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    rate: &'static str,
    whose: String,
}

/// Quotas that were counted, and rates that were asked for.
#[derive(Default)]
pub(super) struct Quotas {
    used: Family<Quota, Gauge>,
    limit: Family<Quota, Gauge>,
    full: Family<Quota, Gauge>,
    left: Family<Asked, Gauge>,
    paused: Family<Asked, Gauge>,
    google: ArcSwapOption<Gcp>,
}

impl Quotas {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "quota_used",
            "How much of a quota is used",
            self.used.clone(),
        );
        registry.register("quota_limit", "How much there is", self.limit.clone());
        registry.register(
            "quota_full_seconds",
            "When it is used up if it goes on like this, in seconds from the last count",
            self.full.clone(),
        );
        registry.register(
            "google_rate_left",
            "Requests that may be made now; below zero: so many wait",
            self.left.clone(),
        );
        registry.register(
            "google_paused_seconds",
            "How long Google makes such requests wait",
            self.paused.clone(),
        );
    }

    pub(super) fn counted(&self, lines: &[Line]) {
        for family in [&self.used, &self.limit, &self.full] {
            family.clear();
        }
        for line in lines {
            let labels = Quota {
                of: line.of.as_str(),
                whose: line.whose.clone(),
            };
            let narrow = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
            self.used.get_or_create(&labels).set(narrow(line.used));
            if let Some(limit) = line.limit {
                self.limit.get_or_create(&labels).set(narrow(limit));
            }
            if let Some(time) = line.full_in {
                self.full.get_or_create(&labels).set(time.as_secs());
            }
        }
    }

    pub(super) fn watch(&self, google: Gcp) {
        self.google.store(Some(Arc::new(google)));
    }

    /// How the rates stand now.
    pub(super) fn look(&self) {
        let Some(google) = self.google.load_full() else {
            return;
        };
        self.left.clear();
        self.paused.clear();
        for status in google.rate_statuses() {
            // Folders are many: what is said of buckets is said together.
            let storage = matches!(status.rate, Rate::StorageRead | Rate::StorageWrite);
            let labels = Asked {
                rate: status.rate.as_str(),
                whose: if storage {
                    String::new()
                } else {
                    status.consumer
                },
            };
            let paused = i64::try_from(status.paused.as_secs()).unwrap_or(i64::MAX);
            let longest = self.paused.get_or_create(&labels).get().max(paused);
            self.paused.get_or_create(&labels).set(longest);
            if let Some(left) = status.left.filter(|_| !storage) {
                #[expect(clippy::cast_possible_truncation, reason = "at most some thousands")]
                self.left.get_or_create(&labels).set(left.floor() as i64);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controllers::quota::Of;

    #[test]
    fn what_is_not_there_any_more_is_not_shown() {
        let quotas = Quotas::default();
        let mut registry = Registry::default();
        quotas.register(&mut registry);
        let line = |whose: &str| Line {
            of: Of::GoogleAccounts,
            whose: whose.to_owned(),
            used: 82,
            limit: Some(100),
            full_in: None,
        };
        quotas.counted(&[line("acme"), line("old")]);
        quotas.counted(&[line("acme")]);
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
