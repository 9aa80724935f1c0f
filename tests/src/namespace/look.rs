//! Reads the objects in a test's namespace: pods and their users, Identities, service accounts.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Event, Pod, ServiceAccount},
};
use kube::{Api, api::ListParams};
use namesake_api::{Identity, names::GATE};
use namesake_core::{IdentityName, Per};
use namesake_sandbox::CLUSTER;

use super::{TestNamespace, account_of};
use crate::{
    drafts::{metaflow_job, pod},
    eventually::eventually,
    stack::STACK,
};

/// Whether a pod has our scheduling gate.
#[must_use]
pub fn is_gated(pod: &Pod) -> bool {
    let spec = pod.spec.as_ref();
    let gates = spec.and_then(|spec| spec.scheduling_gates.as_ref());
    gates.is_some_and(|gates| gates.iter().any(|gate| gate.name == GATE))
}

impl TestNamespace {
    /// Waits for the pod of a Job, and returns it.
    ///
    /// # Errors
    /// There is none, or more than one.
    pub async fn pod_of(&self, job: &Job) -> Result<Pod> {
        let name = job
            .metadata
            .name
            .as_deref()
            .context("the Job has no name")?;
        let params = ListParams::default().labels(&format!("job-name={name}"));
        let pods: Api<Pod> = Api::namespaced(self.admin.clone(), &self.name);
        eventually(&format!("Job {name} has its pod"), async || {
            let mut found = pods.list(&params).await?.items;
            ensure!(found.len() == 1, "it has {}", found.len());
            found.pop().context("no pod")
        })
        .await
    }

    /// Waits until an Event of a Job says that its pod was refused, with this reason.
    ///
    /// # Errors
    /// No Event says so.
    pub async fn wait_for_refusal(&self, job: &str, reason: &str) -> Result<()> {
        let events: Api<Event> = Api::namespaced(self.admin.clone(), &self.name);
        eventually(&format!("the pod of Job {job} is refused"), async || {
            let all = events.list(&ListParams::default()).await?.items;
            let about = all
                .iter()
                .filter(|event| event.involved_object.name.as_deref() == Some(job));
            let messages: Vec<_> = about.filter_map(|event| event.message.as_deref()).collect();
            ensure!(
                messages.iter().any(|message| message.contains(reason)),
                "{messages:?}"
            );
            Ok(())
        })
        .await
    }

    /// The Identity of a pod's service account.
    ///
    /// # Errors
    /// The service account has no Identity.
    pub async fn identity_of(&self, pod: &Pod) -> Result<Identity> {
        let account = account_of(pod);
        let identities: Api<Identity> = Api::namespaced(self.admin.clone(), &self.name);
        let found = identities.get_opt(account).await?;
        found.with_context(|| format!("the pod runs as {account:?}, which has no Identity"))
    }

    /// Checks that a pod runs as this user, and returns the Identity.
    ///
    /// # Errors
    /// It runs as somebody else, or without an identity.
    pub async fn runs_as(&self, pod: &Pod, user: &str) -> Result<Identity> {
        let identity = self.identity_of(pod).await?;
        ensure!(
            identity.spec.user == user,
            "the pod runs as {} instead of {user}",
            identity.spec.user
        );
        let deprecated = pod
            .spec
            .as_ref()
            .and_then(|spec| spec.service_account.as_deref());
        ensure!(
            deprecated == Some(account_of(pod)),
            "the deprecated field says {deprecated:?}"
        );
        Ok(identity)
    }

    /// Waits until a pod has no scheduling gate of ours, so its identity works at Google.
    ///
    /// # Errors
    /// The gate stays: the message has the conditions of the Identity.
    pub async fn wait_until_ungated(&self, pod: &Pod) -> Result<()> {
        let pods: Api<Pod> = Api::namespaced(self.admin.clone(), &self.name);
        let name = pod
            .metadata
            .name
            .as_deref()
            .context("the pod has no name")?;
        eventually(&format!("the gate of {name} opens"), async || {
            let pod = pods.get(name).await?;
            if is_gated(&pod) {
                let identity = self.identity_of(&pod).await?;
                bail!("{:?}", identity.status.map(|status| status.conditions));
            }
            Ok(())
        })
        .await
    }

    /// Waits until the webhook knows that alice's identity works, so her pods get no gate.
    ///
    /// # Errors
    /// It does not learn this in time.
    pub async fn wait_until_alice_is_known(&self) -> Result<()> {
        let alice = self.alice().await?;
        let job = alice.create::<Job>(metaflow_job()).await?;
        self.wait_until_ungated(&self.pod_of(&job).await?).await?;
        eventually("the webhook knows alice's identity", async || {
            let created = alice.create::<Pod>(pod()).await?;
            ensure!(!is_gated(&created), "it is gated");
            Ok(())
        })
        .await
    }

    /// The name of this user's identity of the class `research` in this namespace.
    #[must_use]
    pub fn name_for(&self, user: &str) -> String {
        self.name_in("research", user)
    }

    /// The name of this user's identity of a class with one identity per user.
    #[must_use]
    pub fn name_in(&self, class: &str, user: &str) -> String {
        let values = BTreeMap::from([(Per::User, user.to_owned())]);
        IdentityName::derive(STACK, CLUSTER, &self.name, class, &values).to_string()
    }

    /// All pods in the namespace.
    ///
    /// # Errors
    /// The API server does not answer.
    pub async fn pods(&self) -> Result<Vec<Pod>> {
        let pods: Api<Pod> = Api::namespaced(self.admin.clone(), &self.name);
        Ok(pods.list(&ListParams::default()).await?.items)
    }

    /// All Identities in the namespace.
    ///
    /// # Errors
    /// The API server does not answer.
    pub async fn identities(&self) -> Result<Vec<Identity>> {
        let identities: Api<Identity> = Api::namespaced(self.admin.clone(), &self.name);
        Ok(identities.list(&ListParams::default()).await?.items)
    }

    /// The names of the managed service accounts in the namespace.
    ///
    /// # Errors
    /// The API server does not answer.
    pub async fn managed_accounts(&self) -> Result<Vec<String>> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.admin.clone(), &self.name);
        let all = accounts.list(&ListParams::default()).await?.items;
        let names = all.into_iter().filter_map(|account| account.metadata.name);
        Ok(names.filter(|name| name.starts_with("mf-")).collect())
    }
}
