//! `match`: the conditions of a rule.

use std::collections::BTreeMap;

use serde::Serialize;

use super::launcher::Launcher;
use crate::{
    names::{Glob, is_dns_label, is_label_key, is_label_value, is_metaflow_name},
    rules::yaml::{
        Fields, Item, invalid,
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
            user: fields.get("user").and_then(|item| item.read(user_glob)),
            group: fields.get("group").and_then(|item| item.read(group)),
            anyone: fields
                .get("anyone")
                .is_some_and(|item| item.flag() == Some(true)),
            namespace: read_glob(&mut fields, "namespace", is_dns_label),
            launcher: fields
                .get("launcher")
                .and_then(|item| item.read(|text| word(text, &Launcher::words()))),
            flow: read_glob(&mut fields, "flow", is_metaflow_name),
            step: read_glob(&mut fields, "step", is_metaflow_name),
            project: read_glob(&mut fields, "project", is_metaflow_name),
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
