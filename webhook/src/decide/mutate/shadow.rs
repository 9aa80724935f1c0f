//! Modes of a namespace: what would happen, told without doing it. Pure.
//!
//! `enforce` is what the rest of this crate says. In `shadow` parents are stamped, and nothing else changes: what would have
//! become of a pod is written on it, and refusals become warnings. A parent that would be refused, and one that somebody
//! else changed, has no stamp: it runs as nobody once the namespace enforces. `off` is as good as not opted in: the API
//! server does not call us, and the policy `namesake-pods` keeps managed accounts out of reach.

use namesake_api::names::{SHADOW_ANNOTATION, STAMP_ANNOTATION};
use namesake_core::is_managed_name;

use crate::decide::kinds::Role;
use crate::review::patch::Patch;
use crate::review::verdict::{Facts, Refused, Verdict, Would};
use crate::review::{Metadata, Object};

/// Longest text of the annotation that says what would have become of a pod, in bytes.
const MAX_TEXT_BYTES: usize = 1000;
/// What a person is told whose request would be refused.
const WARNING: &str =
    "namesake: shadow mode: this would be refused; the log of namesake-webhook says why";

/// Turns what would be decided about a request into what happens in shadow mode. The request must have been decided as a
/// dry run, so that nothing was made for it.
#[must_use]
pub fn shadowed(role: &Role, object: &Object<'_>, creates: bool, verdict: Verdict) -> Verdict {
    let Verdict { result, facts, .. } = verdict;
    match (role, result) {
        (Role::Pod, result) => {
            let text = would(&facts, &result);
            let mut patch = Patch::default();
            let keys = [(SHADOW_ANNOTATION, Some(text.as_str()))];
            // Without a name there may be no metadata to write to, and the API server refuses it by itself.
            if object.metadata.is_named() {
                patch.set_keys(
                    "/metadata/annotations",
                    annotations(&object.metadata),
                    &keys,
                );
            }
            seen(result.err(), patch, text, facts)
        }
        (Role::Parent(_), Ok(patch)) => {
            let text = would(&facts, &Ok(Patch::default()));
            seen(None, patch, text, facts)
        }
        (Role::Parent(_), Err(refused)) => {
            let mut patch = Patch::default();
            let keys = [(STAMP_ANNOTATION, None)];
            patch.set_keys(
                "/metadata/annotations",
                annotations(&object.metadata),
                &keys,
            );
            let text = would(&facts, &Err(refused.clone()));
            let warned = creates || !patch.is_empty();
            let verdict = seen(Some(refused), patch, text, facts);
            if warned {
                verdict
            } else {
                Verdict {
                    warnings: Vec::new(),
                    ..verdict
                }
            }
        }
    }
}

/// What the twin's word is worth in shadow mode: nobody runs as a managed account by naming it, all else passes.
#[must_use]
pub fn final_check(verdict: Verdict) -> Verdict {
    let account = verdict.facts.service_account.as_deref();
    if account.is_some_and(is_managed_name) {
        return verdict;
    }
    Verdict::pass(Facts {
        outcome: "shadow",
        ..verdict.facts
    })
}

fn annotations<'m, 'a>(metadata: &'m Metadata<'a>) -> Option<&'m crate::review::text::Pairs<'a>> {
    metadata.annotations.as_ref()
}

fn seen(refused: Option<Refused>, patch: Patch, would: String, facts: Facts) -> Verdict {
    let warnings = refused.iter().map(|_| WARNING.to_owned()).collect();
    let facts = Facts {
        would: Some(Would {
            outcome: facts.outcome,
            reason: refused.map_or("", |r| r.reason),
            text: would,
        }),
        outcome: "shadow",
        ..facts
    };
    Verdict {
        result: Ok(patch),
        warnings,
        facts,
    }
}

fn would(facts: &Facts, result: &Result<Patch, Refused>) -> String {
    let who = facts.user.as_deref().unwrap_or(&facts.requester);
    let text = match (result, facts.outcome, facts.service_account.as_deref()) {
        (Err(refused), ..) => format!("would be refused: {}: {}", refused.reason, refused.message),
        (_, "kept", _) => "would be left as it is".to_owned(),
        (_, "dry-run", _) => format!("would run as a new identity of {who}"),
        (_, _, Some(account)) => format!("would run as {account}, for {who}"),
        (_, outcome, None) => format!("would be {outcome}"),
    };
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    let mut end = text.len().min(MAX_TEXT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::review::reason::RefusalReason;

    #[test]
    fn what_would_have_been_fits_into_an_annotation_whatever_the_message() {
        let refused = Refused::forbidden(RefusalReason::NotYours, "\u{e9}\n".repeat(3000));
        let text = would(&Facts::default(), &Err(refused));
        assert!(
            text.len() <= MAX_TEXT_BYTES && !text.contains('\n'),
            "{}",
            text.len()
        );
    }
}
