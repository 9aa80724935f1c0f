//! The Identity custom resource.

#![expect(
    unreachable_pub,
    reason = "KubeSchema repeats the structs inside a function"
)]
#![expect(
    clippy::duplicated_attributes,
    reason = "printer columns have types in common"
)]

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::phase::Phase;

mod grant;
mod status;

pub use grant::Grant;
pub use status::{IdentityStatus, WrittenBinding, WrittenGrant};

/// How pods of an identity act at Google.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The KSA impersonates a GSA of its own.
    Impersonate,
    /// The KSA itself is the principal.
    Direct,
}

/// How a binding names the KSA.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BindBy {
    /// By namespace and name.
    #[default]
    Name,
    /// By UID, which no other KSA ever has.
    Uid,
}

/// Desired state of an identity. Only the broker writes it, derived from the rules.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "namesake.dev",
    version = "v1alpha1",
    kind = "Identity",
    plural = "identities",
    shortname = "nsid",
    category = "namesake",
    namespaced,
    status = "IdentityStatus",
    derive = "PartialEq",
    selectable = ".spec.user",
    selectable = ".status.phase",
    doc = "A Kubernetes service account (KSA) in one namespace with its own identity at Google. It has the name of the KSA and the id of the Google service account (GSA).",
    printcolumn(name = "User", type_ = "string", json_path = ".spec.user"),
    printcolumn(name = "Class", type_ = "string", json_path = ".spec.class"),
    printcolumn(name = "Mode", type_ = "string", json_path = ".spec.mode"),
    printcolumn(
        name = "GSA",
        type_ = "string",
        json_path = ".spec.googleServiceAccount"
    ),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason"
    ),
    printcolumn(
        name = "Since",
        type_ = "date",
        json_path = ".status.conditions[?(@.type==\"Ready\")].lastTransitionTime"
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = 1
    ),
    printcolumn(name = "Last-Used", type_ = "date", json_path = ".status.lastUsedTime"),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.stack == oldSelf.stack && self.cluster == oldSelf.cluster && self.class == oldSelf.class && self.user == oldSelf.user && self.values == oldSelf.values && self.key == oldSelf.key")
        .message("stack, cluster, class, user, values and key determine the identity's name and cannot change: delete this Identity, and the broker creates another"),
    validation = Rule::new("has(self.googleServiceAccount) == (self.mode == 'impersonate')")
        .message("googleServiceAccount is required in mode impersonate, and not allowed in mode direct"),
    validation = Rule::new("self.values.all(k, k in ['user', 'project', 'flow', 'step'])")
        .message("values may have the keys user, project, flow and step")
)]
pub struct IdentitySpec {
    /// Stack that the identity belongs to.
    #[schemars(length(min = 1, max = 63))]
    pub stack: String,
    /// Cluster, as the rules name it: `projects/P/locations/L/clusters/C`.
    #[schemars(length(min = 1, max = 253))]
    pub cluster: String,
    /// Name of the identity class in the rules.
    #[schemars(length(min = 1, max = 253))]
    pub class: String,
    /// The user, canonical; empty when the class is not per user.
    #[schemars(length(max = 254))]
    pub user: String,
    /// Value of each key of the class's `per`: user, project, flow, step.
    #[schemars(schema_with = "values_schema")]
    pub values: BTreeMap<String, String>,
    /// How pods act at Google.
    pub mode: Mode,
    /// Google project of the GSA (or, in mode direct, of the grants).
    #[schemars(length(min = 1, max = 63))]
    pub project: String,
    /// E-mail of the GSA; absent in mode direct.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 254))]
    pub google_service_account: Option<String>,
    /// Whether the rules pin the GSA: it existed before, and only its binding is managed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pinned: bool,
    /// Whether it uses mode direct because the project had no room for its GSA when it was created.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fell_back_to_direct: bool,
    /// How the binding names the KSA; always by UID in mode direct.
    #[serde(default, skip_serializing_if = "BindBy::is_name")]
    pub bind_by: BindBy,
    /// Set by an admin: while it is true, no pod can act as the identity.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspended: bool,
    /// Roles of the identity at Google.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub grants: Vec<Grant>,
    /// ClusterRoles that are bound to the KSA in its namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub role_bindings: Vec<String>,
    /// Secrets with which pods of the KSA pull images.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub image_pull_secrets: Vec<String>,
    /// What replaces `{key}` in grants: slug and hash of the name.
    #[schemars(length(min = 1, max = 63))]
    pub key: String,
}

impl BindBy {
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde passes a reference"
    )]
    fn is_name(&self) -> bool {
        *self == Self::Name
    }
}

impl Identity {
    /// Whether the identity works with its current spec: `Ready` is true and was observed on this generation.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let generation = self.metadata.generation;
        self.status.as_ref().is_some_and(|status| {
            crate::conditions::holds(&status.conditions, crate::names::READY, generation)
        })
    }

    /// Its phase; `Provisioning` if it has no status yet.
    #[must_use]
    pub fn phase(&self) -> Phase {
        let phase = self.status.as_ref().and_then(|status| status.phase);
        phase.unwrap_or(Phase::Provisioning)
    }

    /// UID of its KSA, if the broker has created it.
    #[must_use]
    pub fn service_account_uid(&self) -> Option<&str> {
        self.status.as_ref()?.service_account_uid.as_deref()
    }
}

// Bounded, so that the API server can estimate the cost of the validation rule.
fn values_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "description": "Value of each key of the class's `per`: user, project, flow, step.",
        "type": "object",
        "maxProperties": 4,
        "additionalProperties": {"type": "string", "maxLength": 1024},
    })
}
