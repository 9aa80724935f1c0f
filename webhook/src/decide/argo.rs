//! Argo Workflows: what admission has to understand of its objects, and why.
//!
//! Argo decodes an object, fills it in and writes it back, so that two texts of the same spec differ: [`stored`] compares what they
//! say. A Workflow runs what its template said at one moment, under `status.storedWorkflowTemplateSpec`; [`reference`], [`deployed`]
//! and [`custody`] say together whose its pods are. [`pods`] lists the pods that a spec will create, [`forbidden`] the ways in which
//! a spec would let others into them, and [`changes`] what others may do to a Workflow.

use namesake_core::{ArgoStamp, Stamp, User};

use crate::decide::kinds::Kind;

pub mod changes;
pub mod custody;
pub mod deployed;
pub mod forbidden;
pub mod nodes;
pub mod object;
pub mod pod_keys;
pub mod pods;
mod quantity;
pub mod reference;
pub mod retry;
pub mod stored;

/// API group of Argo Workflows.
pub const GROUP: &str = "argoproj.io";
/// Where Argo keeps the spec that a Workflow with a reference runs.
pub const STORED: &str = "storedWorkflowTemplateSpec";
/// Suffix of the name of the one pod that sends the requests of `http` and `plugin` templates.
pub const AGENT: &str = "-agent";

/// What a kind of Argo's is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgoKind {
    /// Runs: its pods are its requester's, or its deployer's.
    Workflow,
    /// Creates Workflows on a schedule.
    CronWorkflow,
    /// Is run by Workflows that name it: also a ClusterWorkflowTemplate.
    Template,
}

/// What a kind is to us, if it is Argo's.
#[must_use]
pub fn argo_kind(kind: &Kind) -> Option<ArgoKind> {
    match kind.name {
        "argoproj.io/Workflow" => Some(ArgoKind::Workflow),
        "argoproj.io/CronWorkflow" => Some(ArgoKind::CronWorkflow),
        "argoproj.io/WorkflowTemplate" | "argoproj.io/ClusterWorkflowTemplate" => {
            Some(ArgoKind::Template)
        }
        _ => None,
    }
}

/// The user as whom the pods of an object run, as far as its stamp says: its deployer, or whoever created it.
#[must_use]
pub fn runs_as(stamp: &Stamp) -> Option<&User> {
    match &stamp.argo {
        Some(ArgoStamp::Deployed(deployer)) => deployer.user.as_ref(),
        Some(ArgoStamp::Reference { own: None, .. } | ArgoStamp::Unmatched) => None,
        Some(ArgoStamp::Reference { .. } | ArgoStamp::Own { .. }) | None => stamp.user.as_ref(),
    }
}
