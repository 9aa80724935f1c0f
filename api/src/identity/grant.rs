//! Grants: roles of an identity at Google.

#![expect(
    unreachable_pub,
    reason = "KubeSchema repeats the structs inside a function"
)]

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// One role on one resource: a project, a bucket, a part of a bucket, or the identity's own GSA.
#[derive(
    KubeSchema, Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.project), has(self.bucket), has(self.serviceAccount)].exists_one(named, named)").message("a grant must name exactly one of a project, a bucket and the identity's own Google service account"),
    validation = Rule::new("!has(self.folder) && !has(self.prefix) || has(self.bucket) && has(self.folder) != has(self.prefix)").message("a folder or a prefix needs its bucket, and a grant must not have both")
)]
pub struct Grant {
    /// Role, such as `roles/storage.objectUser`.
    #[schemars(length(min = 1, max = 253))]
    pub role: String,
    /// Project on which the role is granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub project: Option<String>,
    /// Bucket on which the role is granted, or that contains the folder or prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 222))]
    pub bucket: Option<String>,
    /// Managed folder in the bucket, such as `users/KEY/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub folder: Option<String>,
    /// Prefix of object names in the bucket, such as `users/KEY/`: a condition limits the role to these objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub prefix: Option<String>,
    /// E-mail of the identity's own GSA, if the role is granted on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 254))]
    pub service_account: Option<String>,
}
