//! The steps at Google. Each looks before it writes, writes nothing that is not missing, and touches nothing that is not ours.

use std::time::Duration;

use kube::ResourceExt;
use namesake_api::names::{GOOGLE_ACCOUNT_READY, VERIFIED};
use namesake_api::{BindBy, Identity, Mode};
use namesake_core::ForeignMembers;
use namesake_gcp::{Edit, Error, Gcp, Policy, Resource, ServiceAccount};
use tokio::time::Instant;

use super::step::Done;
use super::{Context, allowed};
use crate::cluster::ensure;
use crate::google::foreign;
use crate::google::grants;
use crate::google::principal;
use crate::google::written::Members;
use crate::identity::conditions::{self, Finding};
use crate::identity::derive;
use crate::identity::failure::{Failure, Retry};
use crate::identity::objects;
use crate::identity::reason::ConditionReason;

pub(crate) use crate::google::written::WORKLOAD_IDENTITY_USER;

/// Looks for the GSA; brings it back or creates it when it is not there and not pinned. What will be written is then known.
pub(crate) async fn find(identity: &Identity, context: &Context) -> Result<Done, Failure> {
    let found = look(identity, context).await?;
    let by_name = identity.spec.bind_by == BindBy::Name;
    let record = if by_name && allowed::record(identity, context).await.is_ok() {
        Some(members(identity, &context.gcp).await?)
    } else {
        None
    };
    Ok(Done { record, ..found })
}

async fn look(identity: &Identity, context: &Context) -> Result<Done, Failure> {
    let spec = &identity.spec;
    let email = email(identity)?;
    let (gcp, project) = (&context.gcp, &spec.project);
    match gcp.get_service_account(project, email).await? {
        Some(account) if spec.pinned => usable_pin(identity, &account),
        Some(account) => {
            ours(identity, &account)?;
            // We may have disabled it a moment ago, and Google show what was before.
            if account.disabled || conditions::may_be_disabled(identity) {
                // By its unique id: another of this name is not meant.
                gcp.enable_service_account(project, &account.unique_id)
                    .await?;
            }
            Ok(found(account.disabled, account))
        }
        None if spec.pinned => Err(Failure::lasting(
            ConditionReason::Missing,
            format!(
                "the rules pin {} to {email}, which does not exist: create it, or correct the pin",
                spec.user
            ),
        )),
        None => match restored(identity, gcp, project).await? {
            Some(account) => Ok(found(true, account)),
            None => create(identity, context, project).await,
        },
    }
}

/// The account that was this identity's, brought back: whoever deleted it, for 30 days it is the same one with all it had.
async fn restored(
    identity: &Identity,
    gcp: &Gcp,
    project: &str,
) -> Result<Option<ServiceAccount>, Failure> {
    let status = identity.status.as_ref();
    let Some(id) = status.and_then(|status| status.google_service_account_id.as_deref()) else {
        return Ok(None);
    };
    let account = match gcp.undelete_service_account(project, id).await {
        Ok(account) => account,
        // Gone for good; or never deleted, and of another project or e-mail than the spec says now.
        Err(Error::NotFound(_) | Error::Invalid(_) | Error::AlreadyExists(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if Some(&account.email) != identity.spec.google_service_account.as_ref() {
        return Ok(None);
    }
    ours(identity, &account)?;
    if account.disabled {
        gcp.enable_service_account(project, &account.unique_id)
            .await?;
    }
    Ok(Some(account))
}

async fn create(identity: &Identity, context: &Context, project: &str) -> Result<Done, Failure> {
    let mark = mark(identity)?;
    let limit = context.config.accounts_per_project;
    if let Some(why) = context.quota.refusal(project, limit) {
        return Err(full(identity, context, why).await);
    }
    match create_unless_refused(identity, context, project, &mark).await {
        Ok(account) => {
            context.quota.created(project);
            // A look for drift found it gone: what was known of the old one is void.
            let why = "the Google service account was made; Google does not show it everywhere yet";
            let mut done = found(true, account);
            done.findings.push(Finding::fails(
                GOOGLE_ACCOUNT_READY,
                conditions::UNSEEN,
                why,
            ));
            Ok(done)
        }
        // Made a moment ago, perhaps by us before a restart: the next look tells whose it is.
        Err(Error::AlreadyExists(failure)) => Err(Failure::passing(
            ConditionReason::NotYetVisible,
            format!(
                "{}: it is there, and Google does not show yet whose it is: it is looked at again",
                failure.what
            ),
        )),
        Err(error @ Error::QuotaUsedUp(_)) => {
            context.quota.is_full(project);
            Err(full(identity, context, error.to_string()).await)
        }
        Err(error) => Err(error.into()),
    }
}

/// Creates the account, unless the organization has refused that in this project a moment ago.
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
    let until = (context.config.timings.refused, Instant::now());
    if let Some(refusal) = refused.standing(project, what, until, revision) {
        return Err(refusal);
    }
    let shown = format!("{} ({})", spec.user, spec.class);
    let gcp = &context.gcp;
    let created = gcp.create_service_account(project, &name, short(&shown), mark);
    let created = created.await;
    refused.learn(project, revision, &created, Instant::now());
    created
}

/// No room for another GSA: the identity goes on without one, where its class allows that; or it waits.
async fn full(identity: &Identity, context: &Context, why: String) -> Failure {
    let rules = context.rules.current();
    let spec = rules.and_then(|rules| derive::fallen_over(&rules, &identity.spec));
    let Some(spec) = spec else {
        return Failure::lasting(ConditionReason::QuotaExhausted, why);
    };
    match ensure::spec(&context.client, identity.clone(), &spec).await {
        Ok(_) => Failure::passing(
            ConditionReason::FallenOver,
            format!("{why}: the class allows it, and the identity goes on in mode direct"),
        ),
        Err(error) => error.into(),
    }
}

/// Looks whether Google shows the GSA.
pub(crate) async fn see(identity: &Identity, context: &Context) -> Result<Done, Failure> {
    let email = email(identity)?;
    let project = &identity.spec.project;
    let unseen = || {
        Failure::passing(
            ConditionReason::NotYetVisible,
            format!("Google does not show {email} everywhere yet"),
        )
    };
    match context.gcp.get_service_account(project, email).await {
        Ok(Some(account)) => {
            ours(identity, &account)?;
            Ok(found(false, account))
        }
        // Right after creation 403 means the same as 404.
        Ok(None) | Err(Error::NotFound(_) | Error::PermissionDenied(_)) => Err(unseen()),
        Err(error) => Err(error.into()),
    }
}

/// Lets the KSA act as the GSA.
pub(crate) async fn bind(identity: &Identity, context: &Context) -> Result<Done, Failure> {
    let email = email(identity)?.to_owned();
    let resource = Resource::ServiceAccount { email };
    let member = binder(identity, &context.gcp).await?;
    let edits = vec![Edit::add(WORKLOAD_IDENTITY_USER, member)];
    if !is_missing(identity, context, &resource, &edits).await {
        return Ok(changed(false));
    }
    still_ours(identity, context).await?;
    match context.policies.change(&resource, edits).await {
        Ok(written) => {
            let exclusive = exclusive(identity, context, &resource, &written.policy).await?;
            Ok(Done {
                exclusive: Some(exclusive),
                ..changed(written.changed)
            })
        }
        // An account that we have just made: Google's parts learn one by one that it is there, and whose it is.
        Err(error @ (Error::NotFound(_) | Error::PermissionDenied(_))) if !identity.spec.pinned => {
            let failure = Failure::from(error);
            Err(Failure {
                retry: Retry::Soon(Duration::ZERO),
                ..failure
            })
        }
        Err(error) => Err(error.into()),
    }
}

/// Who else is in the policy: removed if the class says so, and in any case said.
async fn exclusive(
    identity: &Identity,
    context: &Context,
    resource: &Resource,
    policy: &Policy,
) -> Result<Finding, Failure> {
    let own = members(identity, &context.gcp).await?;
    let status = identity.status.clone().unwrap_or_default();
    let foreign = foreign::members(policy, &status, &own);
    let rules = context.rules.current();
    let life = rules.and_then(|rules| rules.lifecycle(&identity.spec.class));
    let remove = life.is_some_and(|life| life.foreign_members == ForeignMembers::Remove);
    let remove = remove && !identity.spec.pinned && !foreign.is_empty();
    if remove {
        let edits = foreign.iter().cloned().map(Edit::RemoveMember).collect();
        context.policies.change(resource, edits).await?;
    }
    Ok(foreign::finding(identity, &foreign, remove))
}

/// Gives the roles on one resource.
pub(crate) async fn grant(
    identity: &Identity,
    context: &Context,
    resource: &Resource,
) -> Result<Done, Failure> {
    allowed::give(identity, context)?;
    context.buckets.check(&context.gcp, resource).await?;
    let member = grantee(identity, &context.gcp).await?;
    let edits = grants::edits(&identity.spec, resource, &member);
    if !is_missing(identity, context, resource, &edits).await {
        return Ok(changed(false));
    }
    still_ours(identity, context).await?;
    let written = context.policies.change(resource, edits).await;
    let written = written.map_err(|error| Failure::from(error).of_grants(&identity.spec))?;
    Ok(changed(written.changed))
}

/// Whether something of this has to be written. An identity that works lacks nothing, as a rule: then one read is enough.
async fn is_missing(
    identity: &Identity,
    context: &Context,
    resource: &Resource,
    edits: &[Edit],
) -> bool {
    if !identity.is_ready() {
        return true;
    }
    match context.gcp.policy(resource).await {
        Ok(mut policy) => edits.iter().any(|edit| edit.apply(&mut policy)),
        // Whoever writes says what is the matter.
        Err(_) => true,
    }
}

/// Looks again, right before a write, whether the GSA is the one that we made: under its name there may be another by now.
async fn still_ours(identity: &Identity, context: &Context) -> Result<(), Failure> {
    if identity.spec.mode == Mode::Direct || identity.spec.pinned {
        return Ok(());
    }
    see(identity, context).await.map(|_| ())
}

/// Writes down who is about to be written into which policy.
pub(crate) async fn record(identity: &Identity, context: &Context) -> Result<Done, Failure> {
    allowed::record(identity, context).await?;
    // What is recorded is taken back one day: from somebody else's account, if a hand has written that into the spec.
    still_ours(identity, context).await?;
    Ok(Done {
        record: Some(members(identity, &context.gcp).await?),
        ..Done::default()
    })
}

/// How Google names the identity today.
pub(crate) async fn members(identity: &Identity, gcp: &Gcp) -> Result<Members, Failure> {
    let binding = match identity.spec.mode {
        Mode::Impersonate => Some(binder(identity, gcp).await?),
        Mode::Direct => None,
    };
    Ok(Members {
        binding,
        grantee: grantee(identity, gcp).await?,
    })
}

/// Who acts as the GSA: the KSA, by its name or by its UID.
async fn binder(identity: &Identity, gcp: &Gcp) -> Result<String, Failure> {
    match identity.spec.bind_by {
        BindBy::Name => Ok(principal::binding(identity)),
        BindBy::Uid => by_uid(identity, gcp).await,
    }
}

/// Who the grants are given to: the GSA, or the KSA itself.
pub(crate) async fn grantee(identity: &Identity, gcp: &Gcp) -> Result<String, Failure> {
    match identity.spec.mode {
        Mode::Impersonate => Ok(format!("serviceAccount:{}", email(identity)?)),
        Mode::Direct => by_uid(identity, gcp).await,
    }
}

async fn by_uid(identity: &Identity, gcp: &Gcp) -> Result<String, Failure> {
    let Some(uid) = identity.service_account_uid() else {
        return Err(Failure::passing(
            ConditionReason::Pending,
            "the service account is not made yet",
        ));
    };
    let project = principal::cluster_project(&identity.spec.cluster);
    let number = gcp.project_number(project).await?;
    Ok(principal::by_uid(&number, project, uid))
}

fn found(repaired: bool, account: ServiceAccount) -> Done {
    Done {
        google_id: Some(account.unique_id),
        ..changed(repaired)
    }
}

/// What was put back has to be proven again.
fn changed(repaired: bool) -> Done {
    let again = "something at Google was missing and was put back: the identity is proven again";
    let findings = repaired.then(|| Finding::fails(VERIFIED, ConditionReason::Propagating, again));
    Done {
        repaired,
        findings: findings.into_iter().collect(),
        ..Done::default()
    }
}

fn usable_pin(identity: &Identity, account: &ServiceAccount) -> Result<Done, Failure> {
    if account.disabled {
        let (user, email) = (&identity.spec.user, &account.email);
        let why = format!(
            "the rules pin {user} to {email}, which is disabled: enable it, or correct the pin"
        );
        return Err(Failure::lasting(ConditionReason::Missing, why));
    }
    Ok(found(false, account.clone()))
}

/// Never takes over an account that it did not make.
fn ours(identity: &Identity, account: &ServiceAccount) -> Result<(), Failure> {
    if account.description == mark(identity)? {
        return Ok(());
    }
    let why = format!(
        "Google service account {} exists and is not this identity's: its description is {:?}: delete it, or pin the user to an account of your own; Namesake takes over nothing that it did not make",
        account.email, account.description
    );
    Err(Failure::lasting(ConditionReason::Conflict, why))
}

pub(crate) fn mark(identity: &Identity) -> Result<String, Failure> {
    let mark = objects::mark(identity)
        .map_err(|error| Failure::lasting(ConditionReason::Invalid, error.to_string()))?;
    Ok(mark.to_string())
}

pub(crate) fn email(identity: &Identity) -> Result<&str, Failure> {
    let missing = || {
        Failure::lasting(
            ConditionReason::Invalid,
            "spec.googleServiceAccount is missing in mode impersonate: delete this Identity and let the broker make another",
        )
    };
    identity
        .spec
        .google_service_account
        .as_deref()
        .ok_or_else(missing)
}

/// Google's display names have at most 100 bytes.
fn short(text: &str) -> &str {
    let mut end = text.len().min(100);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}
