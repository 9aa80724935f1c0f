//! One review of an object, with what every decision about it depends on.

use std::time::Instant;

use namesake_api::names::{EPOCH_ANNOTATION, MODE_LABEL, OPT_IN_LABEL};
use namesake_core::{Reason, User};

use super::{Call, find_identity};
use crate::decide::context::AdmissionContext;
use crate::decide::kinds::{Kind, Parts};
use crate::decide::mode::Mode;
use crate::decide::mutate::environment::{self, Cleaned};
use crate::decide::who;
use crate::review::outcome::Outcome;
use crate::review::refused::Refused;
use crate::review::verdict::{Facts, Verdict};
use crate::review::{Object, Request, UserInfo};
use crate::state::State;

/// A refusal, and what is logged about it.
pub(super) type Refusal = (Refused, Facts);

/// The verdict about a request.
pub(super) type Decided = Result<Verdict, Refusal>;

/// Whether deciding about a request may create identities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effects {
    /// Yes.
    Apply,
    /// No: a dry run, or a namespace in shadow mode.
    None,
}

/// One review of an object of a known kind.
#[derive(Clone, Copy)]
pub(super) struct Admission<'a> {
    pub(super) state: &'a State,
    pub(super) context: &'a AdmissionContext,
    pub(super) request: &'a Request<'a>,
    pub(super) kind: &'static Kind,
    pub(super) object: &'a Object<'a>,
    pub(super) mode: Mode,
    pub(super) effects: Effects,
    pub(super) deadline: Instant,
}

impl Admission<'_> {
    /// A refusal before anything is known but the requester.
    pub(super) fn refuse(&self, refused: Refused) -> Refusal {
        (refused, facts(self.request))
    }

    /// Cleans the environment in a parent's spec for the user to whom it belongs: from now on that is what the person wrote. In
    /// shadow mode, and for an object of no user, it stays as it came.
    pub(super) fn sanitize(
        &self,
        user: Option<&User>,
        old: &Parts<'_>,
        new: &mut Parts<'_>,
    ) -> Cleaned {
        match user.filter(|_| self.mode != Mode::Shadow) {
            Some(user) => {
                let hygiene = self.context.rules.hygiene();
                environment::clean(hygiene, user, &old.spec, &mut new.spec)
            }
            None => Cleaned::default(),
        }
    }
}

/// The context of decisions about a request, as of now.
pub(super) async fn context<O>(
    call: &Call<'_>,
    request: &Request<'_, O>,
) -> Result<AdmissionContext, Refused> {
    let state = call.state;
    let (Some(rules), Some(keys)) = (call.rules.clone(), state.keys()) else {
        return Err(Refused::new(
            Reason::RulesNotLoaded,
            "Namesake has no rules in force yet: try again in a minute; if it lasts, ask the platform team to look at the ConfigMap \
             namesake-rules and the log of namesake-webhook",
        ));
    };
    let (info, namespace) = (&request.user_info, &request.namespace);
    let known = match who::managed_account(info) {
        Some((home, name)) if home == &**namespace => {
            find_identity::find(state, (rules.stack(), home, name), call.deadline).await?
        }
        _ => None,
    };
    let acts_for = who::managed(info, namespace, known.as_ref());
    let opted_in = state.namespaces.get(namespace, rules.stack());
    Ok(AdmissionContext {
        decides_last: state.decides_last(namespace),
        now: state.now(),
        epoch: opted_in.map(|n| n.epoch).unwrap_or_default(),
        is_inside: is_inside(state, info, rules.stack()),
        acts_for,
        rules,
        keys,
    })
}

// Whether the requester is a service account of an opted-in namespace.
fn is_inside(state: &State, info: &UserInfo<'_>, stack: &str) -> bool {
    let account = info.username.strip_prefix("system:serviceaccount:");
    let namespace = account.and_then(|account| account.split_once(':'));
    namespace.is_some_and(|(namespace, _)| state.namespaces.get(namespace, stack).is_some())
}

/// The facts about a request of which only the requester is known.
pub(super) fn facts<O>(request: &Request<'_, O>) -> Facts {
    Facts::of_requester(&request.user_info.username, Outcome::Undecided)
}

/// The refusal of a request for which the webhook should not be called.
pub(super) fn unexpected<O>(request: &Request<'_, O>) -> Refused {
    let kind = &request.kind;
    let sub = request.sub_resource.as_deref().unwrap_or_default();
    Refused::bad_request(format!(
        "Namesake does not handle {} of {}/{} {} {sub}: fix the rules of the webhook configuration",
        request.operation, kind.group, kind.version, kind.kind
    ))
}

/// The refusal of a request in a namespace that is not seen as opted in.
pub(super) fn not_opted_in(state: &State, context: &AdmissionContext, namespace: &str) -> Refused {
    if !state.synced.namespaces.is_set() {
        return Refused::new(
            Reason::NotSynced,
            "this replica of namesake-webhook has just started, and has not read the namespaces yet: try again in a moment; if it \
             lasts, ask the platform team to look at the log of namesake-webhook",
        );
    }
    Refused::new(
        Reason::NotOptedIn,
        format!(
            "namespace {namespace} is not seen as opted in to stack {}: try again in a minute; if it lasts, its label {OPT_IN_LABEL} names \
             another stack, {MODE_LABEL} is off, or it has no annotation {EPOCH_ANNOTATION} (an admin removes the label and sets it \
             again)",
            context.rules.stack(),
        ),
    )
}
