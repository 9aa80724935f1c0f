//! What runs out: service accounts of a project at Google, room in policies, Kubernetes service accounts of the cluster. Counted
//! on a slow cycle, forecast from the identities made lately, said in metrics, in a ConfigMap and in Events; and a creation for
//! which there is no room is refused before Google does it.

mod births;
mod count;
mod forecast;
mod report;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

pub use count::{Counting, run};
pub use forecast::full_in;
pub use report::{Line, Of};

/// What is known about the accounts of each project.
pub struct Quota {
    projects: Mutex<HashMap<String, Accounts>>,
    again: Duration,
}

#[derive(Clone, Copy, Default)]
struct Accounts {
    used: Option<u64>,
    /// When Google said that there is no more room, and how many there were.
    full: Option<(Instant, u64)>,
}

impl Quota {
    /// Nothing is known yet. After Google said that a project is full it is asked again in this time: somebody may have made
    /// room, or raised the quota.
    #[must_use]
    pub fn asking_again_in(again: Duration) -> Self {
        Self {
            projects: Mutex::default(),
            again,
        }
    }

    /// So many accounts are there.
    pub fn counted(&self, project: &str, used: u64) {
        let mut accounts = self.lock();
        let known = accounts.entry(project.to_owned()).or_default();
        known.used = Some(used);
        // Fewer than when it was full: there is room again.
        known.full = known.full.filter(|(_, at)| used >= *at);
    }

    /// One more is there.
    pub fn created(&self, project: &str) {
        let mut accounts = self.lock();
        let known = accounts.entry(project.to_owned()).or_default();
        known.used = known.used.map(|used| used.saturating_add(1));
        known.full = None;
    }

    /// One is gone.
    pub fn deleted(&self, project: &str) {
        let mut accounts = self.lock();
        let known = accounts.entry(project.to_owned()).or_default();
        known.used = known.used.map(|used| used.saturating_sub(1));
        known.full = None;
    }

    /// Google said that there is no more room.
    pub fn is_full(&self, project: &str) {
        let mut accounts = self.lock();
        let known = accounts.entry(project.to_owned()).or_default();
        known.full = Some((Instant::now(), known.used.unwrap_or_default()));
    }

    /// Why no account can be made, if none can: the number that an admin gave us is reached, or Google has said so lately.
    #[must_use]
    pub fn refusal(&self, project: &str, limit: Option<u64>) -> Option<String> {
        let known = self.lock().get(project).copied().unwrap_or_default();
        let remedy = "remove accounts that are not used, ask Google for a higher quota, or let the class say whenFull: direct";
        match (known.used, limit) {
            (Some(used), Some(limit)) if used >= limit => {
                return Some(format!(
                    "project {project} has {used} of {limit} Google service accounts: {remedy}"
                ));
            }
            _ => {}
        }
        let (since, used) = known.full?;
        if since.elapsed() >= self.again {
            return None;
        }
        let have = match used {
            0 => String::new(),
            used => format!(" It has {used}."),
        };
        Some(format!(
            "Google makes no more service accounts in project {project}.{have} It is asked again in {} s: {remedy}",
            self.again.saturating_sub(since.elapsed()).as_secs()
        ))
    }

    /// How many accounts a project has, and how many it may have if Google has told.
    #[must_use]
    pub fn used(&self, project: &str) -> (Option<u64>, Option<u64>) {
        let known = self.lock().get(project).copied().unwrap_or_default();
        (
            known.used,
            known.full.map(|(_, used)| used).filter(|used| *used > 0),
        )
    }

    // Never held across an await.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Accounts>> {
        self.projects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_an_admin_gave_is_kept_to() {
        let quota = Quota::asking_again_in(Duration::from_mins(10));
        assert_eq!(quota.refusal("acme", Some(100)), None);
        quota.counted("acme", 99);
        assert_eq!(quota.refusal("acme", Some(100)), None);
        quota.created("acme");
        let why = quota.refusal("acme", Some(100)).unwrap();
        assert!(
            why.contains("100 of 100") && why.contains("whenFull"),
            "{why}"
        );
        assert_eq!(quota.refusal("acme", None), None);
        assert_eq!(quota.refusal("other", Some(100)), None);
    }

    #[test]
    fn what_google_said_is_remembered_until_there_is_room() {
        let quota = Quota::asking_again_in(Duration::from_mins(10));
        quota.counted("acme", 100);
        quota.is_full("acme");
        assert!(quota.refusal("acme", None).unwrap().contains("has 100"));
        assert_eq!(quota.used("acme"), (Some(100), Some(100)));
        quota.counted("acme", 100);
        assert!(quota.refusal("acme", None).is_some());
        quota.counted("acme", 99);
        assert_eq!(quota.refusal("acme", None), None);
        quota.is_full("acme");
        quota.deleted("acme");
        assert_eq!(quota.refusal("acme", None), None);
        let hasty = Quota::asking_again_in(Duration::ZERO);
        hasty.is_full("acme");
        assert_eq!(hasty.refusal("acme", None), None);
    }
}
