//! What the page says.

use std::collections::{BTreeMap, BTreeSet};

use namesake_api::UnprovenReport;
use namesake_core::{EndpointRight, Rules};
use serde::Serialize;

use crate::caller::{Caller, KnownIdentity};
use crate::state::{State, WaitingPod};

/// Identities of which an admin sees the details; the number is of all.
const MAX_IDENTITIES: usize = 500;

/// Who the caller is, and what the caller may do.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WhoAmI {
    /// The user.
    pub(super) user: String,
    /// The name in the token.
    pub(super) requester: String,
    /// Those of the groups in the token that the rules mention for endpoints.
    pub(super) groups: Vec<String>,
    /// Whether it is a task's pod.
    pub(super) is_pod: bool,
    /// May read.
    pub(super) read: bool,
    /// May create runs, and change its own.
    pub(super) write: bool,
    /// May change all runs.
    pub(super) admin: bool,
    /// Why it has no right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refusal: Option<String>,
}

/// The page's content.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    /// Name of the installation.
    pub(super) stack: String,
    /// Who the caller is.
    #[serde(flatten)]
    pub(super) who: WhoAmI,
    /// The caller's identities; of an admin those of all, the ones that do not work first.
    pub(super) identities: Vec<IdentityStatus>,
    /// How many identities there are, also those that are not listed.
    pub(super) total_identities: usize,
    /// The pods that wait at their gate.
    pub(super) waiting: Vec<PodStatus>,
    /// How much of each quota is used; for admins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) quotas: Option<BTreeMap<String, String>>,
    /// Parents whose pods get no identity; for admins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unproven: Option<UnprovenReport>,
    /// What could not be read.
    pub(super) problems: Vec<String>,
}

/// An identity.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct IdentityStatus {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) user: String,
    pub(super) class: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) google_service_account: Option<String>,
    pub(super) phase: &'static str,
    pub(super) ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<String>,
}

/// A pod that waits at its gate.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PodStatus {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) user: String,
    pub(super) identity: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) since: Option<String>,
    /// Why it waits, as its identity says; never the pod's own annotation, which its user can write.
    pub(super) why: String,
}

impl WhoAmI {
    pub(super) fn new(rules: &Rules, caller: &Caller) -> Self {
        let right = caller.right(rules);
        let has = |needed| right.as_ref().is_ok_and(|right| *right >= needed);
        let groups = rules.endpoint_groups(&caller.groups).into_iter();
        Self {
            user: caller.user.as_str().to_owned(),
            requester: caller.requester.clone(),
            groups: groups.map(str::to_owned).collect(),
            is_pod: caller.is_pod,
            read: has(EndpointRight::Read),
            write: has(EndpointRight::Write),
            admin: has(EndpointRight::Admin),
            refusal: right.as_ref().err().map(|refusal| refusal.message.clone()),
        }
    }
}

impl Status {
    pub(super) async fn read(state: &State, rules: &Rules, caller: &Caller) -> Self {
        let who = WhoAmI::new(rules, caller);
        let sees = |known: &KnownIdentity| {
            *known.stack == *rules.stack() && (who.admin || *known.user == who.user)
        };
        let mut identities = state.identities.filter_map(|namespace, name, known| {
            sees(known).then(|| IdentityStatus::new(namespace, name, known))
        });
        let namespaces = identities.iter().map(|identity| identity.namespace.clone());
        let namespaces: BTreeSet<String> = namespaces.collect();
        let total_identities = identities.len();
        identities.sort_by(|a, b| {
            let key =
                |i: &IdentityStatus| (i.ready, i.user.clone(), i.namespace.clone(), i.name.clone());
            key(a).cmp(&key(b))
        });
        identities.truncate(MAX_IDENTITIES);
        let mut status = Self {
            stack: rules.stack().to_owned(),
            identities,
            total_identities,
            waiting: Vec::new(),
            quotas: None,
            unproven: None,
            problems: Vec::new(),
            who,
        };
        status.read_cluster(state, namespaces).await;
        status
    }

    async fn read_cluster(&mut self, state: &State, namespaces: BTreeSet<String>) {
        let Some(cluster) = state.cluster() else {
            return;
        };
        let (pods, problems) = cluster.waiting(namespaces.into_iter().collect()).await;
        let is_admin = self.who.admin;
        let visible = pods.into_iter().filter_map(|pod| {
            let known = state.identities.get(&pod.namespace, &pod.account)?;
            let is_ours = *known.stack == *self.stack;
            let is_visible = is_ours && (is_admin || *known.user == self.who.user);
            is_visible.then(|| PodStatus::new(pod, &known))
        });
        self.waiting = visible.collect();
        self.problems = problems;
        if is_admin {
            match cluster.quotas().await {
                Ok(quotas) => self.quotas = Some((*quotas).clone()),
                Err(why) => {
                    let problem = format!("The quotas cannot be read: {why}");
                    self.problems.push(problem);
                }
            }
            match cluster.unproven().await {
                Ok(report) => self.unproven = Some(report),
                Err(why) => {
                    let problem =
                        format!("The parents without a proven requester cannot be read: {why}");
                    self.problems.push(problem);
                }
            }
        }
    }
}

impl IdentityStatus {
    fn new(namespace: &str, name: &str, known: &KnownIdentity) -> Self {
        let not_ready = known.not_ready.as_ref();
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            user: known.user.to_string(),
            class: known.class.to_string(),
            google_service_account: known.google_account.as_deref().map(str::to_owned),
            phase: known.phase.as_str(),
            ready: not_ready.is_none(),
            reason: not_ready.map(|not_ready| not_ready.reason.clone()),
            message: not_ready.map(|not_ready| not_ready.message.clone()),
        }
    }
}

impl PodStatus {
    fn new(pod: WaitingPod, known: &KnownIdentity) -> Self {
        let why = known.not_ready.as_ref().map_or_else(
            || "its identity works, and it starts in a moment".to_owned(),
            |not_ready| format!("{}: {}", not_ready.reason, not_ready.message),
        );
        Self {
            namespace: pod.namespace,
            name: pod.name,
            user: known.user.to_string(),
            identity: pod.account,
            since: pod.created.map(|time| time.to_string()),
            why,
        }
    }
}
