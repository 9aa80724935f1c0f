//! The members by which policies name an identity.

use namesake_api::{BindBy, Identity, Mode};
use namesake_core::Reason;
use namesake_gcp::Gcp;

use crate::controllers::reconcile::outcome::StepResult;
use crate::google::principal;
use crate::google::recorded::Members;
use crate::identity::step_failure::StepFailure;

/// The current members of the identity in policies.
pub(crate) async fn members(identity: &Identity, gcp: &Gcp) -> StepResult<Members> {
    let binding = match identity.spec.mode {
        Mode::Impersonate => Some(binding_member(identity, gcp).await?),
        Mode::Direct => None,
    };
    Ok(Members {
        binding,
        grantee: grantee(identity, gcp).await?,
    })
}

/// The member that acts as the GSA: the KSA, by name or by UID.
pub(super) async fn binding_member(identity: &Identity, gcp: &Gcp) -> StepResult<String> {
    match identity.spec.bind_by {
        BindBy::Name => Ok(principal::member_by_name(identity)),
        BindBy::Uid => member_by_uid(identity, gcp).await,
    }
}

/// The member that gets the grants: the GSA, or the KSA itself.
pub(super) async fn grantee(identity: &Identity, gcp: &Gcp) -> StepResult<String> {
    match identity.spec.mode {
        Mode::Impersonate => Ok(format!("serviceAccount:{}", email(identity)?)),
        Mode::Direct => member_by_uid(identity, gcp).await,
    }
}

async fn member_by_uid(identity: &Identity, gcp: &Gcp) -> StepResult<String> {
    let Some(uid) = identity.service_account_uid() else {
        let why = "the service account is not created yet";
        return Err(StepFailure::passing(Reason::Pending, why));
    };
    let project = principal::cluster_project(&identity.spec.cluster);
    let number = gcp.project_number(project).await?;
    Ok(principal::member_by_uid(&number, project, uid))
}

/// E-mail of the GSA of an identity in mode impersonate.
pub(super) fn email(identity: &Identity) -> StepResult<&str> {
    let email = identity.spec.google_service_account.as_deref();
    email.ok_or_else(|| {
        StepFailure::lasting(
            Reason::Invalid,
            "spec.googleServiceAccount is missing in mode impersonate: delete this Identity, and the broker will create it again",
        )
    })
}
