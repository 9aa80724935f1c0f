//! `rules`: conditions, and what pods that match them get.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::names::{Glob, is_dns_label, is_label_key, is_label_value, is_metaflow_name, quoted};

use super::{
    classes::Class,
    yaml::{
        Fields, Item,
        values::{group, label, name_glob, service_account, user_glob, word},
        wrong,
    },
};

/// Longest message of a `deny`, in bytes.
const MAX_DENY_BYTES: usize = 1000;

/// One rule. The first one that matches applies.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Rule {
    pub(crate) name: String,
    #[serde(rename = "match")]
    pub(crate) conditions: Conditions,
    #[serde(flatten)]
    pub(crate) effect: Effect,
}

/// Conditions on a pod; all that are given must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Conditions {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<Glob>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) anyone: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) namespace: Option<Glob>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) launcher: Option<Launcher>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) flow: Option<Glob>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) step: Option<Glob>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) project: Option<Glob>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) labels: BTreeMap<String, Glob>,
}

/// What a pod that a rule matches gets.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub(crate) enum Effect {
    /// A refusal with the admin's message.
    Deny { deny: String },
    /// A service account that an admin created.
    ServiceAccount { service_account: String },
    /// An identity of this class.
    Identity { identity: String },
}

/// The kind of object that a person created and from which the pod was created, as stamps and requesters prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Launcher {
    /// The pod itself: no controller created it.
    Pod,
    /// A Job.
    Job,
    /// A CronJob.
    CronJob,
    /// A JobSet.
    JobSet,
    /// An Argo Workflow.
    Workflow,
}

impl Launcher {
    pub(crate) const WORDS: [(&'static str, Launcher); 5] = [
        ("Pod", Launcher::Pod),
        ("Job", Launcher::Job),
        ("CronJob", Launcher::CronJob),
        ("JobSet", Launcher::JobSet),
        ("Workflow", Launcher::Workflow),
    ];

    /// The word in the rules, which is the kind.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Launcher::Pod => "Pod",
            Launcher::Job => "Job",
            Launcher::CronJob => "CronJob",
            Launcher::JobSet => "JobSet",
            Launcher::Workflow => "Workflow",
        }
    }
}

/// `noMatch`: what happens to a pod that no rule matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum NoMatch {
    /// It is refused.
    Deny,
    /// It is not changed.
    Keep,
}

impl Rule {
    pub(crate) fn read(
        item: &Item<'_>,
        classes: &[Class],
        class_names: &BTreeSet<&str>,
    ) -> Option<Rule> {
        let problems = item.count_problems();
        let mut fields = item.fields()?;
        let name = fields
            .require("name", "give the rule a name")
            .and_then(|item| item.read(label));
        let conditions = fields
            .require("match", "say which pods; {} is all of them")
            .and_then(|item| Conditions::read(&item));
        let effect = Effect::read(&mut fields, class_names);
        fields.report_unknown_keys();
        let rule = Rule {
            name: name?,
            conditions: conditions?,
            effect: effect?,
        };
        // A condition that could not be read has been reported, and is missing here.
        if let Some(gives) = rule
            .gives_without_proof(classes)
            .filter(|_| item.count_problems() == problems)
        {
            let what = format!(
                "the rule gives {gives} to anyone who writes the right labels, because it requires no user (* matches everyone) and no group"
            );
            item.report(wrong(
                what,
                "add user or group to match, or say anyone: true in match",
            ));
        }
        Some(rule)
    }

    /// What the rule gives although neither the rule nor the class requires a proven user or group.
    fn gives_without_proof(&self, classes: &[Class]) -> Option<String> {
        if self.conditions.require_proof() || self.conditions.anyone {
            return None;
        }
        match &self.effect {
            Effect::Deny { .. } => None,
            Effect::ServiceAccount { service_account } => {
                Some(format!("service account {service_account}"))
            }
            Effect::Identity { identity } => {
                let class = classes.iter().find(|class| class.name == *identity)?;
                (!class.entitled.requires_proof())
                    .then(|| format!("an identity of class {identity}"))
            }
        }
    }
}

impl Conditions {
    /// Whether they require a proven user or group.
    fn require_proof(&self) -> bool {
        self.group.is_some()
            || self
                .user
                .as_ref()
                .is_some_and(|user| !user.matches_everything())
    }

    fn read(item: &Item<'_>) -> Option<Conditions> {
        let mut fields = item.fields()?;
        let conditions = Conditions {
            user: fields.get("user").and_then(|item| item.read(user_glob)),
            group: fields.get("group").and_then(|item| item.read(group)),
            anyone: fields
                .get("anyone")
                .is_some_and(|item| item.flag() == Some(true)),
            namespace: read_glob(&mut fields, "namespace", is_dns_label),
            launcher: fields
                .get("launcher")
                .and_then(|item| item.read(|text| word(text, &Launcher::WORDS))),
            flow: read_glob(&mut fields, "flow", is_metaflow_name),
            step: read_glob(&mut fields, "step", is_metaflow_name),
            project: read_glob(&mut fields, "project", is_metaflow_name),
            labels: fields
                .get("labels")
                .map(|item| read_labels(&item))
                .unwrap_or_default(),
        };
        if conditions.anyone && (conditions.user.is_some() || conditions.group.is_some()) {
            item.report(wrong(
                "anyone: true together with user or group",
                "remove one of them",
            ));
        }
        fields.report_unknown_keys();
        Some(conditions)
    }
}

fn read_glob(
    fields: &mut Fields<'_>,
    key: &'static str,
    is_legal: fn(&str) -> bool,
) -> Option<Glob> {
    fields.get(key)?.read(name_glob(key, is_legal))
}

fn read_labels(item: &Item<'_>) -> BTreeMap<String, Glob> {
    let Some(fields) = item.fields() else {
        return BTreeMap::new();
    };
    let mut labels = BTreeMap::new();
    for (key, at, value) in fields.all() {
        if !is_label_key(key) {
            fields.report_key(
                at,
                key,
                wrong(
                    "this is not the key of a label",
                    "write NAME or PREFIX/NAME",
                ),
            );
        }
        labels.extend(
            value
                .read(name_glob("value of a label", is_label_value))
                .map(|glob| (key.to_owned(), glob)),
        );
    }
    labels
}

impl Effect {
    fn read(fields: &mut Fields<'_>, class_names: &BTreeSet<&str>) -> Option<Effect> {
        let (deny, account, identity) = (
            fields.get("deny"),
            fields.get("serviceAccount"),
            fields.get("identity"),
        );
        match (deny, account, identity) {
            (Some(deny), None, None) => deny.read(|text| {
                let legal = !text.trim().is_empty()
                    && text.len() <= MAX_DENY_BYTES
                    && !text.chars().any(char::is_control);
                let what = || format!("{} is not a message", quoted(text));
                let remedy = || {
                    format!("write one line of at most {MAX_DENY_BYTES} bytes that says what to do")
                };
                if legal {
                    Ok(Effect::Deny {
                        deny: text.to_owned(),
                    })
                } else {
                    Err(wrong(what(), remedy()))
                }
            }),
            (None, Some(account), None) => Some(Effect::ServiceAccount {
                service_account: account.read(service_account)?,
            }),
            (None, None, Some(identity)) => identity.read(|text| {
                if class_names.contains(text) {
                    return Ok(Effect::Identity {
                        identity: text.to_owned(),
                    });
                }
                let known: Vec<&str> = class_names.iter().copied().collect();
                let remedy = format!(
                    "add it to identities, or write one of: {}",
                    known.join(", ")
                );
                Err(wrong(format!("there is no class {}", quoted(text)), remedy))
            }),
            _ => {
                let remedy = "write exactly one of deny, serviceAccount and identity";
                fields
                    .item
                    .report(wrong("the rule must have exactly one effect", remedy));
                None
            }
        }
    }
}
