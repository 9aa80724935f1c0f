//! Modes of a namespace: what would happen, told without doing it. Pure.
//!
//! `enforce` is what the rest of this crate says. In `shadow` parents are stamped, and nothing else changes: what would have
//! become of a pod is written on it, and refusals become warnings. A parent that would be refused, and one that somebody
//! else changed, has no stamp: it runs as nobody once the namespace enforces. `off` is as good as not opted in: the API
//! server does not call us, and the policy `namesake-pods` keeps managed accounts out of reach.

use namesake_api::names::{SHADOW_ANNOTATION, STAMP_ANNOTATION};
use namesake_core::is_managed_name;

use crate::kinds::Role;
use crate::patch::Patch;
use crate::review::{Metadata, Object};
use crate::verdict::{Facts, Refused, Verdict};

/// Longest text of the annotation that says what would have become of a pod, in bytes.
const MAX_TEXT_BYTES: usize = 1000;
/// What a person is told whose request would be refused.
const WARNING: &str =
    "namesake: shadow mode: this would be refused; the log of namesake-webhook says why";

/// What Namesake does in a namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// All of it.
    #[default]
    Enforce,
    /// Stamps, and what would have been.
    Shadow,
    /// Nothing.
    Off,
}

impl Mode {
    /// The mode that a label names. What is not understood must not loosen anything: it is `enforce`, and an error.
    ///
    /// # Errors
    /// The text, if it is no mode.
    pub fn of(label: Option<&str>) -> Result<Mode, &str> {
        match label {
            None | Some("enforce") => Ok(Mode::Enforce),
            Some("shadow") => Ok(Mode::Shadow),
            Some("off") => Ok(Mode::Off),
            Some(other) => Err(other),
        }
    }
}

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
pub fn shadowed_twin(verdict: Verdict) -> Verdict {
    let account = verdict.facts.service_account.as_deref();
    if account.is_some_and(is_managed_name) {
        return verdict;
    }
    Verdict::pass(Facts {
        outcome: "shadow",
        ..verdict.facts
    })
}

fn annotations<'m, 'a>(metadata: &'m Metadata<'a>) -> Option<&'m crate::text::Pairs<'a>> {
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
    use crate::reason::RefusalReason;

    #[test]
    fn a_mode_that_nobody_knows_is_no_mode_and_nothing_looser() {
        assert_eq!(Mode::of(None), Ok(Mode::Enforce));
        assert_eq!(Mode::of(Some("shadow")), Ok(Mode::Shadow));
        assert_eq!(Mode::of(Some("off")), Ok(Mode::Off));
        for other in ["", "Off", "OFF", "disabled", "enforce "] {
            assert_eq!(Mode::of(Some(other)), Err(other));
        }
        assert_eq!(Mode::default(), Mode::Enforce);
    }

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
