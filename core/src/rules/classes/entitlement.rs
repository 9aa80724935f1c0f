//! `for`: who is allowed to have an identity of a class.

use serde::Serialize;

use crate::{
    names::{Glob, is_dns_label},
    rules::yaml::{
        Item, invalid,
        values::{group, name_glob, user_glob},
    },
    user::User,
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

    /// Whether it is for this namespace.
    pub(crate) fn includes_namespace(&self, namespace: &str) -> bool {
        let globs = self.namespaces.as_ref();
        globs.is_none_or(|globs| globs.iter().any(|glob| glob.matches(namespace)))
    }

    /// Whether it is for this user, or for a group for which `is_member` is true.
    pub(crate) fn includes_user(&self, user: &User, is_member: impl Fn(&str) -> bool) -> bool {
        self.users.iter().any(|glob| glob.matches(user.as_str()))
            || self.groups.iter().any(|group| is_member(group))
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
