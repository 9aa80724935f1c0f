//! Who may do what: the bearer's principal against the policies of a resource and of what contains it.

use std::sync::Arc;

use crate::api::caller::{Caller, covers};
use crate::api::errors::ApiError;
use crate::api::principal::Principal;
use crate::policy::conditions::{self, Attributes};
use crate::world::World;
use crate::world::policies::{Binding, Policy};
use crate::world::resource::Resource;

/// What is asked for: a chain of resources, the innermost first, and what conditions see of it.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) chain: Vec<Resource>,
    pub(crate) name: String,
    /// The name in a refusal, as the request had it: it must not tell whether there is such a resource.
    pub(crate) shown: Option<String>,
    /// The roles whose bindings a setIamPolicy call changes; `None` for another call.
    pub(crate) modified_roles: Option<Vec<String>>,
    pub(crate) kind: &'static str,
    pub(crate) service: &'static str,
    pub(crate) list_prefix: Option<String>,
}

impl Target {
    /// `resource` itself, inside its project if that is known.
    pub(crate) fn of(resource: &Resource, world: &World) -> Self {
        let (service, kind) = resource.kind();
        let project = match resource {
            Resource::Project(_) => None,
            Resource::ServiceAccount { project, .. } => Some(project.clone()),
            Resource::Bucket(bucket) | Resource::ManagedFolder { bucket, .. } => world
                .buckets
                .get(bucket)
                .map(|bucket| bucket.project.clone()),
        };
        let mut chain = vec![resource.clone()];
        if let Resource::ManagedFolder { bucket, folder } = resource {
            chain.extend(around(world, bucket, folder));
            chain.push(Resource::Bucket(bucket.clone()));
        }
        chain.extend(project.map(Resource::Project));
        Self {
            chain,
            name: resource.full_name(),
            shown: None,
            modified_roles: None,
            kind,
            service,
            list_prefix: None,
        }
    }

    /// The same, under the name that the request had for it.
    pub(crate) fn shown_as(self, name: &str) -> Self {
        Self {
            shown: Some(name.to_owned()),
            ..self
        }
    }
}

/// The managed folders that `folder` lies in.
fn around(world: &World, bucket: &str, folder: &str) -> Vec<Resource> {
    let Some(parent) = world.buckets.get(bucket) else {
        return Vec::new();
    };
    let outer = parent
        .folders
        .keys()
        .filter(|outer| *outer != folder && folder.starts_with(outer.as_str()));
    outer
        .map(|outer| Resource::ManagedFolder {
            bucket: bucket.to_owned(),
            folder: outer.clone(),
        })
        .collect()
}

impl World {
    /// Who holds the bearer token `token`.
    pub(crate) fn caller(&mut self, token: Option<&str>) -> Caller {
        let Some(token) = token else {
            return Caller::Anonymous;
        };
        let grant = self.tokens.get(token, self.clock.token_now()).cloned();
        match grant {
            Some(grant) if self.in_good_standing(&grant.principal) => Caller::Known(grant),
            _ => Caller::Invalid,
        }
    }

    /// Lets the call pass if the caller may do `permission`, with a token of one of `scopes`.
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
            return Err(ApiError::scopes());
        }
        match self.allows(&grant.principal, permission, target) {
            true => Ok(()),
            false => Err(ApiError::denied(
                permission,
                Some(target.shown.as_ref().unwrap_or(&target.name)),
            )),
        }
    }

    /// Whether the caller may have a call counted for `project`: what the header `x-goog-user-project` asks for.
    pub(crate) fn may_use_project(&mut self, caller: &Caller, project: &str) -> bool {
        let Caller::Known(grant) = caller else {
            return true;
        };
        let Some(id) = self.project(project).map(|project| project.id.clone()) else {
            return false;
        };
        let target = Target::of(&Resource::Project(id), self);
        self.allows(&grant.principal, "serviceusage.services.use", &target)
    }

    /// Whether some policy on the way up, as the data path sees it now, grants `permission`.
    pub(crate) fn allows(
        &mut self,
        principal: &Principal,
        permission: &str,
        target: &Target,
    ) -> bool {
        if self.settings.refusals.denies(principal, permission) {
            return false;
        }
        let horizon = self.seen(self.settings.delays.policy);
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
