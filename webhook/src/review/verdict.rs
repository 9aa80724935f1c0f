//! The answer to the API server, and the facts that are logged about it.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use namesake_core::Reason;
use serde::Serialize;

use crate::review::outcome::Outcome;
use crate::review::patch::Patch;
use crate::review::refused::Refused;
use crate::review::{REVIEW_KIND, REVIEW_VERSION};

/// The warning in a dry run by a user whose identity does not exist yet.
pub const DRY_RUN: &str =
    "namesake: dry run: the identity would be created, and the pod would get its service account";

/// Facts about a review, for the log, the cluster's audit log and metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The requester; for what a trusted controller creates, the requester of its parent.
    pub requester: String,
    /// Canonical user.
    pub user: Option<String>,
    /// Rule that decided.
    pub rule: Option<String>,
    /// Identity class.
    pub class: Option<String>,
    /// KSA that the pod gets.
    pub service_account: Option<String>,
    /// The outcome.
    pub outcome: Outcome,
    /// The outcome without shadow mode.
    pub would: Option<ShadowVerdict>,
}

impl Facts {
    /// Only the requester is known.
    pub fn of_requester(requester: &str, outcome: Outcome) -> Self {
        Self {
            requester: requester.to_owned(),
            outcome,
            ..Self::default()
        }
    }
}

/// The outcome if the namespace were in mode enforce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShadowVerdict {
    /// Outcome.
    pub outcome: Outcome,
    /// Why it would have been refused, if it would have been.
    pub reason: Option<Reason>,
    /// For people.
    pub text: String,
}

/// The answer to one review.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The patch, or the reason for the refusal.
    pub result: Result<Patch, Refused>,
    /// Shown to the person, at most 120 characters each.
    pub warnings: Vec<String>,
    /// Logged.
    pub facts: Facts,
}

impl Verdict {
    /// Allows the request as it is.
    #[must_use]
    pub fn pass(facts: Facts) -> Self {
        Self::change(Patch::default(), facts)
    }

    /// Allows the request with a patch.
    #[must_use]
    pub fn change(patch: Patch, facts: Facts) -> Self {
        Self {
            result: Ok(patch),
            warnings: Vec::new(),
            facts,
        }
    }

    /// Refuses. Requester and rule are added to the message where it does not name them itself.
    #[must_use]
    pub fn refuse(mut refused: Refused, mut facts: Facts) -> Self {
        facts.outcome = Outcome::Refused;
        if refused.rule.is_some() {
            facts.rule.clone_from(&refused.rule);
        }
        let user = facts.user.as_deref().unwrap_or(&facts.requester);
        if !refused.message.contains(user) && !refused.message.contains(&facts.requester) {
            refused.message += &format!(" (requester: {})", facts.requester);
        }
        let rule = facts.rule.as_ref();
        if let Some(rule) = rule.filter(|rule| !refused.message.contains(*rule)) {
            refused.message += &format!(" (rule: {rule})");
        }
        Self {
            result: Err(refused),
            warnings: Vec::new(),
            facts,
        }
    }

    /// The AdmissionReview that answers the request of this uid.
    ///
    /// # Errors
    /// serde's error; not for anything that this program builds.
    pub fn review(&self, uid: &str) -> Result<Vec<u8>, serde_json::Error> {
        let refused = self.result.as_ref().err();
        let patch = match &self.result {
            Ok(patch) if !patch.is_empty() => Some(BASE64.encode(&serde_json::to_vec(patch)?)),
            _ => None,
        };
        let status = refused.map(|r| Status {
            status: "Failure",
            code: r.code,
            reason: r.status_reason(),
            message: r.answer(),
        });
        serde_json::to_vec(&ReviewAnswer {
            api_version: REVIEW_VERSION,
            kind: REVIEW_KIND,
            response: Response {
                uid,
                allowed: refused.is_none(),
                status,
                patch_type: patch.as_ref().map(|_| "JSONPatch"),
                patch,
                warnings: &self.warnings,
                audit_annotations: self.audit_annotations(),
            },
        })
    }

    fn audit_annotations(&self) -> BTreeMap<&'static str, &str> {
        let facts = &self.facts;
        let reason = self.result.as_ref().err().map(|r| r.reason.as_str());
        let all = [
            ("requester", Some(facts.requester.as_str())),
            ("user", facts.user.as_deref()),
            ("rule", facts.rule.as_deref()),
            ("class", facts.class.as_deref()),
            ("service-account", facts.service_account.as_deref()),
            ("outcome", Some(facts.outcome.as_str())),
            ("would", facts.would.as_ref().map(|w| w.text.as_str())),
            ("reason", reason),
        ];
        let all = all
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)));
        all.filter(|(_, value)| !value.is_empty()).collect()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReviewAnswer<'a> {
    api_version: &'a str,
    kind: &'a str,
    response: Response<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    warnings: &'a [String],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    audit_annotations: BTreeMap<&'static str, &'a str>,
}

#[derive(Serialize)]
struct Status<'a> {
    status: &'a str,
    code: u16,
    reason: &'a str,
    message: String,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn answer(verdict: &Verdict) -> Value {
        serde_json::from_slice(&verdict.review("u-1").unwrap()).unwrap()
    }

    #[test]
    fn an_answer_echoes_uid_version_and_kind_and_has_no_patch_when_nothing_changes() {
        let facts = Facts::of_requester("alice@acme.com", Outcome::Kept);
        let want = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": {
            "uid": "u-1", "allowed": true,
            "auditAnnotations": {"requester": "alice@acme.com", "outcome": "kept"}}});
        assert_eq!(answer(&Verdict::pass(facts)), want);
    }

    #[test]
    fn a_refusal_is_a_status_whose_message_begins_with_the_reason() {
        let refused = Refused::new(Reason::BrokerUnavailable, "try again");
        let answer = answer(&Verdict::refuse(refused, Facts::default()));
        let want = json!({"status": "Failure", "code": 503, "reason": "ServiceUnavailable",
            "message": "BrokerUnavailable: try again"});
        assert_eq!(answer["response"]["status"], want);
        assert_eq!(answer["response"]["allowed"], false);
        assert_eq!(
            answer["response"]["auditAnnotations"]["reason"],
            "BrokerUnavailable"
        );
    }
}
