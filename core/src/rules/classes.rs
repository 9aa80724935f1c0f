//! `identities`: the classes. Who is allowed to have an identity of the class, one per what, in which project, with which grants.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::names::Per;

use super::yaml::{
    Fields, Item, invalid,
    values::{label, object_name, project_id, word},
};

mod duration;
mod entitlement;
mod grants;
mod lifecycle;
pub use duration::RulesDuration;
pub use grants::{Grant, GrantTarget};
pub use lifecycle::{BindBy, ForeignMembers, Lifecycle};

pub(crate) use entitlement::Entitlement;

/// A named kind of identity.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Class {
    pub(crate) name: String,
    #[serde(rename = "for")]
    pub(crate) entitlement: Entitlement,
    pub(crate) per: BTreeSet<Per>,
    pub(crate) mode: Mode,
    pub(crate) when_full: WhenFull,
    pub(crate) project: String,
    pub(crate) grants: Vec<Grant>,
    pub(crate) role_bindings: Vec<String>,
    pub(crate) image_pull_secrets: Vec<String>,
    #[serde(flatten)]
    pub(crate) lifecycle: Lifecycle,
}

/// How pods of an identity act at Google.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// The KSA impersonates a GSA of its own.
    Impersonate,
    /// The KSA itself is the principal.
    Direct,
}

/// What happens to a new identity when its project has no room for another GSA.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum WhenFull {
    /// It waits, and says why.
    #[default]
    Wait,
    /// It gets no GSA: the KSA itself is the principal, as in [`Mode::Direct`].
    Direct,
}

impl Class {
    /// Whether pins apply to it: it has one identity per user, each with a GSA.
    pub(crate) fn is_personal(&self) -> bool {
        self.per == BTreeSet::from([Per::User]) && self.mode == Mode::Impersonate
    }

    pub(crate) fn read(item: &Item<'_>) -> Option<Class> {
        let mut fields = item.fields()?;
        let name = fields.required("name", "give the class a name", label);
        let entitlement = fields
            .require(
                "for",
                "say who is allowed to have such an identity: {users: [...], groups: [...]}",
            )
            .and_then(|item| Entitlement::read(&item));
        let per = fields
            .require("per", "say what gets an identity of its own, as [user]")
            .and_then(|item| read_per(&item));
        let modes = [("impersonate", Mode::Impersonate), ("direct", Mode::Direct)];
        let mode = fields.word("mode", modes);
        let when_full = read_when_full(&mut fields, mode);
        let remedy = "name the Google project of the identities";
        let project = fields.required("project", remedy, project_id);
        let grants = fields
            .get("grants")
            .map(|item| read_grants(&item, mode, when_full));
        let role_bindings = fields.texts("roleBindings", object_name);
        let image_pull_secrets = fields.texts("imagePullSecrets", object_name);
        let lifecycle = Lifecycle::read(&mut fields);
        fields.report_unknown_keys();
        let grants = grants.unwrap_or_default();
        Some(Class {
            name: name?,
            entitlement: entitlement?,
            per: per?,
            mode: mode?,
            when_full: when_full?,
            project: project?,
            grants,
            role_bindings,
            image_pull_secrets,
            lifecycle: lifecycle?,
        })
    }
}

fn read_per(item: &Item<'_>) -> Option<BTreeSet<Per>> {
    let remedy = "write at least one of: user, project, flow, step";
    let read = |text: &str| word(text, &Per::words());
    let values = item.read_non_empty_list(read, "the list is empty", remedy)?;
    let per: BTreeSet<Per> = values.iter().copied().collect();
    if per.len() < values.len() {
        item.report(invalid("a word is given twice", "remove one of the two"));
    }
    Some(per)
}

fn read_when_full(fields: &mut Fields<'_>, mode: Option<Mode>) -> Option<WhenFull> {
    let words = [("wait", WhenFull::Wait), ("direct", WhenFull::Direct)];
    let when_full = fields.word("whenFull", words)?;
    if mode == Some(Mode::Direct) && when_full == WhenFull::Direct {
        fields.get("whenFull")?.report(invalid(
            "identities of mode direct have no Google service account",
            "remove this key",
        ));
        return None;
    }
    Some(when_full)
}

/// The grants. A grant on the identity's own GSA is a problem if identities of the class may have none.
fn read_grants(item: &Item<'_>, mode: Option<Mode>, when_full: Option<WhenFull>) -> Vec<Grant> {
    let may_lack_gsa = mode == Some(Mode::Direct) || when_full == Some(WhenFull::Direct);
    let read = |item: &Item<'_>| {
        let grant = Grant::read(item)?;
        if may_lack_gsa && matches!(grant.on, GrantTarget::OwnServiceAccount) {
            item.report(invalid(
                "some identities of this class have no Google service account",
                "use mode: impersonate without whenFull: direct, or remove the grant",
            ));
            return None;
        }
        Some(grant)
    };
    item.list().iter().filter_map(read).collect()
}
