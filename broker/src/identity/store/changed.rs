//! Who has changed, for whoever leads.

use std::sync::{Arc, Mutex, PoisonError};

use futures::channel::mpsc;
use futures::{Stream, StreamExt};
use kube::runtime::controller::ReconcileRequest;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher;

use super::{Identities, Kept};

/// Which Identities the watch has seen change.
#[derive(Clone, Debug, PartialEq)]
pub enum Touched {
    /// This one.
    One(ObjectRef<Kept>),
    /// Any of them: they were listed anew.
    All,
}

/// Tells the one who listens, if anybody does: on a replica that does not lead nobody does. Nothing is dropped because a
/// listener is behind, or each burst would mean a look at all of them.
#[derive(Clone, Debug, Default)]
pub struct Touches(Arc<Mutex<Option<mpsc::UnboundedSender<Touched>>>>);

impl Touches {
    /// What changes from now on. Whoever listened before hears nothing more.
    #[must_use]
    pub fn listen(&self) -> mpsc::UnboundedReceiver<Touched> {
        let (sender, receiver) = mpsc::unbounded();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        receiver
    }

    pub(super) fn tell(&self, touched: Touched) {
        let mut listener = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let heard = listener.as_ref().map(|one| one.unbounded_send(touched));
        if heard.is_some_and(|heard| heard.is_err()) {
            *listener = None;
        }
    }
}

/// What to reconcile: all Identities that are there, then each that changes.
pub fn requests(
    identities: Identities,
    touched: impl Stream<Item = Touched> + Send,
) -> impl Stream<Item = Result<ReconcileRequest<Kept>, watcher::Error>> + Send {
    let all = futures::stream::once(std::future::ready(Touched::All));
    all.chain(touched).flat_map(move |touched| {
        let some = match touched {
            Touched::One(one) => identities.store.get(&one).into_iter().collect(),
            Touched::All => identities.all(),
        };
        let some = some.into_iter().map(|kept| kept.reference());
        futures::stream::iter(some.map(|one| Ok(ReconcileRequest::from(one))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(number: usize) -> Touched {
        Touched::One(ObjectRef::new(&format!("mf-{number}")).within("research"))
    }

    #[test]
    fn whoever_listens_hears_of_everything_however_far_it_is_behind() {
        let touches = Touches::default();
        touches.tell(Touched::All);
        let mut first = touches.listen();
        for number in 0..100_000 {
            touches.tell(one(number));
        }
        for number in 0..100_000 {
            assert_eq!(first.try_recv().unwrap(), one(number));
        }
        let mut second = touches.listen();
        touches.tell(one(1));
        assert_eq!(second.try_recv().unwrap(), one(1));
        assert!(
            first.try_recv().is_err(),
            "who does not lead any more hears of it"
        );
    }

    #[test]
    fn nothing_is_kept_for_one_who_does_not_listen_any_more() {
        let touches = Touches::default();
        drop(touches.listen());
        touches.tell(Touched::All);
        assert!(touches.0.lock().unwrap().is_none());
    }
}
