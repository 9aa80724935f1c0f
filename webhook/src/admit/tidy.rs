//! Hygiene on the way in: what a parent's pods say is put right first, and then it is decided about what is left.

use std::time::Instant;

use namesake_core::User;
use serde_json::Value;

use super::{Webhook, verdict};
use crate::hygiene::{self, Looked, Tidied};
use crate::kinds::{Kind, Role};
use crate::review::{self, Object, Request};
use crate::state::State;
use crate::verdict::Verdict;

/// Looks at what was decided about a parent of a proven user. When something is to be put right, the object as it will be
/// is decided about again, because its stamp may sign what it runs.
pub(super) async fn tidied(
    state: &State,
    kind: Option<&'static Kind>,
    request: &Request<'_>,
    body: &[u8],
    decided: Verdict,
    deadline: Instant,
) -> Verdict {
    let parent = kind.is_some_and(|kind| matches!(kind.role, Role::Parent(_)));
    let user = decided
        .facts
        .user
        .as_deref()
        .and_then(|u| User::exact(u).ok());
    let (true, true, Some(user), Some(rules)) =
        (parent, decided.result.is_ok(), user, state.rules.get())
    else {
        return decided;
    };
    let Ok(looked) = review::parse::<Looked>(body) else {
        return decided;
    };
    let (Some(new), old) = (&looked.object, looked.old_object.as_ref()) else {
        return decided;
    };
    let tidied = hygiene::tidy(rules.hygiene(), &user, old, new);
    let mut decided = match rewritten(body, &tidied) {
        Some(body) => {
            let Ok(mut again) = review::parse::<Object<'_>>(&body) else {
                return decided;
            };
            again.dry_run = request.dry_run;
            let again = verdict(state, Webhook::Mutate, kind, &again, &body, deadline).await;
            let patch = |patch| {
                let mut all = tidied.patch();
                all.append(patch);
                all
            };
            Verdict {
                result: again.result.map(patch),
                ..again
            }
        }
        None => decided,
    };
    decided.warnings.extend(tidied.warnings);
    decided
}

// The review as it would be, had the person written what we put right.
fn rewritten(body: &[u8], tidied: &Tidied) -> Option<Vec<u8>> {
    if tidied.values.is_empty() {
        return None;
    }
    let mut review: Value = serde_json::from_slice(body).ok()?;
    let object = review.pointer_mut("/request/object")?;
    for (path, value) in &tidied.values {
        *object.pointer_mut(path)? = Value::from(value.as_str());
    }
    serde_json::to_vec(&review).ok()
}
