//! What steps and observations have found.

use std::time::Duration;

use namesake_api::Identity;

use crate::google::recorded::{Members, PolicyEntry};
use crate::identity::finding::Finding;
use crate::identity::plan::change::Change;
use crate::identity::plan::observed::ServiceAccountState;
use crate::identity::step_failure::StepFailure;

/// Steps whose outcome is not in the status yet: after a restart they are only repeated.
pub(crate) type PendingStatus = Vec<(Change, StepOutcome)>;

/// What a step has done and found, or why it failed.
pub(crate) type StepResult<T = StepOutcome> = Result<T, StepFailure>;

/// What a step has done and found.
#[derive(Clone, Debug, Default)]
pub(crate) struct StepOutcome {
    /// Something was missing, and the step restored it.
    pub(crate) repaired: bool,
    /// The KSA after a step on it.
    pub(crate) service_account: Option<ServiceAccountState>,
    /// UID of the KSA after a step on it.
    pub(crate) service_account_uid: Option<String>,
    /// The KSA is deleted.
    pub(crate) service_account_deleted: bool,
    /// The GSA is deleted and will not be restored.
    pub(crate) google_account_dropped: bool,
    /// `uniqueId` of the GSA, if the step read it.
    pub(crate) google_account_id: Option<String>,
    /// The identity's members in policies, to be recorded before they are written.
    pub(crate) to_record: Option<Members>,
    /// Entries that were revoked at Google.
    pub(crate) revoked: Vec<PolicyEntry>,
    /// What an offboarded user still has.
    pub(crate) leftovers: Option<Vec<String>>,
    /// Pods run as the identity.
    pub(crate) in_use: bool,
    /// The step is not finished: it is repeated after this time.
    pub(crate) repeat_after: Option<Duration>,
    /// Findings that hold whatever the plan says.
    pub(crate) findings: Vec<Finding>,
    /// Who else is in the policy of the GSA.
    pub(crate) foreign_members: Option<Finding>,
}

impl StepOutcome {
    /// Whether a restart would only repeat the step: the status need not know of it.
    pub(crate) fn may_be_forgotten(&self, identity: &Identity) -> bool {
        let status = identity.status.as_ref();
        let known = status.and_then(|status| status.google_service_account_id.as_deref());
        let id = self.google_account_id.as_deref();
        let new_id = id.is_some_and(|id| Some(id) != known);
        let deleted = self.service_account_deleted || self.google_account_dropped;
        let records =
            self.to_record.is_some() || !self.revoked.is_empty() || self.leftovers.is_some();
        let unfinished = self.repeat_after.is_some() || self.in_use;
        !(new_id || deleted || records || unfinished || self.service_account_uid.is_some())
    }
}

/// The KSA as it was observed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ObservedAccount {
    /// Its state.
    pub(crate) state: ServiceAccountState,
    /// Its UID, if it is right and the status does not have it yet.
    pub(crate) unrecorded_uid: Option<String>,
}

impl From<ServiceAccountState> for ObservedAccount {
    fn from(state: ServiceAccountState) -> Self {
        Self {
            state,
            unrecorded_uid: None,
        }
    }
}
