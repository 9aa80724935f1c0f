//! Identities and parents as the watches keep them.

use namesake_core::Digest;

/// An Identity as it is kept in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownIdentity {
    /// Canonical user, as the Identity records it; empty when its class is not per user.
    pub user: Box<str>,
    /// Class, as the Identity records it.
    pub class: Box<str>,
    /// UID of the KSA that the broker created; `None` before that.
    pub service_account_uid: Option<Box<str>>,
    /// Whether it is known to work, so that its pods need no gate.
    pub ready: bool,
    /// Why it does not work and will not by itself, if a pod that waited for it has timed out.
    pub stalled: Option<Box<str>>,
}

/// A parent as it is kept in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownParent {
    /// Name of its kind.
    pub kind: &'static str,
    /// Its name.
    pub name: Box<str>,
    /// The prefix from which its name was generated.
    pub generate_name: Option<Box<str>>,
    /// When it was created: seconds since 1970.
    pub created: i64,
    /// Its stamp, as written; verified at every use.
    pub stamp: Option<Box<str>>,
    /// Digest of what its pods run, as its spec shows it; only of a kind whose pods run the object's own pod template.
    pub runs: Option<Digest>,
    /// Whether a controller created it: then its pods belong to the object from which it was created.
    pub is_child: bool,
    /// Whether it has ended; only of a kind whose pods run the object's own pod template.
    pub has_ended: bool,
}
