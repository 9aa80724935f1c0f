//! How much of a quota is used and when it will be exhausted, as text. Pure.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;
use namesake_api::names;
use namesake_gcp::Resource;
use namesake_service::managed_config_map;

use super::forecast::full_in;

/// Usage in per cent from which on there is a warning.
const WARNING_PERCENT: u64 = 80;
/// There is a warning as well if the quota will be exhausted within this time, in which Google may grant a higher one.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);
/// Accounts without an Identity that are listed of a project: a ConfigMap holds 1 MiB.
const LISTED: usize = 500;
/// Longest key in the ConfigMap, in bytes.
const KEY_BYTES: usize = 200;

/// A kind of quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum QuotaKind {
    /// Google service accounts of a project.
    GoogleAccounts,
    /// Principals of a policy.
    PolicyPrincipals,
    /// Bytes of a policy.
    PolicyBytes,
    /// Kubernetes service accounts of the cluster.
    ServiceAccounts,
}

impl QuotaKind {
    /// Its name in metrics and keys.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GoogleAccounts => "google_service_accounts",
            Self::PolicyPrincipals => "policy_principals",
            Self::PolicyBytes => "policy_bytes",
            Self::ServiceAccounts => "service_accounts",
        }
    }
}

/// One quota and its usage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaLine {
    /// Its kind.
    pub kind: QuotaKind,
    /// A project, a policy or the cluster.
    pub whose: String,
    /// How much is used.
    pub used: u64,
    /// The quota, if it is known.
    pub limit: Option<u64>,
    /// When it will be exhausted, if usage grows as before.
    pub full_in: Option<SignedDuration>,
}

impl QuotaLine {
    /// A quota without a forecast.
    #[must_use]
    pub fn new(kind: QuotaKind, whose: impl Into<String>, used: u64, limit: Option<u64>) -> Self {
        Self {
            kind,
            whose: whose.into(),
            used,
            limit,
            full_in: None,
        }
    }

    /// The same with a forecast, from the times when its users were created, each of which uses `each` of the quota.
    #[must_use]
    pub fn with_forecast(self, created: &[Timestamp], now: Timestamp, each: u64) -> Self {
        let left = self
            .limit
            .map(|limit| limit.saturating_sub(self.used) / each.max(1));
        Self {
            full_in: left.and_then(|left| full_in(created, now, left)),
            ..self
        }
    }

    /// For people, such as `82 of 100, full in 9 days`.
    #[must_use]
    pub fn text(&self) -> String {
        let Some(limit) = self.limit else {
            return self.used.to_string();
        };
        let full = match self.full_in {
            _ if self.used >= limit => ", full".to_owned(),
            Some(time) => format!(", full in {}", span(time)),
            None => String::new(),
        };
        format!("{} of {limit}{full}", self.used)
    }

    /// Whether an admin should act soon.
    #[must_use]
    pub fn is_urgent(&self) -> bool {
        let Some(limit) = self.limit else {
            return false;
        };
        let much = self.used.saturating_mul(100) >= limit.saturating_mul(WARNING_PERCENT);
        much || self.full_in.is_some_and(|time| time < SOON) && self.used * 2 >= limit
    }

    /// Key in the ConfigMap.
    fn key(&self) -> String {
        key(self.kind.as_str(), &self.whose)
    }
}

fn key(kind: &str, whose: &str) -> String {
    let legal = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let whose = whose.chars().map(|c| if legal(c) { c } else { '_' });
    let mut key: String = format!("{kind}.").chars().chain(whose).collect();
    key.truncate(KEY_BYTES);
    key
}

fn span(time: SignedDuration) -> String {
    match time.as_hours() {
        hours @ ..48 => format!("{} hours", hours.max(1)),
        hours @ ..17_520 => format!("{} days", hours / 24),
        _ => "more than 2 years".to_owned(),
    }
}

/// The name of a policy in reports.
#[must_use]
pub(super) fn policy_name(resource: &Resource) -> String {
    match resource {
        Resource::Project { id } => format!("project/{id}"),
        Resource::Bucket { name } => format!("bucket/{name}"),
        Resource::ManagedFolder { bucket, folder } => format!("bucket/{bucket}/{folder}"),
        Resource::ServiceAccount { email } => format!("account/{email}"),
    }
}

/// What the broker reports.
#[derive(Debug, Default)]
pub(super) struct Report<'r> {
    /// The quotas.
    pub(super) lines: &'r [QuotaLine],
    /// Of each resource at Google, what the broker lacks there.
    pub(super) rights: BTreeMap<String, String>,
    /// Of each project, the accounts that belong to no Identity.
    pub(super) garbage: BTreeMap<String, Vec<String>>,
}

impl Report<'_> {
    /// The ConfigMap `namesake-quota` as of `now`.
    #[must_use]
    pub(super) fn config_map(&self, namespace: &str, now: Timestamp) -> ConfigMap {
        let lines = self.lines.iter().map(|line| (line.key(), line.text()));
        let rights = self.rights.iter();
        let rights =
            rights.map(|(whose, text)| (key(names::QUOTA_RIGHTS_KIND, whose), text.clone()));
        let garbage = self.garbage.iter();
        let garbage = garbage
            .map(|(project, emails)| (key(names::QUOTA_GARBAGE_KIND, project), listed(emails)));
        let data = lines.chain(rights).chain(garbage).collect();
        let mut map = managed_config_map(namespace, names::QUOTA_CONFIG_MAP, data);
        let at = format!("{now:.0}");
        map.annotations_mut()
            .insert(names::REPORTED_AT_ANNOTATION.to_owned(), at);
        map
    }
}

/// The first e-mail addresses, one in each line.
fn listed(emails: &[String]) -> String {
    match emails {
        [] => names::NO_GARBAGE.to_owned(),
        _ => emails[..emails.len().min(LISTED)].join("\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(used: u64, limit: Option<u64>, full_in: Option<i64>) -> QuotaLine {
        QuotaLine {
            kind: QuotaKind::GoogleAccounts,
            whose: "acme".into(),
            used,
            limit,
            full_in: full_in.map(|days| SignedDuration::from_hours(days * 24)),
        }
    }

    #[test]
    fn the_text_says_how_much_is_used_and_when_the_quota_is_exhausted() {
        assert_eq!(
            line(82, Some(100), Some(9)).text(),
            "82 of 100, full in 9 days"
        );
        assert_eq!(line(82, Some(100), None).text(), "82 of 100");
        assert_eq!(line(100, Some(100), Some(0)).text(), "100 of 100, full");
        assert_eq!(
            line(99, Some(100), Some(0)).text(),
            "99 of 100, full in 1 hours"
        );
        assert_eq!(line(82, None, None).text(), "82");
        assert_eq!(
            line(1, Some(100), Some(9_999)).text(),
            "1 of 100, full in more than 2 years"
        );
    }

    #[test]
    fn a_quota_is_urgent_when_it_is_nearly_exhausted_or_will_be_soon() {
        assert!(line(80, Some(100), None).is_urgent());
        assert!(line(60, Some(100), Some(9)).is_urgent());
        assert!(!line(60, Some(100), Some(90)).is_urgent());
        assert!(!line(5, Some(100), Some(1)).is_urgent());
        assert!(!line(5_000, None, None).is_urgent());
    }

    #[test]
    fn the_report_says_when_it_was_written() {
        let now = "2026-11-29T12:00:00.123Z".parse().unwrap();
        let map = Report::default().config_map("ns", now);
        let at = &map.annotations()[names::REPORTED_AT_ANNOTATION];
        assert_eq!(at, "2026-11-29T12:00:00Z");
    }

    #[test]
    fn the_accounts_without_an_identity_are_listed_and_none_is_not_the_same_as_unknown() {
        let data = |accounts: usize| {
            let emails = vec!["mf-lost@acme.iam.gserviceaccount.com".to_owned(); accounts];
            let report = Report {
                garbage: BTreeMap::from([("acme".to_owned(), emails)]),
                ..Report::default()
            };
            let data = report.config_map("ns", Timestamp::UNIX_EPOCH).data;
            data.unwrap()["garbage.acme"].clone()
        };
        assert_eq!(data(0), "none");
        assert_eq!(data(2).lines().count(), 2);
        assert_eq!(data(9_999).lines().count(), LISTED);
        let unknown = Report::default().config_map("ns", Timestamp::UNIX_EPOCH);
        assert!(unknown.data.unwrap().is_empty());
    }

    #[test]
    fn keys_are_legal_in_a_config_map() {
        let folder = Resource::ManagedFolder {
            bucket: "b".into(),
            folder: "a b/ü/".repeat(99),
        };
        let line = QuotaLine {
            kind: QuotaKind::PolicyBytes,
            whose: policy_name(&folder),
            ..line(1, None, None)
        };
        let lines = [line];
        let report = Report {
            lines: &lines,
            ..Report::default()
        };
        let map = report.config_map("ns", Timestamp::UNIX_EPOCH);
        let key = map.data.unwrap().into_keys().next().unwrap();
        assert!(
            key.len() <= 253 && key.starts_with("policy_bytes.bucket_b_a_b"),
            "{key}"
        );
        assert!(
            key.chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        );
    }
}
