//! Quotas and rates as metrics. Labels are bounded: projects of the rules, the fullest policies, one cluster.

use jiff::Timestamp;
use namesake_gcp::{Rate, RateStatus};
use namesake_service::gauge_value;

use super::Declared;
use crate::controllers::quota::report::QuotaLine;

impl Declared {
    /// Shows these counts, which were made at `now`.
    pub(super) fn set_quotas(&self, lines: &[QuotaLine], now: Timestamp) {
        for family in [
            &self.quota_used,
            &self.quota_limit,
            &self.quota_full_timestamp_seconds,
        ] {
            family.clear();
        }
        for line in lines {
            let of = line.kind.as_str().to_owned();
            let labels = [("of", of), ("whose", line.whose.clone())];
            self.quota_used
                .get_or_create(&labels)
                .set(gauge_value(line.used));
            if let Some(limit) = line.limit {
                self.quota_limit
                    .get_or_create(&labels)
                    .set(gauge_value(limit));
            }
            if let Some(time) = line.full_in {
                let gauge = self.quota_full_timestamp_seconds.get_or_create(&labels);
                gauge.set(now.as_second().saturating_add(time.as_secs()));
            }
        }
    }

    /// Shows these rates.
    pub(super) fn set_rates(&self, statuses: &[RateStatus]) {
        self.google_rate_left.clear();
        self.google_paused_seconds.clear();
        for status in statuses {
            // There are many folders, so all of storage is one series.
            let storage = matches!(status.rate, Rate::StorageRead | Rate::StorageWrite);
            let rate = status.rate.as_str().to_owned();
            let whose = if storage {
                String::new()
            } else {
                status.consumer.clone()
            };
            let labels = [("rate", rate), ("whose", whose)];
            let paused = gauge_value(status.paused.as_secs());
            let longest = self
                .google_paused_seconds
                .get_or_create(&labels)
                .get()
                .max(paused);
            self.google_paused_seconds
                .get_or_create(&labels)
                .set(longest);
            if let Some(left) = status.left.filter(|_| !storage) {
                let gauge = self.google_rate_left.get_or_create(&labels);
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
        let quotas = Declared::default();
        let line = |whose: &str| QuotaLine::new(QuotaKind::GoogleAccounts, whose, 82, Some(100));
        let now = Timestamp::UNIX_EPOCH;
        quotas.set_quotas(&[line("acme"), line("old")], now);
        quotas.set_quotas(&[line("acme")], now);
        let text = quotas.text(true);
        assert!(
            text.contains("quota_used{of=\"google_service_accounts\",whose=\"acme\"} 82"),
            "{text}"
        );
        let has_forecast = text.contains("quota_full_timestamp_seconds{");
        assert!(!text.contains("whose=\"old\"") && !has_forecast, "{text}");
    }

    #[test]
    fn a_forecast_is_the_time_at_which_the_quota_is_full() {
        let quotas = Declared::default();
        let line = QuotaLine {
            full_in: Some(jiff::SignedDuration::from_secs(60)),
            ..QuotaLine::new(QuotaKind::ServiceAccounts, "cluster", 1, Some(2))
        };
        quotas.set_quotas(&[line], Timestamp::from_second(1_000).unwrap());
        let text = quotas.text(true);
        let forecast =
            "quota_full_timestamp_seconds{of=\"service_accounts\",whose=\"cluster\"} 1060\n";
        assert!(text.contains(forecast), "{text}");
    }
}
