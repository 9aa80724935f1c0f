//! The Identity custom resource: spec says what, status says how far.

#![expect(
    unreachable_pub,
    reason = "KubeSchema repeats the structs inside a function"
)]
#![expect(
    clippy::duplicated_attributes,
    reason = "printer columns have types in common"
)]

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::phase::Phase;

/// How pods of an identity act at Google.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The KSA acts as a GSA of its own.
    Impersonate,
    /// The KSA itself is the principal.
    Direct,
}

/// What of the KSA a binding names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BindBy {
    /// Namespace and name.
    #[default]
    Name,
    /// Its UID, which dies with it.
    Uid,
}

/// What an identity is. Only the broker writes it, from its own copy of the rules.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "namesake.dev",
    version = "v1alpha1",
    kind = "Identity",
    plural = "identities",
    namespaced,
    status = "IdentityStatus",
    derive = "PartialEq",
    doc = "One KSA in one namespace with its own Google side. Its name is the KSA's name and the GSA's id.",
    printcolumn(name = "User", type_ = "string", json_path = ".spec.user"),
    printcolumn(name = "Class", type_ = "string", json_path = ".spec.class"),
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
        .message("stack, cluster, class, user, values and key make the identity's name and never change: delete this Identity and let the broker make another"),
    validation = Rule::new("has(self.googleServiceAccount) == (self.mode == 'impersonate')")
        .message("googleServiceAccount belongs to mode impersonate, and only there"),
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
    /// Whether a pin of the rules names the GSA: it is not ours then, and only the binding is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pinned: bool,
    /// Whether it fell over to mode direct, because the project had no room for its GSA when it was made.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fallen_over: bool,
    /// What of the KSA the binding names; in mode direct it is always the UID.
    #[serde(default, skip_serializing_if = "BindBy::is_name")]
    pub bind_by: BindBy,
    /// An admin's to write: nobody acts as the identity while this is true.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspended: bool,
    /// Roles that the identity has on Google's resources.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub grants: Vec<Grant>,
    /// ClusterRoles that the KSA has in its namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub role_bindings: Vec<String>,
    /// Secrets that the KSA's pods pull images with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub image_pull_secrets: Vec<String>,
    /// What `{key}` stands for in grants: slug and hash of the name.
    #[schemars(length(min = 1, max = 63))]
    pub key: String,
}

/// One role on one resource: a project, a bucket, a part of a bucket, or the identity's own GSA.
#[derive(
    KubeSchema, Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.project), has(self.bucket), has(self.serviceAccount)].exists_one(named, named)").message("a grant names a project, a bucket or the identity's own Google service account"),
    validation = Rule::new("!has(self.folder) && !has(self.prefix) || has(self.bucket) && has(self.folder) != has(self.prefix)").message("a folder or a prefix needs the bucket that it is in, and not the other")
)]
pub struct Grant {
    /// Role, such as `roles/storage.objectUser`.
    #[schemars(length(min = 1, max = 253))]
    pub role: String,
    /// Project that the role is given on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub project: Option<String>,
    /// Bucket that the role is given on, or that the folder is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 222))]
    pub bucket: Option<String>,
    /// Managed folder in the bucket, such as `users/KEY/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub folder: Option<String>,
    /// Beginning of the names of objects in the bucket, such as `users/KEY/`: the role is given on them by a condition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub prefix: Option<String>,
    /// E-mail of the identity's own GSA, when the role is given on that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 254))]
    pub service_account: Option<String>,
}

/// A grant as the broker wrote it: what is here and no longer in the spec is taken back.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub struct WrittenGrant {
    /// Role and resource.
    pub grant: Grant,
    /// Who has it, as Google names it.
    pub member: String,
}

/// A binding as the broker wrote it.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub struct WrittenBinding {
    /// E-mail of the GSA.
    pub google_service_account: String,
    /// Who may act as it, as Google names it.
    pub member: String,
}

/// How far the identity is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IdentityStatus {
    /// Where the identity is in its life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "since_schema")]
    pub phase_time: Option<Time>,
    /// Grants that the broker has written, or was about to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub grants: Vec<WrittenGrant>,
    /// Bindings that the broker has written, or was about to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub bindings: Vec<WrittenBinding>,
    /// What a user who has left still has running or scheduled, such as `CronJob nightly`: the first of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub left: Vec<String>,
    /// `metadata.uid` of the KSA that the broker made; another UID under the same name is another account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_uid: Option<String>,
    /// `uniqueId` of the GSA; another id under the same e-mail is another account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub google_service_account_id: Option<String>,
    /// Standard conditions, by type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions_schema")]
    pub conditions: Vec<Condition>,
    /// When a pod last used the identity; kept coarsely.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub last_used_time: Option<Time>,
    /// `metadata.generation` that the status was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
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
    /// Whether the identity is known to work.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.status
            .as_ref()
            .is_some_and(|s| crate::conditions::is_true(&s.conditions, crate::names::READY))
    }

    /// Where it is in its life; one that has no status yet has just begun.
    #[must_use]
    pub fn phase(&self) -> Phase {
        let phase = self.status.as_ref().and_then(|status| status.phase);
        phase.unwrap_or(Phase::Provisioning)
    }

    /// UID of the KSA that the broker made for it, once it has.
    #[must_use]
    pub fn service_account_uid(&self) -> Option<&str> {
        self.status.as_ref()?.service_account_uid.as_deref()
    }
}

// Bounded, so that the API server can tell what the rule over it costs.
fn values_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "description": "Value of each key of the class's `per`: user, project, flow, step.",
        "type": "object",
        "maxProperties": 4,
        "additionalProperties": {"type": "string", "maxLength": 1024},
    })
}

fn since_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "description": "Since when the identity is in its phase.",
        "type": "string",
        "format": "date-time",
        "nullable": true,
    })
}

fn time_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "description": "When a pod last used the identity; kept coarsely.",
        "type": "string",
        "format": "date-time",
        "nullable": true,
    })
}

// As `metav1.Condition` says; a map by type, so that server-side apply can own one condition.
fn conditions_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "description": "Standard conditions, by type.",
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["type", "status", "lastTransitionTime", "reason", "message"],
            "properties": {
                "type": {"type": "string", "maxLength": 316},
                "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
                "reason": {"type": "string", "minLength": 1, "maxLength": 1024},
                "message": {"type": "string", "maxLength": 32768},
                "lastTransitionTime": {"type": "string", "format": "date-time"},
                "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0},
            },
        },
    })
}
