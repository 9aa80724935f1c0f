//! What the rules decide: who a requester is, what a pod gets, and what its identity is at Google.

use std::{collections::BTreeMap, fmt};

use crate::{
    names::{IdentityName, Per, quoted},
    rules::Launcher,
    user::{Groups, User},
};

mod conditions;
mod entitlement;
mod identity;
mod namespace;
mod pod;
mod privileges;
mod refusal;
mod service_account;
mod user;
mod values;

pub use entitlement::Standing;
pub use identity::{Ask, IdentitySpec};
pub use refusal::Refusal;

/// The pod that is decided about: what is proven, and what it claims.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Whose pod it is.
    pub user: &'a User,
    /// The groups of the requester that was proven.
    pub groups: &'a Groups,
    /// Namespace of the pod.
    pub namespace: &'a str,
    /// What created the pod.
    pub launcher: Launcher,
    /// What the pod says about itself.
    pub claims: Claims<'a>,
}

/// What anybody can write on a pod. Narrows, and never gives.
#[derive(Clone, Copy)]
pub struct Claims<'a> {
    /// Metaflow's flow.
    pub flow: Option<&'a str>,
    /// Metaflow's step.
    pub step: Option<&'a str>,
    /// Metaflow's project.
    pub project: Option<&'a str>,
    /// The value of a label.
    pub labels: &'a dyn Fn(&str) -> Option<&'a str>,
}

/// What becomes of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It gets an identity.
    Identity(IdentityChoice),
    /// It gets a service account that the admin made.
    ServiceAccount {
        /// The rule that says so.
        rule: String,
        /// Name of the service account.
        name: String,
    },
    /// It stays as it is, if its account is allowed: see [`Rules::allows_service_account`].
    Keep,
    /// It is refused.
    Deny(Refusal),
}

/// The identity that a pod gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityChoice {
    /// The rule that says so.
    pub rule: String,
    /// The class.
    pub class: String,
    /// Name of KSA, GSA and `Identity`.
    pub name: IdentityName,
    /// The values of `per`.
    pub values: BTreeMap<Per, String>,
    /// Whose pod it is.
    pub user: User,
}

impl Subject<'_> {
    /// What rules see of the pod, for messages.
    fn described(&self) -> String {
        let claim = |name: &str, value: Option<&str>| {
            value.map(|value| format!(", {name} {}", quoted(value)))
        };
        let claims = [
            ("flow", self.claims.flow),
            ("step", self.claims.step),
            ("project", self.claims.project),
        ];
        let claims: String = claims
            .into_iter()
            .filter_map(|(name, value)| claim(name, value))
            .collect();
        format!(
            "namespace {}, launcher {}{claims}",
            self.namespace,
            self.launcher.as_str()
        )
    }
}

impl fmt::Debug for Claims<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Claims {
            flow,
            step,
            project,
            labels: _,
        } = self;
        f.debug_struct("Claims")
            .field("flow", flow)
            .field("step", step)
            .field("project", project)
            .finish_non_exhaustive()
    }
}
