//! One review from its bytes to its answer: the only place where pure decisions meet the state and the broker.
//!
//! ```text
//! who (origin) ─▶ sanitize (environment) ─▶ decide (choose, identity) ─▶ patch (mutate) ─▶ verdict
//! ```

mod admission;
mod argo;
mod early;
mod epoch;
mod find_identity;
mod find_parent;
mod guard;
mod identity;
mod origin;
mod parent;
mod parts;
mod pod;
mod record;
mod unreadable;

use std::sync::Arc;
use std::time::Instant;

use namesake_core::Rules;
use serde::de::IgnoredAny;

use crate::decide::kinds::{self, Kind, Role, Scope};
use crate::decide::mode::Mode;
use crate::decide::mutate::{opt_in, shadow, skip_label, task_result};
use crate::decide::validate::guarded::Guarded;
use crate::decide::validate::rules;
use crate::decide::verify;
use crate::review::outcome::Outcome;
use crate::review::refused::Refused;
use crate::review::verdict::{Facts, Subject, Verdict};
use crate::review::{self, Malformed, Metadata, Object, Request};
use crate::state::State;
use crate::survey;

use admission::{Admission, Decided, Effects};

/// The webhook that is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Webhook {
    /// Stamps parents and patches pods.
    Mutate,
    /// Removes from new pods the label that only the webhook may set.
    MutateLabels,
    /// Writes an epoch onto a namespace as it is opted in.
    MutateNamespaces,
    /// Checks final pods.
    Validate,
    /// Checks edits of the rules.
    ValidateRules,
    /// Checks who enters running pods, and who writes results of Argo's steps.
    Guard,
}

impl Webhook {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Mutate => "mutate",
            Self::MutateLabels => "mutate-labels",
            Self::MutateNamespaces => "mutate-namespaces",
            Self::Validate => "validate",
            Self::ValidateRules => "validate-rules",
            Self::Guard => "guard",
        }
    }
}

/// One call of a webhook.
#[derive(Clone)]
struct Call<'a> {
    state: &'a State,
    /// The rules that decide: those in force when the request had arrived.
    rules: Option<Arc<Rules>>,
    webhook: Webhook,
    /// When the whole request had arrived.
    began: Instant,
    /// When it has to be answered.
    deadline: Instant,
}

/// Answers one review, and records what was decided. `began` is when the request had arrived; nothing waits beyond `deadline`.
///
/// # Errors
/// A body that is not a review.
pub async fn admit(
    state: &State,
    webhook: Webhook,
    body: &[u8],
    began: Instant,
    deadline: Instant,
) -> Result<Vec<u8>, Malformed> {
    let call = Call {
        state,
        rules: state.rules.get(),
        webhook,
        began,
        deadline,
    };
    match webhook {
        Webhook::ValidateRules => {
            let request = review::parse::<rules::ConfigMap>(body)?;
            let opted_in = |stack: &str| state.namespaces.of_stack(stack);
            let counts = |old: &Arc<Rules>, new: &Rules| survey::count_edit(state, old, new);
            let verdict = rules::check(&request, call.rules.as_ref(), opted_in, counts);
            call.answer("ConfigMap", (&request, None), &verdict)
        }
        Webhook::Guard => {
            let request = review::parse::<Guarded<'_>>(body)?;
            let (kind, verdict) = guard::check(&call, &request).await;
            call.answer(kind, (&request, None), &verdict)
        }
        Webhook::Mutate | Webhook::MutateLabels | Webhook::MutateNamespaces | Webhook::Validate => {
            match review::parse::<Object<'_>>(body) {
                Ok(request) => call.admit_object(&request, body).await,
                Err(Malformed::Json(error)) => call.refuse_unreadable(body, &error),
                Err(malformed) => Err(malformed),
            }
        }
    }
}

impl Call<'_> {
    fn answer<O>(
        &self,
        kind: &'static str,
        (request, metadata): (&Request<'_, O>, Option<&Metadata<'_>>),
        verdict: &Verdict,
    ) -> Result<Vec<u8>, Malformed> {
        let rules = self.rules.as_deref().map(Rules::revision);
        let subject = Subject::new(request, metadata, rules, verdict);
        let decided = (verdict, &subject);
        record::record(self.state, self.webhook, kind, request, decided, self.began);
        Ok(verdict.review(&subject)?)
    }

    async fn admit_object(&self, request: &Request<'_>, body: &[u8]) -> Result<Vec<u8>, Malformed> {
        let about = (
            request,
            request.object.as_ref().map(|object| &object.metadata),
        );
        if self.webhook == Webhook::MutateLabels {
            return self.answer("Pod", about, &skip_label::remove(request));
        }
        if self.webhook == Webhook::MutateNamespaces {
            return self.answer(
                "Namespace",
                about,
                &admit_namespace(self.rules.as_deref(), request),
            );
        }
        if self.webhook == Webhook::Mutate && task_result::is_created(request) {
            let verdict = task_result::write_pod(request);
            return self.answer("argoproj.io/WorkflowTaskResult", about, &verdict);
        }
        if self.webhook == Webhook::Mutate && verify::is_question(request) {
            return self.answer("batch/Job", about, &self.verify(request).await);
        }
        if is_mirror_pod(request) {
            let facts = Facts::of_requester(&request.user_info.username, Outcome::Kept);
            return self.answer("Pod", about, &Verdict::pass(facts));
        }
        let kind = kinds::find(&request.kind);
        let mode = self.state.mode(&request.namespace);
        let decided = self.decide(kind, mode, request, body).await;
        let verdict = decided.unwrap_or_else(|(refused, facts)| Verdict::refuse(refused, facts));
        let verdict = match mode {
            Mode::Shadow => self.shadow(kind, request, verdict),
            Mode::Enforce | Mode::Off => verdict,
        };
        self.answer(kind.map_or("other", |k| k.name), about, &verdict)
    }

    // Tells somebody whether signed texts are valid.
    async fn verify(&self, request: &Request<'_>) -> Verdict {
        let refuse = |refused| Verdict::refuse(refused, admission::facts(request));
        match admission::context(self, request).await {
            Ok(context) if context.epoch.is_empty() => refuse(admission::not_opted_in(
                self.state,
                &context,
                &request.namespace,
            )),
            Ok(context) => verify::answer(&context, request),
            Err(refused) => refuse(refused),
        }
    }

    // An object that cannot be read is refused with what is wrong with it; a body that is not a review is malformed.
    fn refuse_unreadable(
        &self,
        body: &[u8],
        error: &serde_json::Error,
    ) -> Result<Vec<u8>, Malformed> {
        let request = review::parse::<IgnoredAny>(body)?;
        let refused = unreadable::refused(&request.kind.kind, body, error);
        let facts = Facts::of_requester(&request.user_info.username, Outcome::Refused);
        self.answer(
            "unreadable",
            (&request, None),
            &Verdict::refuse(refused, facts),
        )
    }

    async fn decide(
        &self,
        kind: Option<&'static Kind>,
        mode: Mode,
        request: &Request<'_>,
        body: &[u8],
    ) -> Decided {
        let refuse = |refused| (refused, admission::facts(request));
        let (kind, object) = subject(kind, request).map_err(refuse)?;
        let context = admission::context(self, request).await.map_err(refuse)?;
        let effects = match (mode, request.is_dry_run()) {
            (Mode::Shadow, _) | (_, true) => Effects::None,
            (Mode::Enforce | Mode::Off, false) => Effects::Apply,
        };
        let admission = Admission {
            state: self.state,
            context: &context,
            request,
            kind,
            object,
            mode,
            effects,
            deadline: self.deadline,
        };
        let is_create = request.operation.as_str() == "CREATE";
        match (self.webhook, &kind.role) {
            (Webhook::Validate, Role::Pod) if is_create => Ok(pod::final_check(&admission).await),
            (Webhook::Mutate, role) => {
                if context.epoch.is_empty() && kind.scope == Scope::Namespaced {
                    let namespace = &request.namespace;
                    return Err(refuse(admission::not_opted_in(
                        self.state, &context, namespace,
                    )));
                }
                match role {
                    Role::Pod if is_create => pod::create(&admission).await,
                    // Boxed, because it is large: otherwise each review of a pod would have room for it too.
                    Role::Parent(parent) => Box::pin(parent::admit(&admission, parent, body)).await,
                    Role::Pod => Err(refuse(admission::unexpected(request))),
                }
            }
            _ => Err(refuse(admission::unexpected(request))),
        }
    }

    // The decision in a namespace in shadow mode.
    fn shadow(
        &self,
        kind: Option<&'static Kind>,
        request: &Request<'_>,
        verdict: Verdict,
    ) -> Verdict {
        match (self.webhook, kind, &request.object) {
            (Webhook::Mutate, Some(kind), Some(object)) => {
                let is_create = request.operation.as_str() == "CREATE";
                shadow::shadow(&kind.role, object, is_create, verdict)
            }
            (Webhook::Validate, ..) => shadow::final_check(verdict),
            _ => verdict,
        }
    }
}

// The verdict about a namespace: it gets a new epoch when it is opted in.
fn admit_namespace(rules: Option<&Rules>, request: &Request<'_>) -> Verdict {
    match epoch::generate() {
        Ok(epoch) => opt_in::write_epoch(request, rules, &epoch),
        Err(refused) => Verdict::refuse(refused, admission::facts(request)),
    }
}

// Whether a kubelet creates the mirror of a static pod; it creates no others. They name no service account, so they get no
// identity.
fn is_mirror_pod(request: &Request<'_>) -> bool {
    let is_pod = request.kind.group.is_empty() && request.kind.kind.as_str() == "Pod";
    let spec = request.object.as_ref().and_then(|pod| pod.spec.as_ref());
    let names_account = spec
        .is_some_and(|spec| spec.service_account_name.is_some() || spec.service_account.is_some());
    is_pod && !names_account && request.user_info.is_kubelet()
}

// Checks that the object is of a kind that the webhook handles, and has a name or will get one.
fn subject<'r, 'a>(
    kind: Option<&'static Kind>,
    request: &'r Request<'a>,
) -> Result<(&'static Kind, &'r Object<'a>), Refused> {
    let kind = kind.filter(|_| request.is_whole_object());
    let (Some(kind), Some(object)) = (kind, &request.object) else {
        return Err(admission::unexpected(request));
    };
    // The API server refuses an object without a name too, but only later: the patch could not be applied.
    if object.metadata.is_named() {
        return Ok((kind, object));
    }
    Err(Refused::bad_request(format!(
        "this {} has neither metadata.name nor metadata.generateName: set one of them, and create it again",
        kind.name
    )))
}
