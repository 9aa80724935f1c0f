//! What is in a test's namespace: pods and whose they are, Identities, accounts.

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

/// Whether our gate is on a pod.
#[must_use]
pub fn is_gated(pod: &Pod) -> bool {
    let spec = pod.spec.as_ref();
    let gates = spec.and_then(|spec| spec.scheduling_gates.as_ref());
    gates.is_some_and(|gates| gates.iter().any(|gate| gate.name == GATE))
}

impl TestNamespace {
    /// The one pod of a Job, once it is there.
    ///
    /// # Errors
    /// It does not come, or more than one do.
    pub async fn pod_of(&self, job: &Job) -> Result<Pod> {
        let name = job
            .metadata
            .name
            .as_deref()
            .context("a Job without a name")?;
        let params = ListParams::default().labels(&format!("job-name={name}"));
        let pods: Api<Pod> = Api::namespaced(self.admin.clone(), &self.name);
        eventually(&format!("Job {name} has its pod"), async || {
            let mut found = pods.list(&params).await?.items;
            ensure!(found.len() == 1, "it has {}", found.len());
            found.pop().context("no pod")
        })
        .await
    }

    /// Waits until a Job's Events say why it gets no pod.
    ///
    /// # Errors
    /// They do not.
    pub async fn wait_for_refusal(&self, job: &str, why: &str) -> Result<()> {
        let events: Api<Event> = Api::namespaced(self.admin.clone(), &self.name);
        eventually(&format!("Job {job} is refused its pod"), async || {
            let all = events.list(&ListParams::default()).await?.items;
            let about = all
                .iter()
                .filter(|event| event.involved_object.name.as_deref() == Some(job));
            let told: Vec<_> = about.filter_map(|event| event.message.as_deref()).collect();
            ensure!(told.iter().any(|message| message.contains(why)), "{told:?}");
            Ok(())
        })
        .await
    }

    /// The Identity whose service account a pod names.
    ///
    /// # Errors
    /// It names none that is managed.
    pub async fn identity_of(&self, pod: &Pod) -> Result<Identity> {
        let account = account_of(pod);
        let identities: Api<Identity> = Api::namespaced(self.admin.clone(), &self.name);
        let found = identities.get_opt(account).await?;
        found.with_context(|| format!("the pod runs as {account:?}, which is no Identity's"))
    }

    /// Checks whose a pod is.
    ///
    /// # Errors
    /// It runs as somebody else, or as nobody.
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

    /// Waits until our gate is off a pod, which is when its identity works at Google.
    ///
    /// # Errors
    /// It stays: the message has what the Identity says.
    pub async fn wait_until_ungated(&self, pod: &Pod) -> Result<()> {
        let pods: Api<Pod> = Api::namespaced(self.admin.clone(), &self.name);
        let name = pod
            .metadata
            .name
            .as_deref()
            .context("a pod without a name")?;
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

    /// Waits until alice's pods need nobody any more: the webhook knows that her identity works.
    ///
    /// # Errors
    /// It does not work.
    pub async fn wait_until_alice_is_known(&self) -> Result<()> {
        let alice = self.alice().await?;
        let job = alice.create::<Job>(metaflow_job()).await?;
        self.wait_until_ungated(&self.pod_of(&job).await?).await?;
        eventually("the webhook knows alice's identity", async || {
            let made = alice.create::<Pod>(pod()).await?;
            ensure!(!is_gated(&made), "it is gated");
            Ok(())
        })
        .await
    }

    /// The name of this user's identity here, of the class `research`, by the rules' own derivation.
    #[must_use]
    pub fn name_for(&self, user: &str) -> String {
        self.name_in("research", user)
    }

    /// The name of this user's identity here, of a class that has one per user.
    #[must_use]
    pub fn name_in(&self, class: &str, user: &str) -> String {
        let values = BTreeMap::from([(Per::User, user.to_owned())]);
        IdentityName::derive(STACK, CLUSTER, &self.name, class, &values).to_string()
    }

    /// Every pod here.
    ///
    /// # Errors
    /// The API server does not answer.
    pub async fn pods(&self) -> Result<Vec<Pod>> {
        let pods: Api<Pod> = Api::namespaced(self.admin.clone(), &self.name);
        Ok(pods.list(&ListParams::default()).await?.items)
    }

    /// Every Identity here.
    ///
    /// # Errors
    /// The API server does not answer.
    pub async fn identities(&self) -> Result<Vec<Identity>> {
        let identities: Api<Identity> = Api::namespaced(self.admin.clone(), &self.name);
        Ok(identities.list(&ListParams::default()).await?.items)
    }

    /// Names of the managed service accounts here.
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
