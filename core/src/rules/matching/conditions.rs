//! `match`: the conditions of a rule.

use std::collections::BTreeMap;

use serde::Serialize;

use super::launcher::Launcher;
use crate::{
    names::{Glob, is_dns_label, is_label_key, is_label_value, is_metaflow_name},
    rules::yaml::{
        Item, invalid,
        values::{group, name_glob, user_glob, word},
    },
};

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

impl Conditions {
    /// Whether they require a proven user or group.
    pub(super) fn require_proof(&self) -> bool {
        self.group.is_some()
            || self
                .user
                .as_ref()
                .is_some_and(|user| !user.matches_everything())
    }

    pub(super) fn read(item: &Item<'_>) -> Option<Conditions> {
        let mut fields = item.fields()?;
        let conditions = Conditions {
            user: fields.optional("user", user_glob),
            group: fields.optional("group", group),
            anyone: fields.flag("anyone"),
            namespace: fields.optional("namespace", name_glob("namespace", is_dns_label)),
            launcher: fields.optional("launcher", |text| word(text, &Launcher::words())),
            flow: fields.optional("flow", name_glob("flow", is_metaflow_name)),
            step: fields.optional("step", name_glob("step", is_metaflow_name)),
            project: fields.optional("project", name_glob("project", is_metaflow_name)),
            labels: fields
                .get("labels")
                .map(|item| read_labels(&item))
                .unwrap_or_default(),
        };
        if conditions.anyone && (conditions.user.is_some() || conditions.group.is_some()) {
            item.report(invalid(
                "anyone: true together with user or group",
                "remove one of them",
            ));
        }
        fields.report_unknown_keys();
        Some(conditions)
    }
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
                invalid(
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
