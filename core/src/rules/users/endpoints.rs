//! `endpoints`: who may read, write and administer through the gateway.

use serde::Serialize;

use crate::{
    names::Glob,
    rules::yaml::{
        Fields, Item, invalid,
        values::{group, user_glob},
    },
    user::User,
};

/// What happens to a request that the rules refuse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EndpointMode {
    /// It is refused.
    #[default]
    Enforce,
    /// It is allowed, logged and counted, so that an installation can watch before it refuses.
    Shadow,
}

/// Who may use the endpoints, where each right includes the ones before it, and whether pods get a token for them.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Endpoints {
    pub(crate) mode: EndpointMode,
    /// Whether pods with an identity get a token for the gateway.
    pub(crate) pod_tokens: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) read: Option<Members>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) write: Option<Members>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) admin: Option<Members>,
}

/// The users and the members of the groups.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Members {
    pub(crate) users: Vec<Glob>,
    pub(crate) groups: Vec<String>,
}

impl Endpoints {
    pub(crate) fn read(item: &Item<'_>) -> Option<Endpoints> {
        let problems = item.count_problems();
        let mut fields = item.fields()?;
        let modes = [
            ("enforce", EndpointMode::Enforce),
            ("shadow", EndpointMode::Shadow),
        ];
        let mode = fields.word("mode", modes);
        let pod_tokens = fields.flag("podTokens");
        let mut members = |key| Members::read(&mut fields, key);
        let (read, write, admin) = (members("read"), members("write"), members("admin"));
        fields.report_unknown_keys();
        let nobody = read.is_none() && write.is_none() && admin.is_none() && !pod_tokens;
        if nobody && item.count_problems() == problems {
            item.report(invalid(
                "nobody may use the endpoints",
                "name users or groups, as read: {users: [\"*@acme.com\"]}, or remove the key",
            ));
        }
        Some(Endpoints {
            mode: mode?,
            pod_tokens,
            read,
            write,
            admin,
        })
    }

    /// All groups that are mentioned. They are not in stamps, because only tokens that are verified at the moment have a say here.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &str> {
        let members = [&self.read, &self.write, &self.admin].into_iter().flatten();
        members.flat_map(|members| members.groups.iter().map(String::as_str))
    }
}

impl Members {
    fn read(fields: &mut Fields<'_>, key: &'static str) -> Option<Members> {
        let item = fields.get(key)?;
        let problems = item.count_problems();
        let mut fields = item.fields()?;
        let users = fields.texts("users", user_glob);
        let groups = fields.texts("groups", group);
        fields.report_unknown_keys();
        if users.is_empty() && groups.is_empty() && item.count_problems() == problems {
            item.report(invalid(
                "no user or group is listed",
                "name users or groups, as users: [\"*@acme.com\"], or remove the key",
            ));
        }
        Some(Members { users, groups })
    }

    /// Whether the user is one of them, or in one of the groups.
    pub(crate) fn include(&self, user: &User, groups: &[String]) -> bool {
        self.users.iter().any(|glob| glob.matches(user.as_str()))
            || groups.iter().any(|group| self.groups.contains(group))
    }
}
