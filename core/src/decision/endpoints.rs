//! Who may do what at the endpoints: `endpoints` of the rules, and who owns a run.

use crate::{
    reason::Reason,
    rules::{EndpointMode, Endpoints, Members, Rules},
    user::User,
};

use super::Refusal;

mod bodies;
mod request;

pub use bodies::{NewRun, TagChange};
pub use request::{MetadataRequest, is_plain_path};

/// What somebody may do at the endpoints. Each right includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EndpointRight {
    /// Read everything.
    Read,
    /// Create runs, and change their own.
    Write,
    /// Change the runs of all users, and see everything on the gateway's page.
    Admin,
}

impl EndpointRight {
    /// The key of `endpoints` that gives it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

impl Rules {
    /// The mode of the endpoints.
    #[must_use]
    pub fn endpoint_mode(&self) -> EndpointMode {
        let endpoints = self.model.endpoints.as_ref();
        endpoints
            .map(|endpoints| endpoints.mode)
            .unwrap_or_default()
    }

    /// The right of a person who is in these groups.
    ///
    /// # Errors
    /// The rules have no `endpoints`, the user is offboarded, or has no right.
    pub fn endpoint_right(&self, user: &User, groups: &[String]) -> Result<EndpointRight, Refusal> {
        let endpoints = self.endpoints_for(user)?;
        let rights = [
            (EndpointRight::Admin, &endpoints.admin),
            (EndpointRight::Write, &endpoints.write),
            (EndpointRight::Read, &endpoints.read),
        ];
        let has = |(right, members): (EndpointRight, &Option<Members>)| {
            let members = members.as_ref()?;
            members.include(user, groups).then_some(right)
        };
        let right = rights.into_iter().find_map(has);
        right.ok_or_else(|| self.refuse_right(user, EndpointRight::Read))
    }

    /// The right of a pod with an identity of this user. Its identity is the permission, and it is never an admin.
    ///
    /// # Errors
    /// The rules have no `endpoints`, or the user is offboarded.
    pub fn endpoint_right_of_pod(&self, user: &User) -> Result<EndpointRight, Refusal> {
        self.endpoints_for(user).map(|_| EndpointRight::Write)
    }

    /// Checks that a right is enough for a request.
    ///
    /// # Errors
    /// It is not.
    pub fn check_endpoint_right(
        &self,
        user: &User,
        right: EndpointRight,
        needed: EndpointRight,
    ) -> Result<(), Refusal> {
        if right >= needed {
            return Ok(());
        }
        Err(self.refuse_right(user, needed))
    }

    /// Those of the groups that `endpoints` mentions.
    #[must_use]
    pub fn endpoint_groups<'g>(&self, groups: &'g [String]) -> Vec<&'g str> {
        let endpoints = self.model.endpoints.as_ref();
        let is_mentioned = |group: &&str| {
            let mut mentioned = endpoints.into_iter().flat_map(Endpoints::groups);
            mentioned.any(|mentioned| mentioned == *group)
        };
        let groups = groups.iter().map(String::as_str);
        groups.filter(is_mentioned).collect()
    }

    fn endpoints_for(&self, user: &User) -> Result<&Endpoints, Refusal> {
        if self.is_offboarded(user) {
            return Err(self.refuse_offboarded(user));
        }
        self.model.endpoints.as_ref().ok_or_else(|| {
            let message = format!(
                "The rules of stack {} have no section endpoints, so nobody may use Metaflow's services through the gateway. Ask \
                 your admin to add endpoints: {{read: {{users: [USERS]}}, write: {{users: [USERS]}}}}.",
                self.stack()
            );
            Refusal::new(Reason::NoEndpoints, message)
        })
    }

    fn refuse_right(&self, user: &User, needed: EndpointRight) -> Refusal {
        let needed = needed.as_str();
        let message = format!(
            "{user} has no right to {needed} here. Ask the admin of stack {} to add the user, or one of the user's groups, to \
             endpoints.{needed} of the rules.",
            self.stack()
        );
        Refusal::new(Reason::NoEndpointRight, message)
    }
}

#[cfg(test)]
mod tests;
