//! The lifecycle of identities: how long an unused one is kept, how it is bound, and who else may act as it.

use serde::Serialize;

use super::duration::RulesDuration;
use crate::rules::yaml::Fields;

/// The keys of a class about the lifecycle of its identities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lifecycle {
    /// An identity that no pod has used for this long is removed. By default none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_after: Option<RulesDuration>,
    /// How the binding names the KSA.
    pub bind_by: BindBy,
    /// What happens to others in the IAM policy of the identity's own GSA.
    pub foreign_members: ForeignMembers,
}

/// How a binding names the KSA.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum BindBy {
    /// By namespace and name, as Google documents it.
    #[default]
    Name,
    /// By UID: a KSA of the same name that is created later, or in another cluster of the project, is not bound.
    Uid,
}

/// What happens to others in the IAM policy of the identity's own GSA.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ForeignMembers {
    /// They stay, and the status of the Identity lists them.
    #[default]
    Report,
    /// They are removed from it.
    Remove,
}

impl Lifecycle {
    pub(super) fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let bind_by = [("name", BindBy::Name), ("uid", BindBy::Uid)];
        let foreign_members = [
            ("report", ForeignMembers::Report),
            ("remove", ForeignMembers::Remove),
        ];
        let idle_after = fields
            .get("idleAfter")
            .map_or(Some(None), |item| item.read(RulesDuration::read).map(Some));
        let bind_by = fields.word("bindBy", bind_by);
        let foreign_members = fields.word("foreignMembers", foreign_members);
        Some(Self {
            idle_after: idle_after?,
            bind_by: bind_by?,
            foreign_members: foreign_members?,
        })
    }
}
