//! The parts of the cluster that the check reads.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::ResourceExt;
use namesake_api::names::{MODE_LABEL, MUTATE_WEBHOOK, OPT_IN_LABEL, namespace_of_configuration};
use namesake_core::Rules;
use serde::Serialize;

use super::rbac::Rbac;
use namesake_service::may_match;
use namesake_webhook::state::installation::Installation;

/// Something that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    /// The part that could not be read.
    pub what: &'static str,
    /// The answer of the API server.
    pub why: String,
}

/// A part that was read, or why it could not be.
pub type Read<T> = Result<T, Unreadable>;

/// A namespace and its labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespaceLabels {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

impl NamespaceLabels {
    /// Whether it is opted in.
    #[must_use]
    pub fn is_opted_in(&self) -> bool {
        let stack = self.labels.get(OPT_IN_LABEL);
        stack.is_some_and(|stack| !stack.is_empty())
    }
}

/// A service account: namespace and name.
pub type Account = (String, String);

/// A Secret with a token of a service account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSecret {
    /// Namespace of both.
    pub namespace: String,
    /// Name of the Secret.
    pub name: String,
    /// Name of the account.
    pub account: String,
}

/// A parent without a stamp.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unstamped {
    /// Its namespace.
    pub namespace: String,
    /// Its kind, as kubectl names it.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
}

/// The parts of the cluster that the check reads.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Our own namespace.
    pub home: String,
    /// Version of the API server, as `v1.36.3`.
    pub version: Read<String>,
    /// The rules in force.
    pub rules: Read<Rules>,
    /// Our policies and webhook configurations.
    pub installation: Read<Installation>,
    /// Roles and bindings.
    pub rbac: Read<Rbac>,
    /// All namespaces.
    pub namespaces: Read<Vec<NamespaceLabels>>,
    /// All service accounts.
    pub accounts: Read<Vec<Account>>,
    /// All Secrets with tokens; only names are read.
    pub token_secrets: Read<Vec<TokenSecret>>,
    /// Parents without a stamp in opted-in namespaces; Jobs that have succeeded are ignored.
    pub unstamped: Read<Vec<Unstamped>>,
    /// All mutating webhook configurations.
    pub webhooks: Read<Vec<MutatingWebhookConfiguration>>,
    /// The network policies of Namesake's namespace.
    pub network_policies: Read<Vec<NetworkPolicy>>,
}

impl Snapshot {
    /// The namespaces that are opted in, except those of the cluster's other stacks.
    #[must_use]
    pub fn opted_in(&self) -> Vec<&NamespaceLabels> {
        let all = self.namespaces.iter().flatten();
        let opted_in = all.filter(|place| place.is_opted_in());
        opted_in
            .filter(|place| !self.is_of_another_stack(place))
            .collect()
    }

    /// The namespaces of the cluster's other stacks themselves. Only admins write configurations of their names.
    #[must_use]
    pub fn other_homes(&self) -> BTreeSet<String> {
        let others = self.others().map(|(home, _)| home);
        others.collect()
    }

    fn others(&self) -> impl Iterator<Item = (String, &MutatingWebhookConfiguration)> {
        let all = self.webhooks.iter().flatten();
        let ours = all.filter_map(|one| Some((namespace_of_configuration(&one.name_any())?, one)));
        ours.filter(|(home, _)| *home != self.home)
    }

    /// Whether another stack's webhook checks its pods, or would if it were not switched off.
    fn is_of_another_stack(&self, place: &NamespaceLabels) -> bool {
        let mut labels = place.labels.clone();
        labels.remove(MODE_LABEL);
        self.others().any(|(_, configuration)| {
            let mut webhooks = configuration.webhooks.iter().flatten();
            let mutate = webhooks.find(|webhook| webhook.name == MUTATE_WEBHOOK);
            let selector = mutate.and_then(|webhook| webhook.namespace_selector.as_ref());
            selector.is_some_and(|selector| may_match(selector, &labels))
        })
    }

    /// The parts that could not be read.
    #[must_use]
    pub fn unreadable(&self) -> Vec<Unreadable> {
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
