//! Settings: delays, limits, latency and refusals. `PUT /emulator/v1/settings` changes them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::world::controls::refusals::Refusals;

/// All settings. By default there is no delay and no latency, and the quotas are those that Google documents.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Settings {
    /// Whether a request without an Authorization header is allowed everything, as gcloud sends it with
    /// `auth/disable_credentials`. A request with a token is still limited to the grants of its principal.
    pub anonymous_admin: bool,
    /// How long changes stay invisible.
    pub delays: Delays,
    /// Quotas and size limits.
    pub limits: Limits,
    /// Added to every answer, on the machine's clock.
    pub latency: Latency,
    /// Number of replicas that serve reads. Each read is served by a random one; replica k of n sees a change after k/n of
    /// the delay, so that with more than one a change that was visible may disappear again.
    pub replicas: u32,
    /// Refusals by the organization around the projects.
    pub refusals: Refusals,
}

/// Propagation delays, in seconds.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Delays {
    /// A new service account in get, and in every other call that names it except the ones below.
    pub service_account_get: f64,
    /// A new service account in list.
    pub service_account_list: f64,
    /// A new service account as a member of a policy.
    pub service_account_member: f64,
    /// A new service account in generateAccessToken.
    pub service_account_credentials: f64,
    /// A patch, disable, enable, delete or undelete in get and list.
    pub service_account_update: f64,
    /// A disable or enable in the use of tokens.
    pub service_account_state: f64,
    /// A policy in getIamPolicy.
    pub policy_read: f64,
    /// A policy in authorization: getAccessToken, storage, testIamPermissions and every other permission check.
    pub policy: f64,
    /// A workload identity pool as a member of a policy and in STS.
    pub pool: f64,
}

/// Quotas and size limits; `null` disables a quota.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Limits {
    /// IAM reads per minute and project.
    pub reads_per_minute: Option<u32>,
    /// Reads of a project by Resource Manager v1, per minute and project.
    pub project_reads_per_minute: Option<u32>,
    /// IAM writes per minute and project.
    pub writes_per_minute: Option<u32>,
    /// Service account creations per minute and project. Google's value varies and is not published.
    pub creates_per_minute: Option<u32>,
    /// Live service accounts per project.
    pub service_accounts: Option<u32>,
    /// generateAccessToken calls per minute and project.
    pub credentials_per_minute: Option<u32>,
    /// STS exchanges per minute and pool project.
    pub sts_per_minute: Option<u32>,
    /// Policy and metadata updates per second and bucket.
    pub bucket_updates_per_second: Option<u32>,
    /// How many of these may come at once.
    pub bucket_update_burst: u32,
    /// Members of a policy; each occurrence counts.
    pub policy_members: usize,
    /// Size of a policy as JSON, in bytes.
    pub policy_bytes: usize,
}

/// Latency of every answer except those of the emulator's own API.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Latency {
    /// Minimum, in milliseconds.
    pub milliseconds: u64,
    /// Up to this much more, in milliseconds, evenly distributed.
    pub jitter_milliseconds: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            anonymous_admin: false,
            delays: Delays::default(),
            limits: Limits::default(),
            latency: Latency::default(),
            replicas: 1,
            refusals: Refusals::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            reads_per_minute: Some(6_000),
            project_reads_per_minute: Some(600),
            writes_per_minute: Some(600),
            creates_per_minute: None,
            service_accounts: Some(100),
            credentials_per_minute: Some(60_000),
            sts_per_minute: Some(6_000),
            bucket_updates_per_second: Some(1),
            bucket_update_burst: 5,
            policy_members: 1_500,
            policy_bytes: 64 * 1024,
        }
    }
}

impl Settings {
    /// These settings with the values of `change`; keys that it does not have keep their values.
    ///
    /// # Errors
    /// The key that is unknown, of the wrong type or out of range.
    pub fn merged(&self, change: &Value) -> Result<Self, String> {
        let mut all = serde_json::to_value(self).map_err(|error| error.to_string())?;
        merge(&mut all, change);
        let settings: Self = serde_json::from_value(all).map_err(|error| error.to_string())?;
        settings.check()?;
        Ok(settings)
    }

    /// Checks the ranges of the values.
    ///
    /// # Errors
    /// The key that is out of range.
    pub(crate) fn check(&self) -> Result<(), String> {
        let delays = &self.delays;
        let named = [
            ("serviceAccountGet", delays.service_account_get),
            ("serviceAccountList", delays.service_account_list),
            ("serviceAccountMember", delays.service_account_member),
            (
                "serviceAccountCredentials",
                delays.service_account_credentials,
            ),
            ("serviceAccountUpdate", delays.service_account_update),
            ("serviceAccountState", delays.service_account_state),
            ("policyRead", delays.policy_read),
            ("policy", delays.policy),
            ("pool", delays.pool),
        ];
        for (key, seconds) in named {
            if !(0.0..=86_400.0).contains(&seconds) {
                return Err(format!(
                    "delays.{key}: {seconds}: must be 0 to 86400 seconds"
                ));
            }
        }
        if self.replicas == 0 {
            return Err("replicas: 0: must be at least 1".to_owned());
        }
        Ok(())
    }
}

fn merge(base: &mut Value, change: &Value) {
    match (base, change) {
        (Value::Object(base), Value::Object(change)) => {
            for (key, value) in change {
                merge(base.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (base, change) => *base = change.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_change_keeps_the_values_of_other_keys() {
        let settings = Settings::default()
            .merged(&json!({"delays": {"policy": 60}, "limits": {"createsPerMinute": 5}}))
            .unwrap();
        let settings = settings
            .merged(&json!({"delays": {"policyRead": 1.5}}))
            .unwrap();
        assert_eq!(settings.delays.policy, 60.0);
        assert_eq!(settings.delays.policy_read, 1.5);
        assert_eq!(settings.limits.creates_per_minute, Some(5));
        assert_eq!(settings.limits.service_accounts, Some(100));
    }

    #[test]
    fn the_error_for_an_unknown_or_invalid_key_names_it() {
        let error = Settings::default()
            .merged(&json!({"delay": {}}))
            .unwrap_err();
        assert!(error.contains("delay"), "{error}");
        let error = Settings::default()
            .merged(&json!({"delays": {"policy": -1}}))
            .unwrap_err();
        assert!(error.contains("delays.policy"), "{error}");
        assert!(Settings::default().merged(&json!({"replicas": 0})).is_err());
    }
}
