//! The permissions that are checked during one request, for the request log.
//!
//! They are collected per task: a request may take the lock on the emulated state several times, with others in between.

use std::cell::RefCell;

use serde::Serialize;

tokio::task_local! {
    static CHECKS: RefCell<Vec<PermissionCheck>>;
}

/// A permission that a request was checked for, or that it asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PermissionCheck {
    /// The permission, such as `iam.serviceAccounts.get`.
    pub permission: String,
    /// The resource, such as `projects/acme/serviceAccounts/UNIQUE-ID` or `projects/_/buckets/acme-mf`.
    pub resource: String,
    /// Whether the caller has it.
    pub granted: bool,
    /// Whether testIamPermissions asked for it, which no permission is needed for.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub asked: bool,
}

/// Does `work`. Returns its result, and what was recorded meanwhile.
pub(crate) async fn recorded<T>(work: impl Future<Output = T>) -> (T, Vec<PermissionCheck>) {
    let work = async {
        let result = work.await;
        (result, CHECKS.with(RefCell::take))
    };
    CHECKS.scope(RefCell::default(), work).await
}

/// Records a check; outside of a logged request there is nothing to do.
pub(crate) fn record(check: impl FnOnce() -> PermissionCheck) {
    let _ = CHECKS.try_with(|checks| checks.borrow_mut().push(check()));
}
