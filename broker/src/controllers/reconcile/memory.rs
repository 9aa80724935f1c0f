//! What the reconciler remembers of an identity until the next reconcile. It only saves repeating steps, so that nothing here has
//! to survive a restart.

use std::time::Duration;

use namesake_api::names::{BINDING_READY, GOOGLE_ACCOUNT_READY, SERVICE_ACCOUNT_READY, VERIFIED};
use namesake_api::{Identity, IdentityStatus};
use tokio::time::Instant;

use super::outcome::PendingStatus;
use crate::google::recorded;
use crate::google::verify::CachedToken;
use crate::identity::finding::holds;
use crate::identity::plan::VERIFICATIONS;
use crate::identity::plan::change::Change;
use crate::identity::plan::observed::{Observed, ServiceAccountState, times};
use crate::identity::retry_trigger::RetryTrigger;

/// After so many failed verifications in a row, something that was written may have been removed at Google, and everything is
/// checked.
const CHECK_AFTER_FAILURES: u32 = 8;

/// An identity that worked counts as working until Google has refused it so often in a row: one of its replicas may lag.
const REFUSALS_BELIEVED: u32 = 5;

/// What a memory is about: generation of the spec, UID of the KSA, whether the phase serves.
pub(super) type MemoryKey = (Option<i64>, Option<String>, bool);

/// What a memory of this identity is about.
pub(super) fn key(identity: &Identity) -> MemoryKey {
    (
        identity.metadata.generation,
        identity.service_account_uid().map(str::to_owned),
        identity.phase().accepts_new_pods(),
    )
}

/// Steps done and waits agreed for one identity.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    key: MemoryKey,
    /// UID of the KSA that the memory is about, while the status does not have it.
    unrecorded_uid: Option<String>,
    /// The steps done, each as often as it was.
    done: Vec<Change>,
    /// The KSA's token from which consecutive verifications start.
    pub(crate) token: Option<CachedToken>,
    /// Something was repaired, or refused, and not verified since.
    needs_verification: bool,
    /// Steps whose outcome is not in the status yet.
    pub(crate) pending: PendingStatus,
    /// Failures in a row.
    pub(crate) failures: u32,
    /// No step at Google before this time: writes of the status wake the controller earlier.
    pub(crate) not_before: Option<Instant>,
    /// What a retry at once depends on, as it was when a step failed for a reason that lasts.
    pub(crate) refused: Option<RetryTrigger>,
    /// When a working identity is next checked for drift.
    pub(crate) next_check: Option<Instant>,
    /// Whether that time is reserved within the drift budget.
    pub(crate) check_reserved: bool,
    /// Whether a drift check is under way.
    pub(crate) checking: bool,
}

impl Memory {
    /// The memory for this key: a new one if spec, KSA or phase are others.
    pub(super) fn for_key(self, key: MemoryKey) -> Self {
        if self.key == key {
            return self;
        }
        let (generation, uid, serves) = &key;
        let without_uid = (*generation, None, *serves);
        if without_uid == self.key && uid.is_some() && *uid == self.unrecorded_uid {
            return Self { key, ..self };
        }
        Self::new(key)
    }

    fn new(key: MemoryKey) -> Self {
        Self {
            key,
            ..Self::default()
        }
    }

    /// Forgets everything except what the memory is about.
    fn reset(&mut self) {
        *self = Self::new(std::mem::take(&mut self.key));
    }

    /// A KSA that the status does not have yet was observed. What was done for another KSA does not count.
    pub(crate) fn observe_account(&mut self, uid: &str) {
        let before = self.unrecorded_uid.as_deref();
        if before.is_some_and(|before| before != uid) {
            self.reset();
        }
        self.unrecorded_uid = Some(uid.to_owned());
    }

    /// What is known: from the cluster, from the status, from the steps done.
    pub(crate) fn observed(
        &self,
        identity: &Identity,
        status: &IdentityStatus,
        account: ServiceAccountState,
    ) -> Observed {
        let holds = |condition| holds(status, identity.metadata.generation, condition);
        let service_account = match account {
            ServiceAccountState::Right | ServiceAccountState::Unowned
                if !holds(SERVICE_ACCOUNT_READY) =>
            {
                ServiceAccountState::Drifted
            }
            other => other,
        };
        // What could not be revoked stays recorded.
        let revoked = self.done.contains(&Change::Revoke);
        Observed {
            service_account,
            account_recorded: status.service_account_uid.is_some(),
            visible: holds(GOOGLE_ACCOUNT_READY),
            written: holds(BINDING_READY),
            verified: holds(VERIFIED) && !self.needs_verification,
            checking: self.checking,
            recorded: recorded::is_complete(identity, status),
            stale: !revoked && !recorded::stale(identity, status).is_empty(),
            has_google_account: status.google_service_account_id.is_some(),
            done: self.done.clone(),
        }
    }

    /// Forgets that a step was refused if what may lift that has changed since. Returns whether it has.
    pub(crate) fn retry_if_triggered(&mut self, trigger: &RetryTrigger) -> bool {
        let triggered = self
            .refused
            .as_ref()
            .is_some_and(|before| before != trigger);
        if triggered {
            (self.refused, self.not_before, self.failures) = (None, None, 0);
        }
        triggered
    }

    /// A step succeeded; `repaired`: it found something missing.
    pub(crate) fn step_succeeded(&mut self, change: &Change, repaired: bool) {
        (self.failures, self.refused) = (0, None);
        if repaired && self.checking {
            self.needs_verification = true;
            self.forget(&Change::Verify);
        }
        match change {
            // The status and the cluster show that these are done.
            Change::CreateServiceAccount | Change::RepairServiceAccount => {
                self.forget(&Change::Verify);
            }
            Change::SetServiceAccountOwner
            | Change::Record
            | Change::DeleteServiceAccount
            | Change::DeleteIdentity => {}
            done => self.done.push(done.clone()),
        }
    }

    fn forget(&mut self, step: &Change) {
        self.done.retain(|done| done != step);
    }

    /// A step failed. Verifications and sightings count only in a row; after many failed verifications everything is checked.
    pub(crate) fn step_failed(&mut self, change: &Change) {
        self.failures = self.failures.saturating_add(1);
        match change {
            Change::ConfirmGoogleAccount => self.forget(change),
            Change::Verify if self.failures.is_multiple_of(CHECK_AFTER_FAILURES) => {
                let failures = self.failures;
                self.start_check();
                self.failures = failures;
                self.needs_verification = true;
            }
            Change::Verify => self.forget(change),
            _ => {}
        }
    }

    /// Whether the identity counts as working after the next verification.
    pub(crate) fn next_verification_is_last(&self) -> bool {
        times(&self.done, &Change::Verify) + 1 >= VERIFICATIONS
    }

    /// Whether Google has refused a working identity often enough to be believed. From then on it has to be verified again.
    pub(crate) fn believes_refusal(&mut self) -> bool {
        let believed = self.failures >= REFUSALS_BELIEVED;
        self.needs_verification |= believed;
        believed
    }

    /// Whether a drift check is under way and has found nothing: then it changes nothing in the status.
    pub(crate) fn found_no_drift(&self) -> bool {
        self.checking && !self.needs_verification
    }

    /// How long to leave a new Identity without a status to the API, which is about to create its KSA: two that create it at the
    /// same time only conflict. The API's write wakes the controller: of the status, or of the KSA if that is all, which
    /// `is_created` says.
    pub(crate) fn wait_for_api(
        &mut self,
        identity: &Identity,
        is_created: impl FnOnce() -> bool,
        wait: Duration,
        now: Instant,
    ) -> Option<Duration> {
        if identity.status.is_some() {
            return None;
        }
        if is_created() {
            self.not_before = None;
            return None;
        }
        let until = *self.not_before.get_or_insert(now + wait);
        let left = until.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    /// Starts to check everything, while the identity still counts as working.
    pub(crate) fn start_check(&mut self) {
        self.reset();
        self.checking = true;
    }

    /// The plan is finished: counts start again. The next drift check is due after `wait`, unless it is scheduled already.
    pub(crate) fn finish(&mut self, wait: Duration) {
        let due = self.next_check.unwrap_or_else(|| Instant::now() + wait);
        let (check_reserved, mut done) = (self.check_reserved, std::mem::take(&mut self.done));
        done.retain(Change::takes_down);
        self.reset();
        self.next_check = Some(due);
        (self.check_reserved, self.done) = (check_reserved, done);
    }

    /// Delays the drift check to a time that is reserved within the budget.
    pub(crate) fn reserve_check(&mut self, wait: Duration) {
        self.next_check = Some(Instant::now() + wait);
        self.check_reserved = true;
    }
}
