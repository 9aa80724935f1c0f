//! Parents without a proven requester, the keys that signed the stamps, and what an edit of the rules does to what exists: computed
//! from memory on request.

use std::collections::BTreeMap;
use std::sync::Arc;

use namesake_api::UnprovenParent;
use namesake_core::{
    ArgoStamp, Claims, Decision, EditEffect, KeyRing, PodAttributes, Rules, Stamp,
};
use namesake_service::gauge_value;

use crate::decide::context::AdmissionContext;
use crate::decide::kinds;
use crate::decide::validate::edit::EditCounts;
use crate::decide::who::stamp;
use crate::state::State;
use crate::state::metrics::Metrics;

/// Figures about all stamps in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Parents without a valid stamp that names a user, in order.
    pub unproven: Vec<UnprovenParent>,
    /// How many valid stamps each key has signed.
    pub keys: BTreeMap<String, usize>,
}

/// What the stamps of a namespace are checked by.
fn context(
    state: &State,
    rules: &Arc<Rules>,
    keys: &Arc<KeyRing>,
    namespace: &str,
) -> AdmissionContext {
    let opted_in = state.namespaces.get(namespace, rules.stack());
    AdmissionContext {
        decides_last: false,
        rules: Arc::clone(rules),
        keys: Arc::clone(keys),
        now: state.now(),
        epoch: opted_in.map(|opted_in| opted_in.epoch).unwrap_or_default(),
        is_inside: false,
        acts_for: None,
    }
}

impl Survey {
    /// Reads the stamp of every parent in memory.
    #[must_use]
    pub fn of(state: &State) -> Survey {
        let mut survey = Survey::default();
        let (Some(rules), Some(keys)) = (state.rules.get(), state.keys()) else {
            return survey;
        };
        survey.keys = keys.ids().map(|id| (id.to_owned(), 0)).collect();
        for namespace in state.namespaces.of_stack(rules.stack()) {
            let context = context(state, &rules, &keys, &namespace);
            survey.add_namespace(state, &context, &namespace);
        }
        survey.unproven.sort();
        survey
    }

    fn add_namespace(&mut self, state: &State, context: &AdmissionContext, namespace: &str) {
        for (uid, parent) in state.parents.of(namespace) {
            let why = match stamp::of_known(context, namespace, &uid, &parent) {
                Some(Ok(stamp)) => {
                    let id = parent.stamp.as_deref().and_then(KeyRing::id_in);
                    let id = id.unwrap_or_default();
                    *self.keys.entry(id.to_owned()).or_default() += 1;
                    no_proven_requester(&stamp)
                }
                Some(Err(error)) => Some(format!("its stamp is not valid: {error}")),
                None => Some("it has no stamp".to_owned()),
            };
            self.unproven.extend(why.map(|why| UnprovenParent {
                namespace: namespace.to_owned(),
                kind: parent.kind.into(),
                name: parent.name.to_string(),
                why,
            }));
        }
    }

    /// Writes the survey into the metrics.
    pub fn count(&self, metrics: &Metrics) {
        metrics.parents_without_stamp.clear();
        for parent in &self.unproven {
            let (namespace, kind) = (parent.namespace.clone(), parent.kind.to_string());
            let labels = [("parent_namespace", namespace), ("kind", kind)];
            metrics.parents_without_stamp.get_or_create(&labels).inc();
        }
        metrics.stamps.clear();
        for (key, count) in &self.keys {
            let stamps = metrics.stamps.get_or_create(&[("key", key.clone())]);
            stamps.set(gauge_value(*count));
        }
    }
}

// Why an object with a valid stamp has no proven requester. Whoever starts what another deployed does not have to be a user.
fn no_proven_requester(stamp: &Stamp) -> Option<String> {
    let is_deployed = matches!(
        stamp.argo,
        Some(ArgoStamp::Reference { .. } | ArgoStamp::Deployed(_) | ArgoStamp::Unmatched)
    );
    (stamp.user.is_none() && !is_deployed).then(|| {
        let requester = &stamp.requester;
        format!("no users entry of the rules matches {requester}, who created it")
    })
}

/// Counts what an edit from the rules in force to `new` takes away or changes. Nothing if the edit is of another stack, whose
/// identities and stamps are others anyway.
#[must_use]
pub(crate) fn count_edit(state: &State, old: &Arc<Rules>, new: &Rules) -> EditCounts {
    let mut counts = EditCounts::default();
    if old.stack() != new.stack() {
        return counts;
    }
    state.identities.filter_map(|namespace, _, identity| {
        // One that is being removed is not taken away by the edit.
        if identity.service_account_uid.is_some() {
            let (class, user) = (&identity.class, &identity.user);
            let effect = old.effect_on_identity(new, namespace, class, user);
            counts.identities.add(effect);
        }
        None::<()>
    });
    let Some(keys) = state.keys() else {
        return counts;
    };
    for namespace in state.namespaces.of_stack(old.stack()) {
        let context = context(state, old, &keys, &namespace);
        for (uid, parent) in state.parents.of(&namespace) {
            let stamp = stamp::of_known(&context, &namespace, &uid, &parent);
            let effect = stamp
                .and_then(Result::ok)
                .and_then(|stamp| effect_on_parent(old, new, &namespace, &stamp));
            if let Some(effect) = effect {
                counts.parents.add(effect);
            }
        }
    }
    counts
}

// What happens to the next pod of a parent, as far as its stamp says what that is: without labels, flow, step and project.
fn effect_on_parent(
    old: &Rules,
    new: &Rules,
    namespace: &str,
    stamp: &Stamp,
) -> Option<EditEffect> {
    let user = stamp.user.as_ref()?;
    let launcher = stamp
        .root
        .or_else(|| kinds::named(&stamp.kind).map(|(_, parent)| parent.launcher))?;
    let decide = |rules: &Rules| {
        rules.decide(&PodAttributes {
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
        })
    };
    Some(match (account(decide(old)), account(decide(new))) {
        (None, _) => EditEffect::Keeps,
        (Some(_), None) => EditEffect::Loses,
        (Some(old), Some(new)) if old == new => EditEffect::Keeps,
        (Some(_), Some(_)) => EditEffect::Changes,
    })
}

// The account that a decision gives.
fn account(decision: Decision) -> Option<String> {
    match decision {
        Decision::Identity(choice) => Some(choice.name.to_string()),
        Decision::ServiceAccount { name, .. } => Some(name),
        Decision::Keep | Decision::Deny(_) => None,
    }
}
