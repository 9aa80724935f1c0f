//! Parents without a proven requester, the keys that signed the stamps, and what an edit of the rules does to what exists: computed
//! from memory on request.

mod edit;

use std::collections::BTreeMap;
use std::sync::Arc;

use namesake_api::UnprovenParent;
use namesake_core::{ArgoStamp, KeyRing, Rules, Stamp};
use namesake_service::gauge_value;

use crate::decide::context::AdmissionContext;
use crate::decide::who::stamp;
use crate::state::State;
use crate::state::metrics::Metrics;

pub(crate) use edit::count_edit;

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
