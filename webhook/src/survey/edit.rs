//! What an edit of the rules does to the identities and parents in memory. `kubectl namesake replay` reads them whole, and counts the
//! same ones.

use std::sync::Arc;

use namesake_core::{Claims, Decision, EditEffect, IdentityChoice, PodAttributes, Rules, Stamp};

use super::context;
use crate::decide::kinds;
use crate::decide::known::KnownParent;
use crate::decide::validate::edit::EditCounts;
use crate::decide::who::stamp;
use crate::state::State;

/// Counts what an edit from the rules in force to `new` takes away or changes. Nothing if the edit is of another stack, whose
/// identities and stamps are others anyway.
#[must_use]
pub(crate) fn count_edit(state: &State, old: &Arc<Rules>, new: &Rules) -> EditCounts {
    let mut counts = EditCounts::default();
    if old.stack() != new.stack() {
        return counts;
    }
    count_identities(state, old, new, &mut counts);
    count_parents(state, old, new, &mut counts);
    counts
}

fn count_identities(state: &State, old: &Rules, new: &Rules, counts: &mut EditCounts) {
    state.identities.filter_map(|namespace, _, identity| {
        let (class, user) = (&identity.class, &identity.user);
        let effect = |new: &Rules| old.effect_on_identity(new, namespace, class, user);
        // What is being removed already is not taken away by the edit.
        if identity.service_account_uid.is_some() && effect(old) == EditEffect::Keeps {
            counts.add_identity(effect(new), old.loses_grant(new, class));
        }
        None::<()>
    });
}

fn count_parents(state: &State, old: &Arc<Rules>, new: &Rules, counts: &mut EditCounts) {
    let Some(keys) = state.keys() else { return };
    for namespace in state.namespaces.of_stack(old.stack()) {
        let context = context(state, old, &keys, &namespace);
        for (uid, parent) in state.parents.of(&namespace) {
            if !creates_pods(&parent) {
                continue;
            }
            let stamp = stamp::of_known(&context, &namespace, &uid, &parent);
            let effect = stamp
                .and_then(Result::ok)
                .and_then(|stamp| effect_on_parent((old, new), &namespace, &stamp));
            if let Some(effect) = effect {
                counts.parents.add(effect);
            }
        }
    }
}

// Whether pods may still be created from it. What is only referred to creates none, and what a controller created belongs to the
// object from which it was created.
fn creates_pods(parent: &KnownParent) -> bool {
    let kind = kinds::named(parent.kind);
    let creates = kind.is_some_and(|(_, kind)| kind.creates.is_some());
    creates && !parent.is_child && !parent.has_ended
}

// What happens to the next pod of a parent, as far as its stamp says what that is: without labels, flow, step and project.
fn effect_on_parent(
    (old, new): (&Rules, &Rules),
    namespace: &str,
    stamp: &Stamp,
) -> Option<EditEffect> {
    let user = stamp.user.as_ref()?;
    let launcher = stamp
        .root
        .or_else(|| kinds::named(&stamp.kind).map(|(_, parent)| parent.launcher))?;
    let decide = |rules: &Rules| {
        let decision = rules.decide(&PodAttributes {
            user,
            groups: &stamp.groups,
            namespace,
            launcher,
            claims: Claims {
                flow: None,
                step: None,
                project: None,
                labels: &|_| None,
            },
        });
        Account::of(decision)
    };
    Some(match (decide(old), decide(new)) {
        (None, _) => EditEffect::Keeps,
        (Some(_), None) => EditEffect::Loses,
        (Some(Account::Identity(before)), Some(Account::Identity(after)))
            if before.name == after.name =>
        {
            let user = before.user.as_str();
            old.effect_on_identity(new, namespace, &before.class, user)
        }
        (Some(before), Some(after)) if before == after => EditEffect::Keeps,
        (Some(_), Some(_)) => EditEffect::Changes,
    })
}

// The account that a decision gives.
#[derive(PartialEq)]
enum Account {
    Identity(IdentityChoice),
    OfAdmin(String),
}

impl Account {
    fn of(decision: Decision) -> Option<Self> {
        match decision {
            Decision::Identity(choice) => Some(Self::Identity(choice)),
            Decision::ServiceAccount { name, .. } => Some(Self::OfAdmin(name)),
            Decision::Keep | Decision::Deny(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_creates_no_pods_of_its_own_does_not_count() {
        let parent = |kind| KnownParent {
            kind,
            name: "nightly".into(),
            generate_name: None,
            created: 0,
            stamp: None,
            runs: None,
            is_child: false,
            has_ended: false,
        };
        assert!(creates_pods(&parent("batch/Job")));
        assert!(creates_pods(&parent("batch/CronJob")));
        assert!(!creates_pods(&KnownParent {
            is_child: true,
            ..parent("batch/Job")
        }));
        assert!(!creates_pods(&KnownParent {
            has_ended: true,
            ..parent("batch/Job")
        }));
        assert!(!creates_pods(&parent("argoproj.io/WorkflowTemplate")));
    }
}
