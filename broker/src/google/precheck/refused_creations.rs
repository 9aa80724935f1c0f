//! Creations of service accounts that the organization refuses in a project. For a while, the refusal of one counts for all in the
//! project, so that ten thousand new users cost one call.

use std::collections::HashMap;
use std::time::Duration;

use namesake_gcp::{Error, Failure, Refusal};
use parking_lot::Mutex;
use tokio::time::Instant;

/// The last refusal, by project.
#[derive(Default)]
pub(crate) struct RefusedCreations(Mutex<HashMap<String, Refused>>);

#[derive(Clone)]
struct Refused {
    message: String,
    by: Refusal,
    at: Instant,
    revision: String,
}

impl RefusedCreations {
    /// The refusal of a creation in `project`, if the organization refused one less than `period` before `now`, under the same
    /// revision of the rules.
    pub(crate) fn current(
        &self,
        project: &str,
        what: String,
        (period, now): (Duration, Instant),
        revision: &str,
    ) -> Option<Error> {
        let refused = self.0.lock().get(project).cloned()?;
        let counts = now.duration_since(refused.at) < period && refused.revision == revision;
        counts.then_some(Error::Refused {
            failure: Failure {
                what,
                message: refused.message,
            },
            by: refused.by,
        })
    }

    /// Records the outcome of a creation in `project`.
    pub(crate) fn record<T>(
        &self,
        project: &str,
        revision: &str,
        outcome: &Result<T, Error>,
        now: Instant,
    ) {
        match outcome {
            Err(Error::Refused { failure, by }) => {
                let refused = Refused {
                    message: failure.message.clone(),
                    by: by.clone(),
                    at: now,
                    revision: revision.to_owned(),
                };
                self.0.lock().insert(project.to_owned(), refused);
            }
            Ok(_) => {
                self.0.lock().remove(project);
            }
            Err(_) => {}
        }
    }

    /// Forgets refusals older than `age`, because an admin asks for another attempt.
    pub(crate) fn forget(&self, age: Duration, now: Instant) {
        self.0
            .lock()
            .retain(|_, refused| now.duration_since(refused.at) < age);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> Result<(), Error> {
        Err(Error::Refused {
            failure: Failure {
                what: "create service account mf-alice".to_owned(),
                message: "not allowed".to_owned(),
            },
            by: Refusal::OrganizationPolicy {
                constraints: vec!["constraints/iam.disableServiceAccountCreation".to_owned()],
                members: Vec::new(),
            },
        })
    }

    const PERIOD: Duration = Duration::from_mins(5);
    const MOMENT: Duration = Duration::from_secs(2);

    fn message(
        creations: &RefusedCreations,
        (project, rules): (&str, &str),
        now: Instant,
    ) -> Option<String> {
        let what = "create service account mf-bob".to_owned();
        let refusal = creations.current(project, what, (PERIOD, now), rules);
        refusal.map(|error| error.to_string())
    }

    #[test]
    fn a_refusal_counts_for_others_in_the_project_for_a_while_and_names_their_own_account() {
        let (creations, now) = (RefusedCreations::default(), Instant::now());
        assert_eq!(message(&creations, ("acme", "1"), now), None);
        creations.record("acme", "1", &refused(), now);
        let text = message(&creations, ("acme", "1"), now).unwrap();
        assert!(
            text.starts_with("create service account mf-bob: not allowed"),
            "{text}"
        );
        assert_eq!(message(&creations, ("other", "1"), now), None);
        assert_eq!(message(&creations, ("acme", "2"), now), None, "other rules");
        assert_eq!(message(&creations, ("acme", "1"), now + PERIOD), None);
    }

    #[test]
    fn a_successful_creation_or_an_admin_who_asks_ends_a_refusal() {
        let (creations, now) = (RefusedCreations::default(), Instant::now());
        let is_refused = |now| message(&creations, ("acme", "1"), now).is_some();
        creations.record("acme", "1", &refused(), now);
        creations.record("acme", "1", &Ok(()), now);
        assert!(!is_refused(now));
        creations.record("acme", "1", &refused(), now);
        creations.forget(MOMENT, now);
        assert!(is_refused(now), "it was refused a moment ago");
        creations.forget(MOMENT, now + MOMENT);
        assert!(!is_refused(now + MOMENT));
    }
}
