//! What the watches keep of Identities and parents.

use namesake_core::Digest;

/// What is kept of one Identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownIdentity {
    /// Canonical user, as the Identity records it; empty when its class is not per user.
    pub user: String,
    /// Class, as the Identity records it.
    pub class: String,
    /// UID of the KSA that the broker made; `None` while it has not.
    pub service_account_uid: Option<Box<str>>,
    /// Whether it is known to work: no gate is needed.
    pub ready: bool,
    /// Why it does not work and will not by itself, if a pod has waited for it in vain.
    pub stalled: Option<Box<str>>,
}

/// What is kept of one parent. Its stamp says what it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownParent {
    /// Name of its kind.
    pub kind: &'static str,
    /// Its name.
    pub name: Box<str>,
    /// The prefix that its name was made from.
    pub generate_name: Option<Box<str>>,
    /// When it was made: seconds since 1970.
    pub created: i64,
    /// Its stamp, as written; checked at every use.
    pub stamp: Option<Box<str>>,
    /// What its pods run, as its spec shows it. Only of a kind whose stamp signs that.
    pub runs: Option<Digest>,
}
