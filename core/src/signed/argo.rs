//! What a stamp on an object of Argo contains besides the requester: what was signed, and which user its pods run as.

use serde::{Deserialize, Serialize};

use crate::user::{Groups, User};

/// What was signed of an object of Argo. Digests are of specs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub enum ArgoStamp {
    /// The object's own spec: of a template, a CronWorkflow, or a Workflow that names no template.
    Own {
        /// Digest of the spec.
        digest: String,
        /// Digest of the previous spec if the same user changed it: Argo may still run that.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<String>,
    },
    /// A Workflow that runs a template, before Argo has stored the template's spec.
    Reference {
        /// Name of the template.
        template: String,
        /// Whether it is a ClusterWorkflowTemplate.
        cluster_scope: bool,
        /// Digest of the requester's own template, if the Workflow contains more than the reference and so is the requester's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        own: Option<String>,
    },
    /// A Workflow whose stored spec is the one that its deployer stamped.
    Deployed(Box<Deployer>),
    /// A Workflow whose stored spec has no stamp: the template was changed in between.
    Unmatched,
}

/// Who deployed the template that a Workflow runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Deployer {
    /// Who created the template, as the API server reported.
    pub requester: String,
    /// The user that the rules mapped the requester to.
    pub user: Option<User>,
    /// Their groups, as in [`crate::Stamp::groups`].
    pub groups: Groups,
    /// Digest of the spec that Argo stored.
    pub stored: String,
}
