//! Argo Workflows: what admission has to understand of its objects, and why.
//!
//! Argo decodes an object, adds defaults and writes it back, so that the same spec can be written in different ways: [`stored`]
//! compares specs by meaning. A Workflow runs a copy of its template, which Argo keeps under `status.storedWorkflowTemplateSpec`;
//! [`reference`], [`deployed`] and [`custody`] determine the user of its pods. [`pods`] lists the pods that a spec will create,
//! [`forbidden`] the ways in which a spec would give others access to them, and [`changes`] what others may change in a Workflow.

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

/// The kinds of Argo, by how the webhook handles them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgoKind {
    /// Runs: its pods are its requester's, or its deployer's.
    Workflow,
    /// Creates Workflows on a schedule.
    CronWorkflow,
    /// Is run by Workflows that name it: also a ClusterWorkflowTemplate.
    Template,
}

/// How the webhook handles a kind, if it is one of Argo.
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
