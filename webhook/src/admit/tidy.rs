//! Hygiene on the way in: what a parent's pods say is put right first, and then it is decided about what is left, because
//! a stamp may sign what it runs.

use std::time::Instant;

use namesake_core::User;

use super::trees::Trees;
use super::{Webhook, verdict};
use crate::decide::kinds::Kind;
use crate::decide::mutate::environment::Tidied;
use crate::decide::who;
use crate::review::Request;
use crate::review::verdict::Verdict;
use crate::state::State;

/// Decides about a request with what it says put right for the user whose it is. Mostly that is who asks: so the largest
/// objects are decided about once.
pub(super) async fn tidied(
    state: &State,
    kind: Option<&'static Kind>,
    request: &Request<'_>,
    trees: &mut Trees<'_>,
    deadline: Instant,
) -> Verdict {
    let hygiene = state.rules.get().map(|rules| rules.hygiene());
    let hygiene = hygiene.unwrap_or_default();
    let mut user = kind
        .filter(|_| hygiene.changes())
        .and_then(|kind| asking(state, kind, request));
    let mut tidied = trees.tidy(hygiene, user.as_ref());
    let mut decided = verdict(state, Webhook::Mutate, kind, request, trees, deadline).await;
    // As who asks, as nobody, and as the user that this gave: no more.
    for _ in 0..2 {
        let found = whose(kind, &decided);
        if found == user {
            break;
        }
        let before = std::mem::replace(&mut tidied, trees.tidy(hygiene, found.as_ref()));
        user = found;
        if before.values == tidied.values {
            break;
        }
        decided = verdict(state, Webhook::Mutate, kind, request, trees, deadline).await;
    }
    with(tidied, decided)
}

// The user of whoever asks, for a parent.
fn asking(state: &State, kind: &Kind, request: &Request<'_>) -> Option<User> {
    let object = request.object.as_ref().filter(|_| kind.is_parent())?;
    let claim = |key: &str| object.metadata.annotation(key).map(str::to_owned);
    let requester = who::requester(&request.user_info);
    state.rules.get()?.user(&requester, claim).ok()
}

// The user of a parent that passes.
fn whose(kind: Option<&Kind>, decided: &Verdict) -> Option<User> {
    let passes = kind.is_some_and(Kind::is_parent) && decided.result.is_ok();
    let user = decided.facts.user.as_deref().filter(|_| passes)?;
    User::exact(user).ok()
}

fn with(tidied: Tidied, mut decided: Verdict) -> Verdict {
    let patch = |patch| {
        let mut all = tidied.patch();
        all.append(patch);
        all
    };
    decided.result = decided.result.map(patch);
    decided.warnings.extend(tidied.warnings);
    decided
}
