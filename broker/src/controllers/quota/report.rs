//! How much of what is used, and when it will be used up, in words for people. Pure.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ConfigMap;
use namesake_api::names;
use namesake_gcp::Resource;

/// From this share on, in per cent, a quota is worth a warning.
const WARNING: u64 = 80;
/// So is one that will be full before an order for more is granted.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);
/// Longest key of a ConfigMap that is of use to people.
const KEY_BYTES: usize = 200;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Of {
    /// Google service accounts of a project.
    GoogleAccounts,
    /// Principals of a policy.
    PolicyPrincipals,
    /// Bytes of a policy.
    PolicyBytes,
    /// Kubernetes service accounts of the cluster.
    ServiceAccounts,
}

impl Of {
    /// Word for metrics and keys.
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

/// One quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What is counted.
    pub of: Of,
    /// Of what: a project, a policy, the cluster.
    pub whose: String,
    /// How many there are.
    pub used: u64,
    /// How many there may be; none: nobody has told.
    pub limit: Option<u64>,
    /// When it is full, if it goes on like this.
    pub full_in: Option<SignedDuration>,
}

impl Line {
    /// A quota with its forecast: `made` is when each was made that takes a part of it.
    #[must_use]
    pub fn new(
        of: Of,
        whose: impl Into<String>,
        used: u64,
        limit: Option<u64>,
        each: u64,
        (made, now): (&[Timestamp], Timestamp),
    ) -> Self {
        let left = limit.map(|limit| limit.saturating_sub(used) / each.max(1));
        Self {
            of,
            whose: whose.into(),
            used,
            limit,
            full_in: left.and_then(|left| super::full_in(made, now, left)),
        }
    }

    /// As people read it: `82 of 100, full in 9 days`.
    #[must_use]
    pub fn words(&self) -> String {
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

    /// Whether somebody should do something soon.
    #[must_use]
    pub fn is_urgent(&self) -> bool {
        let Some(limit) = self.limit else {
            return false;
        };
        let much = self.used.saturating_mul(100) >= limit.saturating_mul(WARNING);
        much || self.full_in.is_some_and(|time| time < SOON) && self.used * 2 >= limit
    }

    /// Key in the ConfigMap.
    fn key(&self) -> String {
        let legal = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let whose = self.whose.chars().map(|c| if legal(c) { c } else { '_' });
        let mut key: String = format!("{}.", self.of.as_str())
            .chars()
            .chain(whose)
            .collect();
        key.truncate(KEY_BYTES);
        key
    }
}

fn span(time: SignedDuration) -> String {
    match time.as_hours() {
        hours @ ..48 => format!("{} hours", hours.max(1)),
        hours @ ..17_520 => format!("{} days", hours / 24),
        _ => "more than 2 years".to_owned(),
    }
}

/// A policy's name in lines.
#[must_use]
pub(super) fn name(resource: &Resource) -> String {
    match resource {
        Resource::Project { id } => format!("project/{id}"),
        Resource::Bucket { name } => format!("bucket/{name}"),
        Resource::ManagedFolder { bucket, folder } => format!("bucket/{bucket}/{folder}"),
        Resource::ServiceAccount { email } => format!("account/{email}"),
    }
}

/// What `kubectl get configmap namesake-quota -o yaml` shows.
#[must_use]
pub(super) fn config_map(lines: &[Line], namespace: &str) -> ConfigMap {
    let mut map = ConfigMap::default();
    map.metadata.name = Some(names::QUOTA_CONFIG_MAP.to_owned());
    map.metadata.namespace = Some(namespace.to_owned());
    map.metadata.labels = Some(BTreeMap::from([(
        names::MANAGED_BY.to_owned(),
        names::MANAGED_BY_VALUE.to_owned(),
    )]));
    map.data = Some(
        lines
            .iter()
            .map(|line| (line.key(), line.words()))
            .collect(),
    );
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(used: u64, limit: Option<u64>, full_in: Option<i64>) -> Line {
        Line {
            of: Of::GoogleAccounts,
            whose: "acme".into(),
            used,
            limit,
            full_in: full_in.map(|days| SignedDuration::from_hours(days * 24)),
        }
    }

    #[test]
    fn a_line_says_how_much_is_left_and_for_how_long() {
        assert_eq!(
            line(82, Some(100), Some(9)).words(),
            "82 of 100, full in 9 days"
        );
        assert_eq!(line(82, Some(100), None).words(), "82 of 100");
        assert_eq!(line(100, Some(100), Some(0)).words(), "100 of 100, full");
        assert_eq!(
            line(99, Some(100), Some(0)).words(),
            "99 of 100, full in 1 hours"
        );
        assert_eq!(line(82, None, None).words(), "82");
        assert_eq!(
            line(1, Some(100), Some(9_999)).words(),
            "1 of 100, full in more than 2 years"
        );
    }

    #[test]
    fn a_warning_comes_in_time_and_not_for_the_first_few() {
        assert!(line(80, Some(100), None).is_urgent());
        assert!(line(60, Some(100), Some(9)).is_urgent());
        assert!(!line(60, Some(100), Some(90)).is_urgent());
        assert!(!line(5, Some(100), Some(1)).is_urgent());
        assert!(!line(5_000, None, None).is_urgent());
    }

    #[test]
    fn keys_are_those_of_a_config_map() {
        let folder = Resource::ManagedFolder {
            bucket: "b".into(),
            folder: "a b/ü/".repeat(99),
        };
        let line = Line {
            of: Of::PolicyBytes,
            whose: name(&folder),
            ..line(1, None, None)
        };
        let map = config_map(&[line], "ns");
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
