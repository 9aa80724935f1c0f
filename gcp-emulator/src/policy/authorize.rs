//! Permission checks: a principal against the policies of a resource and of those that contain it.

use std::sync::Arc;

use crate::api::caller::{Caller, covers};
use crate::api::errors::ApiError;
use crate::api::principal::Principal;
use crate::policy::conditions::{self, Attributes};
use crate::policy::target::Target;
use crate::world::World;
use crate::world::controls::permission_checks::{self, PermissionCheck};
use crate::world::policies::{Binding, Policy};
use crate::world::resource::Resource;

impl World {
    /// The holder of the bearer token `token`.
    pub(crate) fn caller(&mut self, token: Option<&str>) -> Caller {
        let Some(token) = token else {
            return Caller::Anonymous;
        };
        let grant = self.tokens.get(token, self.clock.token_now()).cloned();
        match grant {
            Some(grant) if self.is_active(&grant.principal) => Caller::Known(grant),
            _ => Caller::Invalid,
        }
    }

    /// The principal of the caller; `None` for one without a token who is allowed everything.
    ///
    /// # Errors
    /// 401 without a valid token.
    pub(crate) fn authenticated<'c>(
        &self,
        caller: &'c Caller,
    ) -> Result<Option<&'c Principal>, ApiError> {
        match caller {
            Caller::Anonymous if self.settings.anonymous_admin => Ok(None),
            Caller::Anonymous => Err(ApiError::credentials_missing()),
            Caller::Invalid => Err(ApiError::credentials_invalid("ACCESS_TOKEN_EXPIRED")),
            Caller::Known(grant) => Ok(Some(&grant.principal)),
        }
    }

    /// Checks that the caller has `permission`, and a token with one of `scopes`.
    ///
    /// # Errors
    /// 401 without a valid token, 403 without the scope or the permission.
    pub(crate) fn require(
        &mut self,
        caller: &Caller,
        scopes: &[&str],
        permission: &str,
        target: &Target,
    ) -> Result<(), ApiError> {
        let grant = match caller {
            Caller::Anonymous if self.settings.anonymous_admin => return Ok(()),
            Caller::Anonymous => return Err(ApiError::credentials_missing()),
            Caller::Invalid => return Err(ApiError::credentials_invalid("ACCESS_TOKEN_EXPIRED")),
            Caller::Known(grant) => grant,
        };
        if !covers(&grant.scopes, scopes) {
            return Err(ApiError::insufficient_scopes());
        }
        match self.allows(&grant.principal, permission, target) {
            true => Ok(()),
            false => Err(ApiError::denied(
                permission,
                Some(target.shown.as_ref().unwrap_or(&target.name)),
            )),
        }
    }

    /// Whether the caller is allowed to have calls counted for `project` (header `x-goog-user-project`).
    pub(crate) fn can_use_project(&mut self, caller: &Caller, project: &str) -> bool {
        let Caller::Known(grant) = caller else {
            return true;
        };
        let Some(id) = self.project(project).map(|project| project.id.clone()) else {
            return false;
        };
        let target = Target::of(&Resource::Project(id), self);
        self.allows(&grant.principal, "serviceusage.services.use", &target)
    }

    /// Whether a policy of the target or of what contains it, as far as propagated, grants `permission`, which the call needs.
    pub(crate) fn allows(
        &mut self,
        principal: &Principal,
        permission: &str,
        target: &Target,
    ) -> bool {
        self.check(principal, permission, target, false)
    }

    /// As [`World::allows`], for a call that only asks.
    pub(crate) fn would_allow(
        &mut self,
        principal: &Principal,
        permission: &str,
        target: &Target,
    ) -> bool {
        self.check(principal, permission, target, true)
    }

    fn check(
        &mut self,
        principal: &Principal,
        permission: &str,
        target: &Target,
        asked: bool,
    ) -> bool {
        let granted = self.has_permission(principal, permission, target);
        permission_checks::record(|| PermissionCheck {
            permission: permission.to_owned(),
            resource: target.name.clone(),
            granted,
            asked,
        });
        granted
    }

    fn has_permission(&mut self, principal: &Principal, permission: &str, target: &Target) -> bool {
        if self.settings.refusals.denies(principal, permission) {
            return false;
        }
        let horizon = self.horizon(self.settings.delays.policy);
        let policies: Vec<Arc<Policy>> = target
            .chain
            .iter()
            .map(|resource| self.policies.at(resource, horizon))
            .collect();
        policies
            .iter()
            .flat_map(|policy| &policy.bindings)
            .any(|binding| self.grants(binding, principal, permission, target, horizon))
    }

    fn grants(
        &self,
        binding: &Binding,
        principal: &Principal,
        permission: &str,
        target: &Target,
        horizon: jiff::Timestamp,
    ) -> bool {
        self.roles.includes(&binding.role, permission)
            && binding.members.iter().any(|member| {
                member.matches(principal, self)
                    || member.convenience().is_some_and(|(role, project)| {
                        self.has_basic_role(principal, role, project, horizon)
                    })
            })
            && self.condition_holds(binding, target)
    }

    fn condition_holds(&self, binding: &Binding, target: &Target) -> bool {
        let Some(condition) = &binding.condition else {
            return true;
        };
        let about = Attributes {
            now: self.clock.now(),
            name: &target.name,
            kind: target.kind,
            service: target.service,
            list_prefix: target.list_prefix.as_deref(),
            modified_roles: target.modified_roles.as_deref(),
        };
        conditions::holds(&condition.program, &about)
    }

    fn has_basic_role(
        &self,
        principal: &Principal,
        role: &str,
        project: &str,
        horizon: jiff::Timestamp,
    ) -> bool {
        let policy = self
            .policies
            .at(&Resource::Project(project.to_owned()), horizon);
        policy
            .bindings
            .iter()
            .filter(|binding| binding.role == role && binding.condition.is_none())
            .any(|binding| {
                binding
                    .members
                    .iter()
                    .any(|member| member.matches(principal, self))
            })
    }
}
