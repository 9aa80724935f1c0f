//! `for`: who is allowed to have an identity of a class.

use serde::Serialize;

use crate::{
    names::{Glob, is_dns_label},
    rules::yaml::{
        Item, invalid,
        values::{group, name_glob, user_glob},
    },
};

/// Who is allowed to have an identity of a class: the users and the members of the groups, in the namespaces.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Entitlement {
    pub(crate) users: Vec<Glob>,
    pub(crate) groups: Vec<String>,
    /// `None` means all opted-in namespaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) namespaces: Option<Vec<Glob>>,
}

impl Entitlement {
    /// Whether it is restricted to some users or groups.
    pub(crate) fn requires_proof(&self) -> bool {
        !self.users.iter().any(Glob::matches_everything)
    }

    pub(super) fn read(item: &Item<'_>) -> Option<Entitlement> {
        let mut fields = item.fields()?;
        let users = fields.texts("users", user_glob);
        let groups = fields.texts("groups", group);
        let namespaces = fields.get("namespaces").and_then(|item| {
            let remedy = "name namespaces, or remove the key: then it is for all of them";
            let read = name_glob("namespace", is_dns_label);
            item.read_non_empty_list(read, "no namespace is listed", remedy)
        });
        fields.report_unknown_keys();
        if users.is_empty() && groups.is_empty() {
            item.report(invalid(
                "no user or group is listed",
                "name users or groups, as users: [\"*@acme.com\"]",
            ));
            return None;
        }
        Some(Entitlement {
            users,
            groups,
            namespaces,
        })
    }
}
