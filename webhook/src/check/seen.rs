//! What the check saw. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use namesake_api::names::OPT_IN_LABEL;
use namesake_core::Rules;
use serde::Serialize;

use super::rbac::Rbac;
use crate::state::installation::Installation;

/// Something that could not be looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unseen {
    /// What.
    pub what: &'static str,
    /// What the API server said.
    pub why: String,
}

/// What was there, or why it could not be looked at.
pub type Look<T> = Result<T, Unseen>;

/// A namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

impl Place {
    /// Whether it is opted in.
    #[must_use]
    pub fn is_opted_in(&self) -> bool {
        let stack = self.labels.get(OPT_IN_LABEL);
        stack.is_some_and(|stack| !stack.is_empty())
    }
}

/// A service account: namespace and name.
pub type Account = (String, String);

/// A Secret with a token, and the account that it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSecret {
    /// Namespace of both.
    pub namespace: String,
    /// Name of the Secret.
    pub name: String,
    /// Name of the account.
    pub account: String,
}

/// What a person makes and a controller makes pods from, and that has no stamp.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unstamped {
    /// Its namespace.
    pub namespace: String,
    /// Its kind, as kubectl names it.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
}

/// What the check saw.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Our own namespace.
    pub home: String,
    /// Version of the API server, as `v1.36.3`.
    pub version: Look<String>,
    /// The rules in force.
    pub rules: Look<Rules>,
    /// Our policies and webhook configurations.
    pub installation: Look<Installation>,
    /// Who may do what.
    pub rbac: Look<Rbac>,
    /// All namespaces.
    pub namespaces: Look<Vec<Place>>,
    /// All service accounts.
    pub accounts: Look<Vec<Account>>,
    /// All Secrets with tokens; nothing of them but what account they are for.
    pub token_secrets: Look<Vec<TokenSecret>>,
    /// What has no stamp in opted-in namespaces; Jobs that have succeeded excepted.
    pub unstamped: Look<Vec<Unstamped>>,
    /// All mutating webhook configurations.
    pub webhooks: Look<Vec<MutatingWebhookConfiguration>>,
    /// The network policies of our own namespace.
    pub network_policies: Look<Vec<NetworkPolicy>>,
}

impl Seen {
    /// The namespaces that are opted in.
    #[must_use]
    pub fn opted_in(&self) -> Vec<&Place> {
        let all = self.namespaces.iter().flatten();
        all.filter(|place| place.is_opted_in()).collect()
    }

    /// What could not be looked at.
    #[must_use]
    pub fn unseen(&self) -> Vec<Unseen> {
        let all = [
            self.version.as_ref().err(),
            self.rules.as_ref().err(),
            self.installation.as_ref().err(),
            self.rbac.as_ref().err(),
            self.namespaces.as_ref().err(),
            self.accounts.as_ref().err(),
            self.token_secrets.as_ref().err(),
            self.unstamped.as_ref().err(),
            self.webhooks.as_ref().err(),
            self.network_policies.as_ref().err(),
        ];
        all.into_iter().flatten().cloned().collect()
    }
}
