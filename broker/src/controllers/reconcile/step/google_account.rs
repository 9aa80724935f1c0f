//! Steps on the GSA. Each reads before it writes, and changes only what is ours.

use kube::ResourceExt;
use namesake_api::names::{GOOGLE_ACCOUNT_READY, VERIFIED};
use namesake_api::{BindBy, Identity};
use namesake_core::Reason;
use namesake_gcp::{Error, Gcp, ServiceAccount};
use tokio::time::Instant;

use super::allowed;
use super::members::{email, members};
use crate::cluster::ensure;
use crate::controllers::context::Context;
use crate::controllers::reconcile::outcome::{StepOutcome, StepResult};
use crate::identity::conditions;
use crate::identity::derive;
use crate::identity::finding::Finding;
use crate::identity::objects;
use crate::identity::progress::NOT_VISIBLE_YET;
use crate::identity::step_failure::StepFailure;

/// Longest display name at Google, in bytes.
const DISPLAY_NAME_BYTES: usize = 100;

/// Finds the GSA; enables, undeletes or creates it if it is not pinned. After that it is known what will be written.
pub(crate) async fn ensure(identity: &Identity, context: &Context) -> StepResult {
    let outcome = ensure_account(identity, context).await?;
    let by_name = identity.spec.bind_by == BindBy::Name;
    let to_record = if by_name && allowed::check_record(identity, context).await.is_ok() {
        Some(members(identity, &context.gcp).await?)
    } else {
        None
    };
    Ok(StepOutcome {
        to_record,
        ..outcome
    })
}

async fn ensure_account(identity: &Identity, context: &Context) -> StepResult {
    let spec = &identity.spec;
    let email = email(identity)?;
    let (gcp, project) = (&context.gcp, &spec.project);
    match gcp.get_service_account(project, email).await? {
        Some(account) if spec.pinned => check_pinned(identity, account),
        Some(account) => {
            check_ours(identity, &account)?;
            // The broker may have disabled it a moment ago, and Google may still show the state before.
            if account.disabled || conditions::may_be_disabled(identity) {
                // By its unique id: not another account of the same name.
                gcp.enable_service_account(project, &account.unique_id)
                    .await?;
            }
            Ok(found(account.disabled, account))
        }
        None if spec.pinned => {
            let why = format!(
                "the rules pin {} to {email}, which does not exist: create it, or correct the pin",
                spec.user
            );
            Err(StepFailure::lasting(Reason::Missing, why))
        }
        None => match undelete(identity, gcp, project).await? {
            Some(account) => Ok(found(true, account)),
            None => create(identity, context, project).await,
        },
    }
}

/// Undeletes the recorded account: for 30 days it is the same account with all it had, whoever deleted it.
async fn undelete(
    identity: &Identity,
    gcp: &Gcp,
    project: &str,
) -> StepResult<Option<ServiceAccount>> {
    let status = identity.status.as_ref();
    let Some(id) = status.and_then(|status| status.google_service_account_id.as_deref()) else {
        return Ok(None);
    };
    let account = match gcp.undelete_service_account(project, id).await {
        Ok(account) => account,
        // Deleted for good; or not deleted, and of another project or e-mail than the spec has now.
        Err(Error::NotFound(_) | Error::Invalid(_) | Error::AlreadyExists(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if Some(&account.email) != identity.spec.google_service_account.as_ref() {
        return Ok(None);
    }
    check_ours(identity, &account)?;
    if account.disabled {
        gcp.enable_service_account(project, &account.unique_id)
            .await?;
    }
    Ok(Some(account))
}

async fn create(identity: &Identity, context: &Context, project: &str) -> StepResult {
    let mark = mark(identity)?;
    let limit = context.config.accounts_per_project;
    if let Some(why) = context.quotas.refusal(project, limit) {
        return Err(project_full(identity, context, why).await);
    }
    match create_unless_refused(identity, context, project, &mark).await {
        Ok(account) => {
            context.quotas.add_created(project);
            // If a drift check found the old account gone, what was known of that does not hold any more.
            let mut outcome = found(true, account);
            outcome.findings.push(Finding::fails(
                GOOGLE_ACCOUNT_READY,
                Reason::WaitingUntilVisible,
                NOT_VISIBLE_YET,
            ));
            Ok(outcome)
        }
        // Created a moment ago, perhaps by the broker before a restart: the next read shows whose it is.
        Err(Error::AlreadyExists(failure)) => Err(StepFailure::passing(
            Reason::NotYetVisible,
            format!(
                "{}: it exists, and Google does not show yet whose it is: it is read again",
                failure.what
            ),
        )),
        Err(error @ Error::QuotaExhausted(_)) => {
            context.quotas.mark_full(project);
            Err(project_full(identity, context, error.to_string()).await)
        }
        Err(error) => Err(error.into()),
    }
}

/// Creates the account, unless the organization has recently refused a creation in this project.
async fn create_unless_refused(
    identity: &Identity,
    context: &Context,
    project: &str,
    mark: &str,
) -> Result<ServiceAccount, Error> {
    let (spec, name) = (&identity.spec, identity.name_any());
    let rules = context.rules.current();
    let revision = rules.as_ref().map_or("", |rules| rules.revision());
    let refused = &context.refused_creations;
    let what = format!("create service account {name} in project {project}");
    let period = (context.config.timings.refused, Instant::now());
    if let Some(refusal) = refused.current(project, what, period, revision) {
        return Err(refusal);
    }
    let display_name = format!("{} ({})", spec.user, spec.class);
    let display_name = &display_name[..display_name.floor_char_boundary(DISPLAY_NAME_BYTES)];
    let created = context
        .gcp
        .create_service_account(project, &name, display_name, mark)
        .await;
    refused.record(project, revision, &created, Instant::now());
    created
}

/// The project has no room for another GSA: the identity falls back to mode direct if its class allows that, or waits.
async fn project_full(identity: &Identity, context: &Context, why: String) -> StepFailure {
    let rules = context.rules.current();
    let spec = rules.and_then(|rules| derive::direct_fallback(&rules, &identity.spec));
    let Some(spec) = spec else {
        return StepFailure::lasting(Reason::QuotaExhausted, why);
    };
    match ensure::update_spec(&context.client, identity.clone(), &spec).await {
        Ok(_) => StepFailure::passing(
            Reason::FellBackToDirect,
            format!("{why}: the class allows mode direct, which the identity uses now"),
        ),
        Err(error) => error.into(),
    }
}

/// Reads the GSA once more, to see whether Google shows it everywhere.
pub(crate) async fn confirm(identity: &Identity, context: &Context) -> StepResult {
    let email = email(identity)?;
    let project = &identity.spec.project;
    match context.gcp.get_service_account(project, email).await {
        Ok(Some(account)) => {
            check_ours(identity, &account)?;
            Ok(found(false, account))
        }
        // Right after creation 403 means the same as 404.
        Ok(None) | Err(Error::NotFound(_) | Error::PermissionDenied(_)) => {
            let why = format!("Google does not show {email} everywhere yet");
            Err(StepFailure::passing(Reason::NotYetVisible, why))
        }
        Err(error) => Err(error.into()),
    }
}

fn found(repaired: bool, account: ServiceAccount) -> StepOutcome {
    StepOutcome {
        google_account_id: Some(account.unique_id),
        ..written(repaired)
    }
}

/// The outcome of a write. What was restored has to be verified again.
pub(super) fn written(repaired: bool) -> StepOutcome {
    let why =
        "something at Google was missing and has been restored: the identity is verified again";
    let finding = repaired.then(|| Finding::fails(VERIFIED, Reason::Propagating, why));
    StepOutcome {
        repaired,
        findings: finding.into_iter().collect(),
        ..StepOutcome::default()
    }
}

fn check_pinned(identity: &Identity, account: ServiceAccount) -> StepResult {
    if account.disabled {
        let (user, email) = (&identity.spec.user, &account.email);
        let why = format!(
            "the rules pin {user} to {email}, which is disabled: enable it, or correct the pin"
        );
        return Err(StepFailure::lasting(Reason::Missing, why));
    }
    Ok(found(false, account))
}

/// Refuses an account that the broker did not create.
fn check_ours(identity: &Identity, account: &ServiceAccount) -> StepResult<()> {
    if account.description == mark(identity)? {
        return Ok(());
    }
    let why = format!(
        "Google service account {} exists and does not belong to this identity: its description is {:?}: delete it, or pin the user to an account of your own; Namesake never takes over an account that it did not create",
        account.email, account.description
    );
    Err(StepFailure::lasting(Reason::Conflict, why))
}

/// The mark in the description of the identity's GSA.
pub(crate) fn mark(identity: &Identity) -> StepResult<String> {
    let mark = objects::mark(identity)
        .map_err(|error| StepFailure::lasting(Reason::Invalid, error.to_string()))?;
    Ok(mark.to_string())
}
