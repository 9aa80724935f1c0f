//! The `details` of an answer: which preconditions were violated, why, and when to retry. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

/// The details of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Details {
    /// From `google.rpc.PreconditionFailure`.
    pub(crate) violations: Vec<Violation>,
    /// From `google.rpc.ErrorInfo`.
    pub(crate) infos: Vec<Info>,
    /// From `google.rpc.RetryInfo`.
    pub(crate) retry_delay: Option<Duration>,
}

/// One violated precondition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Violation {
    /// For example `constraints/iam.disableServiceAccountCreation` or `VPC_SERVICE_CONTROLS`.
    pub(crate) kind: String,
    /// For example `orgpolicy:projects/p?configvalue=user%40example.com`.
    pub(crate) subject: String,
    /// Text for people; for a perimeter, the id of the violation.
    pub(crate) description: String,
}

/// The reason of a failure as one word, with what it concerns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Info {
    /// For example `SERVICE_DISABLED`.
    pub(crate) reason: String,
    /// For example `service` and `consumer`.
    pub(crate) metadata: BTreeMap<String, String>,
}

impl Details {
    /// Reads `error.details` of a JSON body, or the details of an error of the official crate as JSON; details of other types are ignored.
    pub(crate) fn parse(details: &Value) -> Self {
        let mut all = Self::default();
        for detail in details.as_array().into_iter().flatten() {
            if let Some(violations) = detail["violations"].as_array() {
                all.violations.extend(violations.iter().map(violation));
            }
            if let Some(reason) = detail["reason"].as_str() {
                let metadata = detail["metadata"].as_object().into_iter().flatten();
                let text = |(key, value): (&String, &Value)| {
                    value.as_str().map(|value| (key.clone(), value.to_owned()))
                };
                all.infos.push(Info {
                    reason: reason.to_owned(),
                    metadata: metadata.filter_map(text).collect(),
                });
            }
            let delay = detail["retryDelay"].as_str().and_then(duration);
            all.retry_delay = all.retry_delay.or(delay);
        }
        all
    }

    /// The first `ErrorInfo` with this reason.
    pub(crate) fn info(&self, reason: &str) -> Option<&Info> {
        self.infos.iter().find(|info| info.reason == reason)
    }
}

impl Info {
    /// A value of the metadata; empty if it is missing.
    pub(crate) fn get(&self, key: &str) -> &str {
        self.metadata.get(key).map_or("", String::as_str)
    }
}

fn violation(json: &Value) -> Violation {
    let text = |key: &str| json[key].as_str().unwrap_or_default().to_owned();
    Violation {
        kind: text("type"),
        subject: text("subject"),
        description: text("description"),
    }
}

// A duration as protobuf writes it in JSON: `60s`, `1.5s`.
fn duration(text: &str) -> Option<Duration> {
    let seconds: f64 = text.strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_delays_are_ignored() {
        for text in ["", "s", "-1s", "NaNs", "infs", "1e400s", "5"] {
            assert_eq!(duration(text), None, "{text}");
        }
        assert_eq!(duration("1.5s"), Some(Duration::from_millis(1500)));
    }

    #[test]
    fn details_of_unknown_form_are_ignored() {
        let odd = serde_json::json!([
            null, 1, "x", {"violations": "x"}, {"violations": [null, {}]},
            {"reason": 1}, {"reason": "A", "metadata": []}, {"reason": "B", "metadata": {"k": 1, "l": "m"}},
        ]);
        let details = Details::parse(&odd);
        assert_eq!(details.violations, vec![Violation::default(); 2]);
        let info = details.info("B").map(|info| (info.get("k"), info.get("l")));
        assert_eq!(info, Some(("", "m")));
        assert_eq!(Details::parse(&Value::Null), Details::default());
    }
}
