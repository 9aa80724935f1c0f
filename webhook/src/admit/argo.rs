//! Objects of Argo Workflows: stamped and refused early when they are made, restored and signed again when they change.

mod adopt;
mod create;
mod early;
mod fetch;
pub(super) mod pod;
mod same_name;
mod update;

use std::time::Instant;

use namesake_core::Launcher;

use super::trees::Trees;
use super::{Decided, asks, unasked};

pub(super) use pod::{belongs, checked};

use crate::decide::argo::{AGENT, Role};
use crate::decide::context::AdmissionContext;
use crate::decide::kinds::Kind;
use crate::decide::who::Asker;
use crate::review::reason::RefusalReason;
use crate::review::verdict::Refused;
use crate::review::{Object, Request};
use crate::state::State;

/// One request about an object of Argo, and what decides it.
pub(super) struct Asked<'r, 'b> {
    pub(super) state: &'r State,
    pub(super) context: &'r AdmissionContext<'r>,
    pub(super) request: &'r Request<'r>,
    pub(super) object: &'r Object<'r>,
    pub(super) trees: &'r Trees<'b>,
    pub(super) deadline: Instant,
    pub(super) kind: &'static Kind,
    pub(super) role: Role,
}

/// Answers it.
pub(super) async fn admit(asked: &Asked<'_, '_>) -> Decided {
    match asked.request.operation.as_str() {
        "UPDATE" => update::update(asked).await,
        "CREATE" => create::create(asked).await,
        _ => Err((unasked(asked.request), asks(asked.request))),
    }
}

/// An agent makes calls for anybody who can write a WorkflowTaskSet: it acts as nobody.
pub(super) fn agent(pod: &Object<'_>, asker: &Asker) -> Option<Refused> {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let is_agents = asker.launcher == Launcher::Workflow && name.ends_with(AGENT);
    is_agents.then(|| {
        Refused::forbidden(
            RefusalReason::AgentPod,
            format!(
                "{name} is Argo's agent, which makes the calls of http and plugin templates for whoever can write its \
                 WorkflowTaskSet, so it gets no identity of {}: make the calls in a container",
                asker.requester
            ),
        )
    })
}
