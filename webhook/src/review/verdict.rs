//! The answer to the API server, and the facts that are logged about it.

use data_encoding::BASE64;
use namesake_core::{DecisionId, Reason};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::review::outcome::Outcome;
use crate::review::patch::Patch;
use crate::review::refused::Refused;
use crate::review::{Metadata, OwnerReference, REVIEW_KIND, REVIEW_VERSION, Request};

/// The warning in a dry run by a user whose identity does not exist yet.
pub const DRY_RUN: &str =
    "namesake: dry run: the identity would be created, and the pod would get its service account";

/// Room for the patch of a pod, and for the answer with it: most are not larger.
const USUAL_BYTES: usize = 4096;
/// Longest warning that Kubernetes recommends.
const MAX_WARNING_BYTES: usize = 120;

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
    /// The id of what was signed, if the decision is signed.
    pub decision: Option<DecisionId>,
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

/// What a verdict is about, and what decided: with these the log, the audit log and messages lead to each other.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The id of the decision.
    pub decision: DecisionId,
    /// UID of the review.
    pub review: &'a str,
    /// Revision of the rules that decided, if any are in force.
    pub rules: Option<&'a str>,
    /// Whether nothing is stored.
    pub is_dry_run: bool,
    /// Name of the object, as far as it is known.
    pub name: Option<&'a str>,
    /// `metadata.generateName` of the object.
    pub generate_name: Option<&'a str>,
    /// The controller of the object.
    pub owner: Option<&'a OwnerReference<'a>>,
}

impl<'a> Subject<'a> {
    /// The subject of a verdict. `metadata` is that of the object, if it was read.
    pub fn new<O>(
        request: &'a Request<'_, O>,
        metadata: Option<&'a Metadata<'_>>,
        rules: Option<&'a str>,
        verdict: &Verdict,
    ) -> Self {
        let signed = verdict.facts.decision.filter(|_| verdict.result.is_ok());
        let name = request.name.as_deref().filter(|name| !name.is_empty());
        Self {
            decision: signed.unwrap_or_else(|| DecisionId::of_review(&request.uid)),
            review: &request.uid,
            rules,
            name: name.or(metadata.and_then(|m| m.name.as_deref())),
            is_dry_run: request.is_dry_run(),
            generate_name: metadata.and_then(|m| m.generate_name.as_deref()),
            owner: metadata.and_then(Metadata::controller),
        }
    }
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

    /// The AdmissionReview that answers the request about this subject.
    ///
    /// # Errors
    /// serde's error; not for anything that this program builds.
    pub fn review(&self, subject: &Subject<'_>) -> Result<Vec<u8>, serde_json::Error> {
        let decision = subject.decision;
        let refused = self.result.as_ref().err();
        let patch = match &self.result {
            Ok(patch) if !patch.is_empty() => Some(encode(patch)?),
            _ => None,
        };
        let status = refused.map(|r| Status {
            status: "Failure",
            code: r.code,
            reason: r.status_reason(),
            message: r.answer(decision),
        });
        let warnings = self.warnings.iter();
        let warnings = warnings.map(|text| with_decision(text, decision));
        let mut answer = Vec::with_capacity(USUAL_BYTES);
        let review = ReviewAnswer {
            api_version: REVIEW_VERSION,
            kind: REVIEW_KIND,
            response: Response {
                uid: subject.review,
                allowed: refused.is_none(),
                status,
                patch_type: patch.as_ref().map(|_| "JSONPatch"),
                patch,
                warnings: warnings.collect(),
                audit_annotations: self.audit_annotations(subject),
            },
        };
        serde_json::to_writer(&mut answer, &review)?;
        Ok(answer)
    }

    fn audit_annotations<'a>(&'a self, subject: &'a Subject<'_>) -> AuditAnnotations<'a> {
        let facts = &self.facts;
        let reason = self.result.as_ref().err().map(|r| r.reason.as_str());
        AuditAnnotations([
            ("requester", Some(facts.requester.as_str())),
            ("user", facts.user.as_deref()),
            ("rule", facts.rule.as_deref()),
            ("class", facts.class.as_deref()),
            ("service-account", facts.service_account.as_deref()),
            ("outcome", Some(facts.outcome.as_str())),
            ("would", facts.would.as_ref().map(|w| w.text.as_str())),
            ("reason", reason),
            ("decision", Some(subject.decision.as_str())),
            ("rules", subject.rules),
            ("dry-run", subject.is_dry_run.then_some("true")),
            ("name", subject.name),
            ("generate-name", subject.generate_name),
            ("owner-kind", subject.owner.map(|owner| &*owner.kind)),
            ("owner-name", subject.owner.map(|owner| &*owner.name)),
            ("owner-uid", subject.owner.map(|owner| &*owner.uid)),
        ])
    }
}

/// Annotations for the cluster's audit log; those without a value, or with an empty one, are not written.
struct AuditAnnotations<'a>([(&'static str, Option<&'a str>); 16]);

impl Serialize for AuditAnnotations<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let all = self
            .0
            .iter()
            .filter_map(|(key, value)| Some((key, (*value)?)));
        serializer.collect_map(all.filter(|(_, value)| !value.is_empty()))
    }
}

// The patch in base64, as a JSON string. Base64 needs no escapes, which serde_json would look for in each byte.
fn encode(patch: &Patch) -> Result<Box<RawValue>, serde_json::Error> {
    let mut json = Vec::with_capacity(USUAL_BYTES);
    serde_json::to_writer(&mut json, patch)?;
    let mut text = String::with_capacity(BASE64.encode_len(json.len()) + 2);
    text.push('"');
    BASE64.encode_append(&json, &mut text);
    text.push('"');
    RawValue::from_string(text)
}

// Behind the code of a reason, if the warning ends with one. A warning is cut by clients when it is longer than 120 characters: then
// the id is left out.
fn with_decision(warning: &str, decision: DecisionId) -> String {
    let text = match warning.strip_suffix(')') {
        Some(coded) => format!("{coded}, decision {decision})"),
        None => format!("{warning} (decision {decision})"),
    };
    if text.len() > MAX_WARNING_BYTES {
        warning.to_owned()
    } else {
        text
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
    patch: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    audit_annotations: AuditAnnotations<'a>,
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

    /// The id of the decision about the review `u-1`.
    const DECISION: &str = "2izl7obz";

    fn answer(verdict: &Verdict) -> Value {
        let body =
            json!({"apiVersion": REVIEW_VERSION, "kind": REVIEW_KIND, "request": {"uid": "u-1"}});
        let body = body.to_string();
        let request = crate::review::parse::<serde::de::IgnoredAny>(body.as_bytes()).unwrap();
        let subject = Subject::new(&request, None, None, verdict);
        serde_json::from_slice(&verdict.review(&subject).unwrap()).unwrap()
    }

    #[test]
    fn an_answer_echoes_uid_version_and_kind_and_has_no_patch_when_nothing_changes() {
        let facts = Facts::of_requester("alice@acme.com", Outcome::Kept);
        let want = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": {
            "uid": "u-1", "allowed": true,
            "auditAnnotations": {"requester": "alice@acme.com", "outcome": "kept", "decision": DECISION}}});
        assert_eq!(answer(&Verdict::pass(facts)), want);
    }

    #[test]
    fn a_refusal_is_a_status_whose_message_begins_with_the_reason_and_ends_with_code_and_decision()
    {
        let refused = Refused::new(Reason::BrokerUnavailable, "try again");
        let answer = answer(&Verdict::refuse(refused, Facts::default()));
        let want = json!({"status": "Failure", "code": 503, "reason": "ServiceUnavailable",
            "message": format!("BrokerUnavailable: try again (NS1606, decision {DECISION})")});
        assert_eq!(answer["response"]["status"], want);
        assert_eq!(answer["response"]["allowed"], false);
        assert_eq!(
            answer["response"]["auditAnnotations"]["reason"],
            "BrokerUnavailable"
        );
    }

    #[test]
    fn a_signed_decision_has_the_id_of_its_signature_unless_it_is_refused() {
        let signed = DecisionId::of_signed("v2.k.e.p.5TSfDhsBAgM");
        assert!(signed.is_some());
        let facts = Facts {
            decision: signed,
            ..Facts::of_requester("alice@acme.com", Outcome::Identity)
        };
        let id =
            |verdict: &Verdict| answer(verdict)["response"]["auditAnnotations"]["decision"].clone();
        assert_eq!(id(&Verdict::pass(facts.clone())), "4u2j6dq3");
        let refused = Refused::new(Reason::NoMatch, "no rule");
        assert_eq!(id(&Verdict::refuse(refused, facts)), DECISION);
    }
}
