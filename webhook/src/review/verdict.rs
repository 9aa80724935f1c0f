//! What is answered to the API server, and what is written down about it.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use namesake_core::{Reason, Refusal};
use serde::Serialize;

use crate::review::patch::Patch;
use crate::review::reason::RefusalReason;
use crate::review::{REVIEW_KIND, REVIEW_VERSION};
use crate::state::broker::Failure;

/// What a dry run of a user without identity is told, here and by the mutating webhook.
pub const DRY_RUN: &str =
    "namesake: dry run: the identity would be made, and the pod would get its service account";

/// A refusal. The message is for the person who made the object: what was wrong, who asked, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// HTTP-like code: 400 (cannot be read), 403 (the rules say no), 404 (a controller goes on without it), 503 (may pass by itself; controllers try again).
    pub code: u16,
    /// Stable `CamelCase` word, from [`RefusalReason`] or [`namesake_core::Reason`]. The message that is answered begins with it.
    pub reason: &'static str,
    /// The rule that refused, if one did.
    pub rule: Option<String>,
    /// Whole sentences.
    pub message: String,
}

impl Refused {
    /// The rules, or what they stand for, say no.
    pub fn forbidden(reason: RefusalReason, message: impl Into<String>) -> Self {
        Self::new(403, reason, message)
    }

    /// What may pass by itself.
    pub fn later(reason: RefusalReason, message: impl Into<String>) -> Self {
        Self::new(503, reason, message)
    }

    /// The rules say no to a controller of Kubernetes that wants to adopt something. It takes this answer for an object that is
    /// gone meanwhile, and goes on without it; after any other refusal it would stop and try again.
    pub fn not_to_be_adopted(reason: RefusalReason, message: impl Into<String>) -> Self {
        Self::new(404, reason, message)
    }

    /// A request that makes no sense to us.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, RefusalReason::BadRequest, message)
    }

    fn new(code: u16, reason: RefusalReason, message: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.as_str(),
            rule: None,
            message: message.into(),
        }
    }

    /// What people see: the word by which docs/reasons.md is keyed, and the message.
    #[must_use]
    pub fn answer(&self) -> String {
        format!("{}: {}", self.reason, self.message)
    }

    // As the API server names the codes, so that clients treat them as usual.
    const fn status_reason(&self) -> &'static str {
        match self.code {
            403 => "Forbidden",
            404 => "NotFound",
            503 => "ServiceUnavailable",
            _ => "BadRequest",
        }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self {
            code: 403,
            reason: refusal.reason.as_str(),
            rule: refusal.rule,
            message: refusal.message,
        }
    }
}

impl Refused {
    /// What the broker's failure means for whoever asked.
    #[must_use]
    pub fn from_broker(failure: Failure) -> Self {
        match failure {
            Failure::Refused { reason, message } => Self {
                code: 403,
                reason: refused_by_broker(&reason),
                rule: None,
                message,
            },
            Failure::Later { reason, message } => Self::later(failed_broker(&reason), message),
        }
    }
}

/// The word for what the broker refuses for good: its own where it is known here.
fn refused_by_broker(word: &str) -> &'static str {
    let own = [
        RefusalReason::HasLeft,
        RefusalReason::RoleNotAllowed,
        RefusalReason::Suspended,
    ];
    let own = own.map(RefusalReason::as_str).into_iter();
    let of_the_rules = Reason::ALL.iter().map(|reason| reason.as_str());
    own.chain(of_the_rules)
        .find(|known| *known == word)
        .unwrap_or(Reason::NotEntitled.as_str())
}

/// The word for what the broker could not do now.
fn failed_broker(word: &str) -> RefusalReason {
    match word {
        "TooManyIdentities" => RefusalReason::TooManyIdentities,
        "Conflict" => RefusalReason::IdentityConflict,
        "Leaving" => RefusalReason::IdentityLeaving,
        "NotOptedIn" => RefusalReason::NotOptedIn,
        "NotSynced" => RefusalReason::NotSynced,
        "RulesDiffer" => RefusalReason::RulesDiffer,
        "RulesNotLoaded" => RefusalReason::RulesNotLoaded,
        _ => RefusalReason::BrokerUnavailable,
    }
}

/// Who, why and as whom: the same facts go to the log, to the cluster's audit log and to metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Who asked: for what a carrier makes, who asked for its parent.
    pub requester: String,
    /// Canonical user.
    pub user: Option<String>,
    /// Rule that decided.
    pub rule: Option<String>,
    /// Identity class.
    pub class: Option<String>,
    /// KSA that the pod gets.
    pub service_account: Option<String>,
    /// What was decided: `identity`, `gated`, `service-account`, `kept`, `stamped`, `restored`, `dry-run`, …
    pub outcome: &'static str,
    /// What would have been decided, in shadow mode.
    pub would: Option<Would>,
}

/// What would have been decided, had the namespace enforced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Would {
    /// Outcome.
    pub outcome: &'static str,
    /// Why it would have been refused; empty if not.
    pub reason: &'static str,
    /// For people.
    pub text: String,
}

/// The answer to one review.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// What changes, or why not.
    pub result: Result<Patch, Refused>,
    /// Shown to the person, at most 120 characters each.
    pub warnings: Vec<String>,
    /// Written down.
    pub facts: Facts,
}

impl Verdict {
    /// Lets it pass as it is.
    #[must_use]
    pub fn pass(facts: Facts) -> Self {
        Self {
            result: Ok(Patch::default()),
            warnings: Vec::new(),
            facts,
        }
    }

    /// Refuses. Who asked and which rule refused are added to the message where it does not say so itself.
    #[must_use]
    pub fn refuse(mut refused: Refused, mut facts: Facts) -> Self {
        facts.outcome = "refused";
        if refused.rule.is_some() {
            facts.rule.clone_from(&refused.rule);
        }
        let user = facts.user.as_deref().unwrap_or(&facts.requester);
        if !refused.message.contains(user) && !refused.message.contains(&facts.requester) {
            refused.message += &format!(" (requester: {})", facts.requester);
        }
        if let Some(rule) = facts
            .rule
            .as_ref()
            .filter(|r| !refused.message.contains(*r))
        {
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
    /// Never for what this program builds; serde's error otherwise.
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
        serde_json::to_vec(&Review {
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
        let all = [
            ("requester", Some(facts.requester.as_str())),
            ("user", facts.user.as_deref()),
            ("rule", facts.rule.as_deref()),
            ("class", facts.class.as_deref()),
            ("service-account", facts.service_account.as_deref()),
            ("outcome", Some(facts.outcome)),
            ("would", facts.would.as_ref().map(|w| w.text.as_str())),
            ("reason", self.result.as_ref().err().map(|r| r.reason)),
        ];
        let all = all
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)));
        all.filter(|(_, value)| !value.is_empty()).collect()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Review<'a> {
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
        let facts = Facts {
            requester: "alice@acme.com".to_owned(),
            outcome: "kept",
            ..Facts::default()
        };
        let want = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": {
            "uid": "u-1", "allowed": true,
            "auditAnnotations": {"requester": "alice@acme.com", "outcome": "kept"}}});
        assert_eq!(answer(&Verdict::pass(facts)), want);
    }

    #[test]
    fn a_refusal_is_a_status_whose_message_begins_with_the_reason() {
        let refused = Refused::later(RefusalReason::BrokerUnavailable, "try again");
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
