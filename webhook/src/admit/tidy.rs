//! Hygiene on the way in: what a parent's pods say is put right first, and then it is decided about what is left.

use std::time::Instant;

use namesake_core::User;

use super::trees::Trees;
use super::{Webhook, verdict};
use crate::kinds::{Kind, Role};
use crate::review::Request;
use crate::state::State;
use crate::verdict::Verdict;

/// Looks at what was decided about a parent of a proven user. When something is to be put right, the object as it will be
/// is decided about again, because its stamp may sign what it runs.
pub(super) async fn tidied(
    state: &State,
    kind: Option<&'static Kind>,
    request: &Request<'_>,
    trees: &mut Trees<'_>,
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
    let tidied = trees.tidied(rules.hygiene(), &user);
    let mut decided = if tidied.values.is_empty() {
        decided
    } else {
        trees.set(&tidied);
        let again = verdict(state, Webhook::Mutate, kind, request, trees, deadline).await;
        let patch = |patch| {
            let mut all = tidied.patch();
            all.append(patch);
            all
        };
        Verdict {
            result: again.result.map(patch),
            ..again
        }
    };
    decided.warnings.extend(tidied.warnings);
    decided
}
