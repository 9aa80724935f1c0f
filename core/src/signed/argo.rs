//! What a stamp on an object of Argo says besides who made it: what was signed, and whose the pods are.

use serde::{Deserialize, Serialize};

use crate::user::{Groups, User};

/// What was signed of an object of Argo. Digests are of what a spec says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub enum Argo {
    /// A spec of its own: a template, a CronWorkflow, a Workflow that names no template.
    Own {
        /// What it says.
        digest: String,
        /// What it said before, if the same user changed it: Argo may still run that.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<String>,
    },
    /// A Workflow that runs a template, before Argo has stored what the template says.
    Reference {
        /// Name of the template.
        template: String,
        /// Whether it is a ClusterWorkflowTemplate.
        cluster_scope: bool,
        /// With more than the reference in it, the Workflow is its requester's: what the requester's own template said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        own: Option<String>,
    },
    /// A Workflow whose stored spec is what its deployer stamped.
    Deployed(Box<Deployer>),
    /// A Workflow whose stored spec nobody stamped: a template changed in between.
    Unmatched,
}

/// Who deployed what a Workflow runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Deployer {
    /// Who made the template, as the API server said.
    pub requester: String,
    /// The user that the rules made of them.
    pub user: Option<User>,
    /// Their groups, as in [`crate::Stamp::groups`].
    pub groups: Groups,
    /// What Argo stored.
    pub stored: String,
}
