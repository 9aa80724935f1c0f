//! What has no proven person, and which keys stamps were signed with: looked up in memory when somebody asks.

use std::collections::BTreeMap;

use namesake_core::{Argo, KeyRing, SeenObject, Stamp};
use serde::Serialize;

use crate::decide::context::AdmissionContext;
use crate::decide::who::verify;
use crate::state::State;
use crate::state::metrics::{KeyLabels, UnprovenLabels};

/// A parent whose pods would run as nobody.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Unproven {
    /// Its namespace.
    pub namespace: String,
    /// Its kind, as in stamps.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Why it has no proven person.
    pub why: String,
}

/// What all stamps in memory say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Parents without a stamp that counts and names a user, in order.
    pub unproven: Vec<Unproven>,
    /// How many stamps count that were signed with each key we have.
    pub keys: BTreeMap<String, usize>,
}

impl State {
    /// Looks at the stamp of every parent in memory.
    #[must_use]
    pub fn survey(&self) -> Survey {
        let mut survey = Survey::default();
        let (Some(rules), Some(keys)) = (self.rules.get(), self.keys()) else {
            return survey;
        };
        survey.keys = keys.ids().map(|id| (id.to_owned(), 0)).collect();
        for namespace in self.namespaces.names() {
            let Some(opted_in) = self.namespaces.get(&namespace, rules.stack()) else {
                continue;
            };
            let context = AdmissionContext {
                rules: &rules,
                keys: &keys,
                now: self.now(),
                epoch: &opted_in.epoch,
                inside: false,
                acts_for: None,
            };
            for (uid, parent) in self.parents.of(&namespace) {
                let seen = SeenObject {
                    stack: rules.stack(),
                    namespace: &namespace,
                    kind: parent.kind,
                    name: &parent.name,
                    generate_name: parent.generate_name.as_deref(),
                    uid: &uid,
                    created: parent.created,
                    epoch: &opted_in.epoch,
                };
                let text = parent.stamp.as_deref();
                let why = match text.map(|text| verify(&context, text, &seen)) {
                    Some(Ok(stamp)) => {
                        let id = text.and_then(KeyRing::id_in).unwrap_or_default();
                        *survey.keys.entry(id.to_owned()).or_default() += 1;
                        let Some(why) = nobodys(&stamp) else {
                            continue;
                        };
                        why
                    }
                    Some(Err(void)) => format!("its stamp is void: {void}"),
                    None => "it has no stamp".to_owned(),
                };
                survey.unproven.push(Unproven {
                    namespace: namespace.clone(),
                    kind: parent.kind,
                    name: parent.name.to_string(),
                    why,
                });
            }
        }
        survey.unproven.sort();
        survey
    }

    /// Writes a survey into the metrics.
    pub fn count_surveyed(&self, survey: &Survey) {
        self.metrics.unproven.clear();
        for one in &survey.unproven {
            let labels = UnprovenLabels {
                namespace: one.namespace.clone(),
                kind: one.kind,
            };
            self.metrics.unproven.get_or_create(&labels).inc();
        }
        self.metrics.stamps.clear();
        for (key, count) in &survey.keys {
            let labels = KeyLabels { key: key.clone() };
            let count = i64::try_from(*count).unwrap_or(i64::MAX);
            self.metrics.stamps.get_or_create(&labels).set(count);
        }
    }
}

// Why nobody is proven to have made what has a stamp that counts. Who starts what another deployed may be anybody.
fn nobodys(stamp: &Stamp) -> Option<String> {
    let deployed = matches!(
        stamp.argo,
        Some(Argo::Reference { .. } | Argo::Deployed(_) | Argo::Unmatched)
    );
    let unknown = stamp.user.is_none() && !deployed;
    unknown.then(|| {
        let requester = &stamp.requester;
        format!("{requester}, who made it, is no user that the rules know")
    })
}
