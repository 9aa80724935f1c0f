//! Argo Workflows: what of its objects admission has to understand, and why.
//!
//! Argo decodes an object, fills it in and writes it back, so that two texts of the same spec differ: [`stored`] compares
//! what they say. A Workflow runs what its template said at one moment, under `status.storedWorkflowTemplateSpec`; whose
//! pods those are, [`reference`] and [`stored`] say together. [`pods`] lists the pods that a spec will make, [`forbidden`]
//! the ways in which a spec would let others into them, and [`changes`] what somebody else may still do to a Workflow.

pub mod changes;
pub mod forbidden;
pub mod pods;
mod quantity;
pub mod reference;
pub mod stored;
pub mod tree;
