//! Events of the watch of managed KSAs.

use k8s_openapi::api::core::v1::ServiceAccount;
use kube::ResourceExt;
use kube::api::PartialObjectMeta;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher::{self, Event};
use tracing::warn;

use super::{NamespaceGates, PodSelection};
use crate::identity::store::PackedIdentity;

impl NamespaceGates {
    /// Records the KSA, and requests that the controller repairs what was changed on it.
    pub(super) fn handle_account_event(
        &self,
        event: watcher::Result<Event<PartialObjectMeta<ServiceAccount>>>,
    ) -> PodSelection {
        let (accounts, namespace) = (&self.gates.context.accounts, &self.namespace);
        let name = match event {
            Ok(Event::Init) => {
                accounts.begin_list(namespace);
                return PodSelection::None;
            }
            Ok(Event::InitApply(account)) => {
                accounts.apply(namespace, &account.metadata);
                return PodSelection::None;
            }
            Ok(Event::InitDone) => {
                accounts.finish_list(namespace);
                let all = self.gates.context.identities.in_namespace(namespace);
                all.into_iter().for_each(|one| self.request_reconcile(one));
                return PodSelection::All;
            }
            Ok(Event::Apply(account)) => {
                accounts.apply(namespace, &account.metadata);
                account.name_any()
            }
            Ok(Event::Delete(account)) => {
                accounts.remove(namespace, &account.name_any());
                account.name_any()
            }
            Err(error) => {
                warn!(%error, "the watch of service accounts failed and is restarted");
                return PodSelection::None;
            }
        };
        self.request_reconcile(ObjectRef::new(&name).within(&self.namespace));
        PodSelection::of_account(name)
    }

    fn request_reconcile(&self, identity: ObjectRef<PackedIdentity>) {
        // An error means that the broker is shutting down.
        let _ = self.gates.reconcile_requests.unbounded_send(identity);
    }
}
