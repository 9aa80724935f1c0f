//! Finds the parent of an object: from memory, or with one GET if the watch is behind.

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use kube::Error;
use namesake_core::Reason;

use crate::decide::kinds;
use crate::decide::known::KnownParent;
use crate::decide::who::{self, ParentReference};
use crate::review::OwnerReference;
use crate::review::refused::Refused;
use crate::state::{State, watch};

/// A parent.
pub(super) struct FoundParent {
    pub(super) parent: Arc<KnownParent>,
    /// Whether it was just read from the API server.
    pub(super) is_fresh: bool,
}

/// Why a parent was not found.
pub(super) enum Missing {
    /// It does not exist.
    Gone(Refused),
    /// It is not known whether it exists.
    Unknown(Refused),
}

impl From<Missing> for Refused {
    fn from(missing: Missing) -> Self {
        match missing {
            Missing::Gone(refused) | Missing::Unknown(refused) => refused,
        }
    }
}

/// The object, if the API server answers before the deadline; `None` if it does not exist.
///
/// The call is boxed, because it is large and rare: otherwise each review would have room for it, which is copied several times.
pub(super) fn get_within<T>(
    deadline: Instant,
    call: impl Future<Output = Result<T, Error>> + Send,
) -> impl Future<Output = Result<Option<T>, String>> {
    let call = Box::pin(call);
    async move {
        match tokio::time::timeout_at(deadline.into(), call).await {
            Ok(Ok(found)) => Ok(Some(found)),
            Ok(Err(Error::Api(status))) if status.code == 404 => Ok(None),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the API server did not answer in time".to_owned()),
        }
    }
}

/// The parent that an owner reference names. Its UID decides.
pub(super) async fn find(
    state: &State,
    namespace: &str,
    reference: &ParentReference<'_>,
    deadline: Instant,
) -> Result<FoundParent, Missing> {
    let uid = &reference.owner.uid;
    match state.parents.get(namespace, reference.kind.name, uid) {
        Some(parent) => Ok(FoundParent {
            parent,
            is_fresh: false,
        }),
        None => find_fresh(state, namespace, reference, deadline).await,
    }
}

/// Reads the parent from the API server, whatever is in memory.
pub(super) async fn find_fresh(
    state: &State,
    namespace: &str,
    reference: &ParentReference<'_>,
    deadline: Instant,
) -> Result<FoundParent, Missing> {
    let (kind, owner) = (reference.kind, reference.owner);
    let refused = |what: &str| {
        let text = format!(
            "{} {}, to which this belongs, could not be read: {what}; try again (a controller does that by itself)",
            kind.name, owner.name
        );
        Refused::new(Reason::ParentLookupFailed, text)
    };
    let Some(client) = &state.cluster else {
        return Err(Missing::Unknown(refused("there is no API server")));
    };
    state.metrics.parent_fetches.inc();
    let resource = state.installed.resource(kind);
    let fetch = watch::fetch(client, kind, &resource, namespace, &owner.name);
    let found = get_within(deadline, fetch).await;
    match found
        .map_err(|error| Missing::Unknown(refused(&error)))?
        .flatten()
    {
        Some((uid, parent)) if uid == owner.uid.as_str() => Ok(FoundParent {
            parent: state.parents.apply(namespace, &uid, parent),
            is_fresh: true,
        }),
        Some((uid, _)) => {
            let what = format!("it has UID {uid}, and this belongs to UID {}", owner.uid);
            Err(Missing::Gone(refused(&what)))
        }
        None => Err(Missing::Gone(refused("it does not exist"))),
    }
}

/// What an owner reference names.
pub(super) enum Owner<'a> {
    /// An object of a kind that the webhook does not handle.
    Other,
    /// No object of this kind, name and UID.
    NoSuchObject(ParentReference<'a>),
    /// This parent.
    Parent(ParentReference<'a>, Arc<KnownParent>),
}

/// Finds what an owner reference names. Some controllers go by the UID, others by the name: both have to be of one object.
///
/// # Errors
/// When it is not known.
pub(super) async fn find_owner<'a>(
    state: &State,
    namespace: &str,
    owner: &'a OwnerReference<'a>,
    deadline: Instant,
) -> Result<Owner<'a>, Refused> {
    let known = state.parents.by_uid(namespace, &owner.uid);
    let Some(reference) = who::possible_parent(known.as_deref(), owner) else {
        return Ok(Owner::Other);
    };
    let is_of_its_kind = kinds::of_owner(owner).is_some();
    match find(state, namespace, &reference, deadline).await {
        Ok(FoundParent { parent, .. }) if is_of_its_kind && *parent.name == *owner.name => {
            Ok(Owner::Parent(reference, parent))
        }
        // A kind of the same name in another API group.
        Err(Missing::Gone(_)) if !is_of_its_kind => Ok(Owner::Other),
        Ok(_) | Err(Missing::Gone(_)) => Ok(Owner::NoSuchObject(reference)),
        Err(Missing::Unknown(refused)) => Err(refused),
    }
}
