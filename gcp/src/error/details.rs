//! The `details` of an answer: what exactly was violated, why, and when to try again. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use google_cloud_gax::error::rpc::StatusDetails;
use serde_json::Value;

/// What an answer says beyond code, status and message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Details {
    /// Of `google.rpc.PreconditionFailure`.
    pub(crate) violations: Vec<Violation>,
    /// Of `google.rpc.ErrorInfo`.
    pub(crate) infos: Vec<Info>,
    /// Of `google.rpc.RetryInfo`.
    pub(crate) retry_delay: Option<Duration>,
}

/// One precondition that was not met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Violation {
    /// For example `constraints/iam.disableServiceAccountCreation` or `VPC_SERVICE_CONTROLS`.
    pub(crate) kind: String,
    /// For example `orgpolicy:projects/p?configvalue=user%40example.com`.
    pub(crate) subject: String,
    /// For people; for a perimeter the id of the violation.
    pub(crate) description: String,
}

/// Why it failed, in a word, and about what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Info {
    /// For example `SERVICE_DISABLED`.
    pub(crate) reason: String,
    /// For example `service` and `consumer`.
    pub(crate) metadata: BTreeMap<String, String>,
}

impl Details {
    /// Reads `error.details` of a JSON body.
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

    /// The details of an error of Google's official crate.
    pub(crate) fn from_gax(details: &[StatusDetails]) -> Self {
        let mut all = Self::default();
        for detail in details {
            match detail {
                StatusDetails::PreconditionFailure(failure) => {
                    let violations = failure.violations.iter().map(|violation| Violation {
                        kind: violation.r#type.clone(),
                        subject: violation.subject.clone(),
                        description: violation.description.clone(),
                    });
                    all.violations.extend(violations);
                }
                StatusDetails::ErrorInfo(info) => all.infos.push(Info {
                    reason: info.reason.clone(),
                    metadata: info.metadata.clone().into_iter().collect(),
                }),
                StatusDetails::RetryInfo(info) => {
                    let delay = info.retry_delay.and_then(|delay| delay.try_into().ok());
                    all.retry_delay = all.retry_delay.or(delay);
                }
                _ => {}
            }
        }
        all
    }

    /// The first `ErrorInfo` with this reason.
    pub(crate) fn info(&self, reason: &str) -> Option<&Info> {
        self.infos.iter().find(|info| info.reason == reason)
    }
}

impl Info {
    /// A value of the metadata; empty if there is none.
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

// As protobuf writes it in JSON: `60s`, `1.5s`.
fn duration(text: &str) -> Option<Duration> {
    let seconds: f64 = text.strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_delays_do_no_harm() {
        for text in ["", "s", "-1s", "NaNs", "infs", "1e400s", "5"] {
            assert_eq!(duration(text), None, "{text}");
        }
        assert_eq!(duration("1.5s"), Some(Duration::from_millis(1500)));
    }

    #[test]
    fn details_of_other_shapes_are_skipped() {
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
