//! Which Identities have changed, for the controller of the leader.

use std::sync::Arc;

use futures::channel::mpsc;
use futures::{Stream, StreamExt};
use kube::runtime::controller::ReconcileRequest;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher;
use parking_lot::Mutex;

use super::{Identities, PackedIdentity};

/// Which Identities have changed.
#[derive(Clone, Debug, PartialEq)]
pub enum IdentityChange {
    /// This one.
    One(ObjectRef<PackedIdentity>),
    /// Any of them: they were listed again.
    All,
}

/// Sends changes to its one subscriber. On a replica that does not lead there is none. The channel is unbounded: if a burst
/// overflowed it, all Identities would have to be reconciled.
#[derive(Clone, Debug, Default)]
pub struct ChangeNotifier(Arc<Mutex<Option<mpsc::UnboundedSender<IdentityChange>>>>);

impl ChangeNotifier {
    /// All changes from now on. An earlier subscriber gets no more.
    #[must_use]
    pub fn subscribe(&self) -> mpsc::UnboundedReceiver<IdentityChange> {
        let (sender, receiver) = mpsc::unbounded();
        *self.0.lock() = Some(sender);
        receiver
    }

    pub(super) fn notify(&self, change: IdentityChange) {
        let mut subscriber = self.0.lock();
        let sent = subscriber.as_ref().map(|one| one.unbounded_send(change));
        if sent.is_some_and(|sent| sent.is_err()) {
            *subscriber = None;
        }
    }
}

/// What to reconcile: all existing Identities, then each that changes.
pub fn requests(
    identities: Identities,
    changes: impl Stream<Item = IdentityChange> + Send,
) -> impl Stream<Item = Result<ReconcileRequest<PackedIdentity>, watcher::Error>> + Send {
    let all = futures::stream::once(std::future::ready(IdentityChange::All));
    all.chain(changes).flat_map(move |change| {
        let changed = match change {
            IdentityChange::One(one) => identities.store.get(&one).into_iter().collect(),
            IdentityChange::All => identities.all(),
        };
        let references = changed.into_iter().map(|packed| packed.reference());
        futures::stream::iter(references.map(|one| Ok(ReconcileRequest::from(one))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(number: usize) -> IdentityChange {
        IdentityChange::One(ObjectRef::new(&format!("mf-{number}")).within("research"))
    }

    #[test]
    fn a_subscriber_gets_every_change_however_far_it_lags() {
        let notifier = ChangeNotifier::default();
        notifier.notify(IdentityChange::All);
        let mut first = notifier.subscribe();
        for number in 0..100_000 {
            notifier.notify(one(number));
        }
        for number in 0..100_000 {
            assert_eq!(first.try_recv().unwrap(), one(number));
        }
        let mut second = notifier.subscribe();
        notifier.notify(one(1));
        assert_eq!(second.try_recv().unwrap(), one(1));
        assert!(first.try_recv().is_err(), "an earlier leader gets it");
    }

    #[test]
    fn a_subscriber_that_is_dropped_is_forgotten() {
        let notifier = ChangeNotifier::default();
        drop(notifier.subscribe());
        notifier.notify(IdentityChange::All);
        assert!(notifier.0.lock().is_none());
    }
}
