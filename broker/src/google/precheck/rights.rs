//! Policies that roles are given in, beside an identity's own: who may not write one gives nothing there, and records nothing
//! that could never be taken back.

use namesake_api::IdentitySpec;
use namesake_gcp::{Error, Gcp, Resource};

use crate::google::precheck::ttl_set::Known;
use crate::identity::failure::{Failure, Retry};
use crate::identity::plan::Desired;
use crate::identity::reason::ConditionReason;

/// Policies that the broker could write when it last asked.
#[derive(Default)]
pub(crate) struct Rights(Known<Resource>);

impl Rights {
    /// Whether the broker may write each policy that the grants of an identity are in. What is not there has no policy yet:
    /// whoever gives the role says so.
    pub(crate) async fn check(&self, gcp: &Gcp, spec: &IdentitySpec) -> Result<(), Failure> {
        for resource in Desired::of(spec).grants.into_keys() {
            let wanted = needed(&resource);
            if wanted.is_empty() || self.0.has(&resource) {
                continue;
            }
            let held = match gcp.own_permissions(&resource, wanted).await {
                Ok(held) => held,
                Err(Error::NotFound(_)) => continue,
                Err(error) => return Err(Failure::from(error).of_grants(spec)),
            };
            if let Some(lacks) = wanted.iter().find(|p| !held.iter().any(|held| held == *p)) {
                return Err(lacking(lacks, &resource, spec));
            }
            // A folder is one identity's, and asked about once: there may be as many as users.
            if !matches!(resource, Resource::ManagedFolder { .. }) {
                self.0.keep(resource);
            }
        }
        Ok(())
    }
}

/// What it takes to give and take a role there; nothing on the identity's own account, which the broker makes.
const fn needed(resource: &Resource) -> &'static [&'static str] {
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

fn lacking(permission: &str, resource: &Resource, spec: &IdentitySpec) -> Failure {
    let class = &spec.class;
    let message = format!(
        "class {class} gives a role on {resource}, and the broker lacks {permission} there: give the broker a role that has it, or take the grant out of the rules (identities, {class}, grants)"
    );
    Failure {
        reason: ConditionReason::PermissionDenied.as_str(),
        message,
        retry: Retry::Slowly,
        breaks: false,
        revokes: false,
        changing_id: None,
    }
}
