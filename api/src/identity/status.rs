//! The status of an Identity: its phase, what was written at Google, and conditions.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::Grant;
use crate::phase::Phase;

/// Observed state of an identity.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IdentityStatus {
    /// Phase of the identity in its lifecycle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// Start of the phase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "since_schema")]
    pub phase_time: Option<Time>,
    /// Grants that the broker has written, or was about to write.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub grants: Vec<WrittenGrant>,
    /// Bindings that the broker has written, or was about to write.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub bindings: Vec<WrittenBinding>,
    /// What an offboarded user still has running or scheduled, such as `CronJob nightly`; only the first ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub left: Vec<String>,
    /// `metadata.uid` of the KSA that the broker created. A KSA of the same name with another UID is another account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_uid: Option<String>,
    /// `uniqueId` of the GSA. A GSA of the same e-mail with another id is another account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub google_service_account_id: Option<String>,
    /// Standard conditions, by type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions_schema")]
    pub conditions: Vec<Condition>,
    /// When a pod last used the identity, approximately.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub last_used_time: Option<Time>,
    /// `metadata.generation` to which the status refers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// A grant as the broker wrote it. A grant here that is no longer in the spec is revoked.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub struct WrittenGrant {
    /// Role and resource.
    pub grant: Grant,
    /// Member that has the role, as Google names it.
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
    /// Member that can act as it, as Google names it.
    pub member: String,
}

fn since_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "description": "Start of the phase.",
        "type": "string",
        "format": "date-time",
        "nullable": true,
    })
}

fn time_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "description": "When a pod last used the identity, approximately.",
        "type": "string",
        "format": "date-time",
        "nullable": true,
    })
}

// As `metav1.Condition`; a map by type, so that server-side apply can own one condition.
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
