//! Creations of accounts that the organization refuses in a project: what one identity has heard counts for all of them for a
//! while, so that ten thousand newcomers cost one call and not ten thousand.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use namesake_gcp::{Error, Failure, Refusal};
use tokio::time::Instant;

/// What was refused lately, by project.
#[derive(Default)]
pub(crate) struct RefusedCreations(Mutex<HashMap<String, Refused>>);

#[derive(Clone)]
struct Refused {
    message: String,
    by: Refusal,
    at: Instant,
    rules: String,
}

impl RefusedCreations {
    /// The refusal of what is tried in `project`, if the organization has refused the same within `period` and under the same
    /// rules. `until` is how long that counts, and the time.
    pub(crate) fn standing(
        &self,
        project: &str,
        what: String,
        until: (Duration, Instant),
        rules: &str,
    ) -> Option<Error> {
        let (period, now) = until;
        let refused = self.lock().get(project).cloned()?;
        let stands = now.duration_since(refused.at) < period && refused.rules == rules;
        stands.then_some(Error::Refused {
            failure: Failure {
                what,
                message: refused.message,
            },
            by: refused.by,
        })
    }

    /// What a creation in `project` has come to.
    pub(crate) fn learn<T>(
        &self,
        project: &str,
        rules: &str,
        outcome: &Result<T, Error>,
        now: Instant,
    ) {
        match outcome {
            Err(Error::Refused { failure, by }) => {
                let refused = Refused {
                    message: failure.message.clone(),
                    by: by.clone(),
                    at: now,
                    rules: rules.to_owned(),
                };
                self.lock().insert(project.to_owned(), refused);
            }
            Ok(_) => {
                self.lock().remove(project);
            }
            Err(_) => {}
        }
    }

    /// An admin has asked for another try: refusals count no more, but for those of this moment.
    pub(crate) fn forget(&self, moment: Duration, now: Instant) {
        self.lock()
            .retain(|_, refused| now.duration_since(refused.at) < moment);
    }

    // Never held across an await.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Refused>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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

    fn said(
        creations: &RefusedCreations,
        (project, rules): (&str, &str),
        now: Instant,
    ) -> Option<String> {
        let what = "create service account mf-bob".to_owned();
        let standing = creations.standing(project, what, (PERIOD, now), rules);
        standing.map(|error| error.to_string())
    }

    #[test]
    fn a_refusal_counts_for_the_others_of_its_project_for_a_while_and_names_what_they_try() {
        let (creations, now) = (RefusedCreations::default(), Instant::now());
        assert_eq!(said(&creations, ("acme", "1"), now), None);
        creations.learn("acme", "1", &refused(), now);
        let text = said(&creations, ("acme", "1"), now).unwrap();
        assert!(
            text.starts_with("create service account mf-bob: not allowed"),
            "{text}"
        );
        assert_eq!(said(&creations, ("other", "1"), now), None);
        assert_eq!(said(&creations, ("acme", "2"), now), None, "other rules");
        assert_eq!(said(&creations, ("acme", "1"), now + PERIOD), None);
    }

    #[test]
    fn a_creation_that_succeeds_or_an_admin_who_asks_ends_it() {
        let (creations, now) = (RefusedCreations::default(), Instant::now());
        let stands = |now| said(&creations, ("acme", "1"), now).is_some();
        creations.learn("acme", "1", &refused(), now);
        creations.learn("acme", "1", &Ok(()), now);
        assert!(!stands(now));
        creations.learn("acme", "1", &refused(), now);
        creations.forget(MOMENT, now);
        assert!(stands(now), "it was tried a moment ago");
        creations.forget(MOMENT, now + MOMENT);
        assert!(!stands(now + MOMENT));
    }
}
