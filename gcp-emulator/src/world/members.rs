//! Members of policies.

use crate::api::principal::Principal;
use crate::world::World;
use crate::world::controls::clock::ago;

/// A member as it is stored. A service account is identified by its unique id: when the account is deleted, the member
/// becomes `deleted:…`, and a new account with the same e-mail is not this member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) text: String,
    pub(crate) uid: Option<String>,
}

impl Member {
    /// The member in the JSON of a policy; `None` once it is purged.
    pub(crate) fn render(&self, world: &World) -> Option<String> {
        let Some(uid) = &self.uid else {
            return Some(self.text.clone());
        };
        let account = world.accounts.by_uid(uid)?;
        match account.current().deleted {
            None => Some(self.text.clone()),
            Some(deleted) if deleted < ago(world.clock.now(), 60.0 * 86_400.0) => None,
            Some(_) => Some(format!("deleted:{}?uid={uid}", self.text)),
        }
    }

    /// Whether it includes `principal`.
    pub(crate) fn matches(&self, principal: &Principal, world: &World) -> bool {
        match self.text.as_str() {
            "allUsers" => return true,
            "allAuthenticatedUsers" => return principal.email().is_some(),
            _ => {}
        }
        match principal {
            Principal::Anonymous => false,
            Principal::Federated(federated) => federated.members.contains(&self.text),
            Principal::ServiceAccount { email, uid } => {
                self.uid.as_ref() == Some(uid) || self.group_has(email, world)
            }
            Principal::User { email } => {
                let domain = email.rsplit_once('@').map_or("", |(_, domain)| domain);
                self.text.strip_prefix("user:") == Some(email)
                    || self.text.strip_prefix("domain:") == Some(domain)
                    || self.group_has(email, world)
            }
        }
    }

    /// The basic role and project of a convenience member (`projectOwner:PROJECT` and the like).
    pub(crate) fn convenience(&self) -> Option<(&'static str, &str)> {
        let roles = [
            ("projectOwner:", "roles/owner"),
            ("projectEditor:", "roles/editor"),
            ("projectViewer:", "roles/viewer"),
        ];
        roles
            .iter()
            .find_map(|(prefix, role)| Some((*role, self.text.strip_prefix(prefix)?)))
    }

    fn group_has(&self, email: &str, world: &World) -> bool {
        self.text
            .strip_prefix("group:")
            .and_then(|group| world.groups.get(group))
            .is_some_and(|people| people.contains(email))
    }

    /// A convenience member: `kind` is `projectOwner`, `projectEditor` or `projectViewer`.
    pub(crate) fn convenience_member(kind: &str, project: &str) -> Self {
        Self {
            text: format!("{kind}:{project}"),
            uid: None,
        }
    }
}
