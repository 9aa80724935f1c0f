//! The parts of a guarded request, and of its pod, that the guards need.

use namesake_core::Text;
use serde::Deserialize;

use crate::review::Metadata;
use crate::review::text::{objects_only, or_default};

/// The part of a guarded object that is read: metadata of an object, or the options of `exec`.
#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", default, bound(deserialize = "'de: 'a"))]
pub struct Guarded<'a> {
    /// Metadata.
    #[serde(deserialize_with = "or_default")]
    pub metadata: Metadata<'a>,
    /// The command that is executed.
    pub command: Option<Vec<Text<'a>>>,
    /// Whether the command reads what the requester sends.
    pub stdin: Option<bool>,
    /// Whether it has a terminal.
    pub tty: Option<bool>,
    /// Spec, of a pod.
    #[serde(deserialize_with = "or_default")]
    pub spec: AccountSpec<'a>,
}

/// The service account in a pod's spec.
#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", default, rename_all = "camelCase")]
#[serde(bound(deserialize = "'de: 'a"))]
pub struct AccountSpec<'a> {
    service_account_name: Option<Text<'a>>,
}

impl Guarded<'_> {
    /// The KSA that a pod names.
    #[must_use]
    pub fn account(&self) -> &str {
        let account = self.spec.service_account_name.as_deref();
        account.unwrap_or_default()
    }
}

objects_only!(Guarded, AccountSpec);

/// A running pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunningPod {
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
    /// KSA that it runs as: unlike its labels and annotations, it proves whose the pod is.
    pub service_account: String,
    /// The Workflow that is its controller.
    pub workflow: Option<WorkflowOfPod>,
    /// Id of its node in that Workflow.
    pub node: Option<String>,
}

/// A Workflow, as the owner reference of one of its pods names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkflowOfPod {
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
}
