//! What the rules decide: which user a requester is, what a pod gets, and what an identity consists of.

use std::{collections::BTreeMap, fmt};

use crate::{
    names::{IdentityName, Per, quoted},
    rules::Launcher,
    user::{Groups, User},
};

mod conditions;
mod endpoints;
mod entitlement;
mod identity;
mod pod;
mod refusal;
mod replay;
mod service_account;
mod user;
mod values;

pub use conditions::TracedRule;
pub use endpoints::{EndpointRight, MetadataRequest, NewRun, TagChange, is_plain_path};
pub use entitlement::{EditEffect, UserStatus};
pub use identity::{DerivedIdentity, RequestedIdentity};
pub use refusal::Refusal;
pub use replay::{Replay, ReplayChange, ReplayIdentity, ReplayReport};

/// A pod for which a decision is needed: what is proven about it, and what it claims.
#[derive(Clone, Copy, Debug)]
pub struct PodAttributes<'a> {
    /// The user whose pod it is.
    pub user: &'a User,
    /// The groups of the proven requester.
    pub groups: &'a Groups,
    /// Namespace of the pod.
    pub namespace: &'a str,
    /// The kind of object from which the pod was created.
    pub launcher: Launcher,
    /// What the labels and annotations of the pod claim.
    pub claims: Claims<'a>,
}

/// What anybody can write on a pod. It can narrow what the pod gets, and never widen it.
#[derive(Clone, Copy)]
pub struct Claims<'a> {
    /// Metaflow's flow.
    pub flow: Option<&'a str>,
    /// Metaflow's step.
    pub step: Option<&'a str>,
    /// Metaflow's project.
    pub project: Option<&'a str>,
    /// Returns the value of a label.
    pub labels: &'a dyn Fn(&str) -> Option<&'a str>,
}

impl Claims<'_> {
    /// Annotation in which Metaflow writes the flow.
    pub const FLOW: &'static str = "metaflow/flow_name";
    /// Annotation in which Metaflow writes the step.
    pub const STEP: &'static str = "metaflow/step_name";
    /// Annotation in which Metaflow writes the project, if the flow has one.
    pub const PROJECT: &'static str = "metaflow/project_name";
}

/// What a pod gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// An identity.
    Identity(IdentityChoice),
    /// A service account that an admin created.
    ServiceAccount {
        /// The rule that matched.
        rule: String,
        /// Name of the service account.
        name: String,
    },
    /// Nothing: it keeps its service account if that is allowed, see [`Rules::allows_service_account`](crate::Rules::allows_service_account).
    Keep,
    /// Nothing: it is refused.
    Deny(Refusal),
}

/// The identity that a pod gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityChoice {
    /// The rule that matched.
    pub rule: String,
    /// The class.
    pub class: String,
    /// Name of KSA, GSA and `Identity`.
    pub name: IdentityName,
    /// The values of `per`.
    pub values: BTreeMap<Per, String>,
    /// The user whose pod it is.
    pub user: User,
}

impl PodAttributes<'_> {
    /// What the conditions of rules are compared with, for messages.
    fn describe(&self) -> String {
        let claims = [
            ("flow", self.claims.flow),
            ("step", self.claims.step),
            ("project", self.claims.project),
        ];
        let shown = |(name, value): (&str, Option<&str>)| {
            value.map(|value| format!(", {name} {}", quoted(value)))
        };
        let claims: String = claims.into_iter().filter_map(shown).collect();
        format!(
            "namespace {}, launcher {}{claims}",
            self.namespace,
            self.launcher.as_str()
        )
    }
}

impl fmt::Debug for Claims<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims")
            .field("flow", &self.flow)
            .field("step", &self.step)
            .field("project", &self.project)
            .finish_non_exhaustive()
    }
}
