//! Which refusals by the organization around the projects are enabled.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::api::principal::Principal;
use crate::world::controls::glob::glob;

/// The enabled refusals; by default none.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Refusals {
    /// Organization policy `iam.allowedPolicyMemberDomains`: the domains and projects whose principals are allowed in a
    /// policy that is written. A project stands for its accounts and pools. `null` allows everybody.
    pub allowed_policy_member_domains: Option<BTreeSet<String>>,
    /// Organization policy `iam.managed.allowedPolicyMembers`, in the same form. Its error does not name the member.
    pub allowed_policy_members: Option<BTreeSet<String>>,
    /// Organization policy `iam.disableServiceAccountCreation`: the projects in which it is enforced.
    pub disable_service_account_creation: BTreeSet<String>,
    /// VPC Service Controls: the APIs, such as `iam.googleapis.com`, that must not be called from outside the perimeter.
    pub perimeter: BTreeSet<String>,
    /// APIs that are not enabled.
    pub disabled_apis: BTreeSet<String>,
    /// Subjects of Kubernetes tokens (`system:serviceaccount:NAMESPACE:NAME`, `*` matches any text) that the attribute
    /// condition of a provider rejects.
    pub attribute_condition: Vec<String>,
    /// Deny policies and principal access boundaries. Their error looks like that for a missing grant.
    pub denied: Vec<Denied>,
}

/// A permission that a deny policy denies to a principal.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Denied {
    /// E-mail or principal identifier; `*` matches any text.
    pub principal: String,
    /// Permission; `*` matches any text.
    pub permission: String,
}

impl Refusals {
    pub(crate) fn denies(&self, principal: &Principal, permission: &str) -> bool {
        self.denied.iter().any(|denied| {
            glob(&denied.principal, principal.name()) && glob(&denied.permission, permission)
        })
    }
}
