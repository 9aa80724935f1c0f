//! `rules`: which pods get what.

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

/// One rule: the first one that matches decides.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Rule {
    pub(crate) name: String,
    #[serde(rename = "match")]
    pub(crate) on: Match,
    #[serde(flatten)]
    pub(crate) effect: Effect,
}

/// Conditions on a pod; all that are there must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Match {
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

/// What a rule gives.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub(crate) enum Effect {
    /// Nothing: the message of the admin.
    Deny { deny: String },
    /// An account that the admin made.
    ServiceAccount { service_account: String },
    /// An identity of this class.
    Identity { identity: String },
}

/// What a person made that a pod comes from, as stamps and creators prove; with `Pod`, the requester did it without a
/// controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Launcher {
    /// Nobody but the requester.
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

    /// The word in the rules: the kind.
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

/// What happens to a pod that no rule matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum NoMatch {
    /// It is refused.
    Deny,
    /// It stays as it is.
    Keep,
}

impl Rule {
    pub(crate) fn read(
        item: &Item<'_>,
        classes: &[Class],
        class_names: &BTreeSet<&str>,
    ) -> Option<Rule> {
        let problems = item.problems();
        let mut fields = item.fields()?;
        let name = fields
            .need("name", "give the rule a name")
            .and_then(|item| item.read(label));
        let on = fields
            .need("match", "say which pods; {} is all of them")
            .and_then(|item| Match::read(&item));
        let effect = Effect::read(&mut fields, class_names);
        fields.close();
        let rule = Rule {
            name: name?,
            on: on?,
            effect: effect?,
        };
        // A condition that could not be read is missing here, and has been reported.
        if let Some(gives) = rule
            .gives_without_proof(classes)
            .filter(|_| item.problems() == problems)
        {
            let what = format!(
                "the rule gives {gives} to whoever writes the right labels, because it asks for no user (* is everybody) and no group"
            );
            item.report(wrong(
                what,
                "add user or group to match, or say anyone: true in match",
            ));
        }
        Some(rule)
    }

    /// Power comes from proof: what the rule gives although neither it nor the class asks who it is.
    fn gives_without_proof(&self, classes: &[Class]) -> Option<String> {
        if self.on.is_proof() || self.on.anyone {
            return None;
        }
        match &self.effect {
            Effect::Deny { .. } => None,
            Effect::ServiceAccount { service_account } => {
                Some(format!("service account {service_account}"))
            }
            Effect::Identity { identity } => {
                let class = classes.iter().find(|class| class.name == *identity)?;
                (!class.entitled.is_proof()).then(|| format!("an identity of class {identity}"))
            }
        }
    }
}

impl Match {
    /// Whether it asks for something that only proof can give.
    fn is_proof(&self) -> bool {
        self.group.is_some() || self.user.as_ref().is_some_and(|user| !user.is_everything())
    }

    fn read(item: &Item<'_>) -> Option<Match> {
        let mut fields = item.fields()?;
        let read = Match {
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
        if read.anyone && (read.user.is_some() || read.group.is_some()) {
            item.report(wrong(
                "anyone: true together with user or group",
                "remove one of them",
            ));
        }
        fields.close();
        Some(read)
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
                let legal = !text.trim().is_empty() && text.len() <= MAX_DENY_BYTES && !text.chars().any(char::is_control);
                let what = || format!("{} is no message", quoted(text));
                let remedy = || format!("write one line of at most {MAX_DENY_BYTES} bytes that tells people what to do");
                if legal { Ok(Effect::Deny { deny: text.to_owned() }) } else { Err(wrong(what(), remedy())) }
            }),
            (None, Some(account), None) => {
                Some(Effect::ServiceAccount { service_account: account.read(service_account)? })
            }
            (None, None, Some(identity)) => identity.read(|text| {
                if class_names.contains(text) {
                    return Ok(Effect::Identity { identity: text.to_owned() });
                }
                let known: Vec<&str> = class_names.iter().copied().collect();
                let remedy = format!("add it to identities, or write one of: {}", known.join(", "));
                Err(wrong(format!("there is no class {}", quoted(text)), remedy))
            }),
            _ => {
                let remedy = "write exactly one of deny, serviceAccount and identity";
                fields.item.report(wrong("the rule must give exactly one thing", remedy));
                None
            }
        }
    }
}
