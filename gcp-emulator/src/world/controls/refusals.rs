//! Which refusals of the organization around the projects are switched on.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::api::principal::Principal;
use crate::world::controls::glob::glob;

/// Refusals that are switched on. None, unless said otherwise.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Refusals {
    /// Organization policy `iam.allowedPolicyMemberDomains`: domains, and projects with their accounts and pools, whose
    /// principals may be in a policy that is written. `null` allows everybody.
    pub allowed_policy_member_domains: Option<BTreeSet<String>>,
    /// Organization policy `iam.managed.allowedPolicyMembers`, in the same form; its answer names no member.
    pub allowed_policy_members: Option<BTreeSet<String>>,
    /// Organization policy `iam.disableServiceAccountCreation`: projects in which it is enforced.
    pub disable_service_account_creation: BTreeSet<String>,
    /// VPC Service Controls: APIs (`iam.googleapis.com`) that may not be called from here.
    pub perimeter: BTreeSet<String>,
    /// APIs that are not enabled.
    pub disabled_apis: BTreeSet<String>,
    /// Subjects of Kubernetes tokens (`system:serviceaccount:NAMESPACE:NAME`, `*` stands for any text) that the attribute
    /// condition of a provider rejects.
    pub attribute_condition: Vec<String>,
    /// Deny policies and principal access boundaries: they look like a grant that is missing.
    pub denied: Vec<Denied>,
}

/// What a deny policy denies to whom.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Denied {
    /// E-mail or principal identifier; `*` stands for any text.
    pub principal: String,
    /// Permission; `*` stands for any text.
    pub permission: String,
}

impl Refusals {
    pub(crate) fn denies(&self, principal: &Principal, permission: &str) -> bool {
        self.denied.iter().any(|denied| {
            glob(&denied.principal, principal.name()) && glob(&denied.permission, permission)
        })
    }
}
