//! Shadow mode: what would happen is reported and not done. Pure.
//!
//! In `shadow` parents are stamped, and nothing else changes: what would have been decided about a pod is written onto it, and
//! refusals become warnings. A parent that would be refused, and one that another user changed, has no stamp, and so no proven
//! requester once the namespace enforces.

use namesake_api::names::{SHADOW_ANNOTATION, STAMP_ANNOTATION};
use namesake_core::is_managed_name;

use crate::decide::kinds::Role;
use crate::review::Object;
use crate::review::outcome::Outcome;
use crate::review::patch::Patch;
use crate::review::refused::Refused;
use crate::review::verdict::{Facts, ShadowVerdict, Verdict};

/// Maximum length of the annotation with the decision about a pod, in bytes.
const MAX_TEXT_BYTES: usize = 1000;
/// Turns what would be decided about a request into what happens in shadow mode. The request must have been decided without
/// side effects. `is_new`: the object is created.
#[must_use]
pub fn shadow(role: &Role, object: &Object<'_>, is_new: bool, verdict: Verdict) -> Verdict {
    let text = would(&verdict.facts, &verdict.result);
    let mut patch = Patch::default();
    let mut annotate = |key: &str, value: Option<&str>| {
        patch.set_annotations(&object.metadata, &[(key, value)]);
    };
    let Verdict { result, facts, .. } = verdict;
    match (role, result) {
        (Role::Pod, result) => {
            // Without a name there may be no metadata to write to, and the API server refuses it by itself.
            if object.metadata.is_named() {
                annotate(SHADOW_ANNOTATION, Some(&text));
            }
            shadow_verdict(result.err().as_ref(), patch, text, facts)
        }
        (Role::Parent(_), Ok(patch)) => shadow_verdict(None, patch, text, facts),
        (Role::Parent(_), Err(refused)) => {
            annotate(STAMP_ANNOTATION, None);
            let loses_stamp = !patch.is_empty();
            let mut verdict = shadow_verdict(Some(&refused), patch, text, facts);
            if !is_new && !loses_stamp {
                verdict.warnings.clear();
            }
            verdict
        }
    }
}

/// The final check in shadow mode: a pod that names a managed account is refused, and everything else is admitted.
#[must_use]
pub fn final_check(verdict: Verdict) -> Verdict {
    let account = verdict.facts.service_account.as_deref();
    if account.is_some_and(is_managed_name) {
        return verdict;
    }
    Verdict::pass(Facts {
        outcome: Outcome::Shadow,
        ..verdict.facts
    })
}

fn shadow_verdict(refused: Option<&Refused>, patch: Patch, text: String, facts: Facts) -> Verdict {
    let would = ShadowVerdict {
        outcome: facts.outcome,
        reason: refused.map(|r| r.reason),
        text,
    };
    Verdict {
        result: Ok(patch),
        warnings: refused.into_iter().map(warning).collect(),
        facts: Facts {
            would: Some(would),
            outcome: Outcome::Shadow,
            // What was signed for it is not written.
            decision: None,
            ..facts
        },
    }
}

/// Shown to a person whose request would be refused.
fn warning(refused: &Refused) -> String {
    let (reason, code) = (refused.reason, refused.reason.code());
    format!("namesake: shadow mode: this would be refused: {reason} ({code})")
}

fn would(facts: &Facts, result: &Result<Patch, Refused>) -> String {
    let who = facts.user.as_deref().unwrap_or(&facts.requester);
    let text = match (result, facts.outcome, facts.service_account.as_deref()) {
        (Err(refused), ..) => {
            let (reason, code) = (refused.reason, refused.reason.code());
            format!("would be refused: {reason}: {} ({code})", refused.message)
        }
        (_, Outcome::Kept, _) => "would be left as it is".to_owned(),
        (_, Outcome::DryRun, _) => format!("would run as a new identity of {who}"),
        (_, _, Some(account)) => format!("would run as {account}, for {who}"),
        (_, outcome, None) => format!("would be {}", outcome.as_str()),
    };
    let mut text: String = text.chars().filter(|c| !c.is_control()).collect();
    text.truncate(text.floor_char_boundary(MAX_TEXT_BYTES));
    text
}

#[cfg(test)]
mod tests {
    use namesake_core::Reason;

    use super::*;

    #[test]
    fn the_text_fits_into_an_annotation_whatever_the_length_of_the_message() {
        let refused = Refused::new(Reason::NotYours, "\u{e9}\n".repeat(3000));
        let text = would(&Facts::default(), &Err(refused));
        assert!(
            text.len() <= MAX_TEXT_BYTES && !text.contains('\n'),
            "{}",
            text.len()
        );
    }
}
