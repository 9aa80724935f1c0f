//! The broker's own permissions on policies that it grants roles in. Without them it grants nothing there, and records nothing
//! that it could never revoke.

use namesake_api::IdentitySpec;
use namesake_core::Reason;
use namesake_gcp::{Error, Gcp, Resource};

use crate::google::precheck::ttl_set::TtlSet;
use crate::identity::plan::Desired;
use crate::identity::step_failure::StepFailure;

/// Resources whose policies the broker could write when it last asked.
#[derive(Default)]
pub(crate) struct PolicyPermissions(TtlSet<Resource>);

impl PolicyPermissions {
    /// Checks that the broker may write each policy that the grants of an identity are in. A resource that does not exist passes:
    /// the grant itself reports that.
    pub(crate) async fn check(&self, gcp: &Gcp, spec: &IdentitySpec) -> Result<(), StepFailure> {
        for resource in Desired::of(spec).grants.into_keys() {
            let needed = needed(&resource);
            if needed.is_empty() || self.0.contains(&resource) {
                continue;
            }
            let held = match gcp.own_permissions(&resource, needed).await {
                Ok(held) => held,
                Err(Error::NotFound(_)) => continue,
                Err(error) => return Err(StepFailure::from(error).naming_class(spec)),
            };
            if let Some(missing) = needed.iter().find(|p| !held.iter().any(|held| held == *p)) {
                return Err(denied(missing, &resource, spec));
            }
            // A folder belongs to one identity and is checked once, so it is not remembered: there may be one for each user.
            if !matches!(resource, Resource::ManagedFolder { .. }) {
                self.0.insert(resource);
            }
        }
        Ok(())
    }
}

/// What it takes to grant and revoke a role there; nothing on the identity's own account, which the broker creates.
pub(crate) const fn needed(resource: &Resource) -> &'static [&'static str] {
    match resource {
        Resource::ServiceAccount { .. } => &[],
        Resource::Project { .. } => &[
            "resourcemanager.projects.getIamPolicy",
            "resourcemanager.projects.setIamPolicy",
        ],
        Resource::Bucket { .. } => &[
            "storage.buckets.getIamPolicy",
            "storage.buckets.setIamPolicy",
        ],
        Resource::ManagedFolder { .. } => &[
            "storage.managedFolders.getIamPolicy",
            "storage.managedFolders.setIamPolicy",
        ],
    }
}

fn denied(permission: &str, resource: &Resource, spec: &IdentitySpec) -> StepFailure {
    let class = &spec.class;
    let message = format!(
        "class {class} grants a role on {resource}, and the broker does not have {permission} there: grant the broker a role with it, or remove the grant from the rules (identities, {class}, grants)"
    );
    StepFailure {
        breaks: false,
        ..StepFailure::lasting(Reason::PermissionDenied, message)
    }
}
