//! What makes the broker try a refused step again at once: other rules, or an admin who asks for it. Pure.

use kube::ResourceExt;
use namesake_api::{Identity, names};
use namesake_core::Rules;

/// What an admin can change to have a refused step tried again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetryTrigger {
    /// Revision of the rules in force.
    revision: String,
    /// Value of [`names::RETRY_ANNOTATION`] on the Identity.
    annotation: Option<String>,
}

impl RetryTrigger {
    /// The current values.
    #[must_use]
    pub fn of(identity: &Identity, rules: Option<&Rules>) -> Self {
        let revision = rules.map(|rules| rules.revision().to_owned());
        let annotation = identity.annotations().get(names::RETRY_ANNOTATION);
        Self {
            revision: revision.unwrap_or_default(),
            annotation: annotation.cloned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    #[test]
    fn other_rules_and_another_value_of_the_annotation_trigger_a_retry() {
        let mut identity = fixtures::identity();
        let (rules, others) = (fixtures::rules(), fixtures::rules_with("  idleAfter: 9d\n"));
        let before = RetryTrigger::of(&identity, Some(&rules));
        assert_eq!(before, RetryTrigger::of(&identity, Some(&rules)));
        assert_ne!(before, RetryTrigger::of(&identity, Some(&others)));
        let annotations = identity.metadata.annotations.get_or_insert_default();
        annotations.insert("somebody.example/note".into(), "1".into());
        assert_eq!(before, RetryTrigger::of(&identity, Some(&rules)));
        let annotations = identity.metadata.annotations.get_or_insert_default();
        annotations.insert(names::RETRY_ANNOTATION.into(), "1".into());
        assert_ne!(before, RetryTrigger::of(&identity, Some(&rules)));
    }
}
