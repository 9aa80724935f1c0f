//! Quotas: service accounts of each project at Google, sizes of policies, Kubernetes service accounts of the cluster. They are
//! counted periodically, forecast from recent creations, and shown in metrics, a ConfigMap and Events. A creation for which there is
//! no room is refused before Google is asked.

pub mod count;
mod creation_times;
pub mod forecast;
pub mod report;
pub(crate) mod rights;
pub mod same_broker;

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// What is known about the service accounts of each project.
pub struct ProjectQuotas {
    projects: Mutex<HashMap<String, ProjectUsage>>,
    retry_full_after: Duration,
}

#[derive(Clone, Copy, Default)]
struct ProjectUsage {
    used: Option<u64>,
    /// When Google said that the project is full, and how many accounts it had.
    full: Option<(Instant, u64)>,
}

impl ProjectQuotas {
    /// Nothing is known yet. A full project is tried again after `retry_full_after`: somebody may have deleted accounts or raised
    /// the quota.
    #[must_use]
    pub fn new(retry_full_after: Duration) -> Self {
        Self {
            projects: Mutex::default(),
            retry_full_after,
        }
    }

    fn update(&self, project: &str, change: impl FnOnce(&mut ProjectUsage)) {
        change(self.projects.lock().entry(project.to_owned()).or_default());
    }

    fn get(&self, project: &str) -> ProjectUsage {
        self.projects
            .lock()
            .get(project)
            .copied()
            .unwrap_or_default()
    }

    /// The project has so many accounts.
    pub fn set_count(&self, project: &str, used: u64) {
        self.update(project, |usage| {
            usage.used = Some(used);
            // With fewer accounts than when it was full, there is room again.
            usage.full = usage.full.filter(|(_, at)| used >= *at);
        });
    }

    /// An account was created.
    pub fn add_created(&self, project: &str) {
        self.update(project, |usage| {
            usage.used = usage.used.map(|used| used.saturating_add(1));
            usage.full = None;
        });
    }

    /// An account was deleted.
    pub fn add_deleted(&self, project: &str) {
        self.update(project, |usage| {
            usage.used = usage.used.map(|used| used.saturating_sub(1));
            usage.full = None;
        });
    }

    /// Google refused a creation because the project is full.
    pub fn mark_full(&self, project: &str) {
        self.update(project, |usage| {
            usage.full = Some((Instant::now(), usage.used.unwrap_or_default()));
        });
    }

    /// Why no account can be created, if none can: the admin's limit is reached, or Google has refused recently.
    #[must_use]
    pub fn refusal(&self, project: &str, limit: Option<u64>) -> Option<String> {
        let usage = self.get(project);
        let remedy = "delete accounts that are not used, ask Google for a higher quota, or set whenFull: direct in the class";
        if let (Some(used), Some(limit)) = (usage.used, limit)
            && used >= limit
        {
            return Some(format!(
                "project {project} has {used} of {limit} Google service accounts: {remedy}"
            ));
        }
        let (since, used) = usage.full?;
        let wait = self.retry_full_after.checked_sub(since.elapsed())?;
        if wait.is_zero() {
            return None;
        }
        let count = match used {
            0 => String::new(),
            used => format!(" It has {used}."),
        };
        Some(format!(
            "Google creates no more service accounts in project {project}.{count} The broker tries again in {} s: {remedy}",
            wait.as_secs()
        ))
    }

    /// How many accounts a project has, and how many it had when Google said that it is full.
    #[must_use]
    pub fn used(&self, project: &str) -> (Option<u64>, Option<u64>) {
        let usage = self.get(project);
        let full_at = usage.full.map(|(_, used)| used).filter(|used| *used > 0);
        (usage.used, full_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_an_admin_is_respected() {
        let quotas = ProjectQuotas::new(Duration::from_mins(10));
        assert_eq!(quotas.refusal("acme", Some(100)), None);
        quotas.set_count("acme", 99);
        assert_eq!(quotas.refusal("acme", Some(100)), None);
        quotas.add_created("acme");
        let why = quotas.refusal("acme", Some(100)).unwrap();
        assert!(
            why.contains("100 of 100") && why.contains("whenFull"),
            "{why}"
        );
        assert_eq!(quotas.refusal("acme", None), None);
        assert_eq!(quotas.refusal("other", Some(100)), None);
    }

    #[test]
    fn a_full_project_is_remembered_until_it_has_room() {
        let quotas = ProjectQuotas::new(Duration::from_mins(10));
        quotas.set_count("acme", 100);
        quotas.mark_full("acme");
        assert!(quotas.refusal("acme", None).unwrap().contains("has 100"));
        assert_eq!(quotas.used("acme"), (Some(100), Some(100)));
        quotas.set_count("acme", 100);
        assert!(quotas.refusal("acme", None).is_some());
        quotas.set_count("acme", 99);
        assert_eq!(quotas.refusal("acme", None), None);
        quotas.mark_full("acme");
        quotas.add_deleted("acme");
        assert_eq!(quotas.refusal("acme", None), None);
        let hasty = ProjectQuotas::new(Duration::ZERO);
        hasty.mark_full("acme");
        assert_eq!(hasty.refusal("acme", None), None);
    }
}
