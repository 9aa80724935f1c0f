//! The steps that take an identity down: nobody acts as it, its account is disabled, no pod is left, nothing is left. Whatever
//! is gone already counts as done, and what is not ours is left alone.

use std::time::Duration;

use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams, Preconditions};
use kube::{Api, Resource as _, ResourceExt};
use namesake_api::{Identity, IdentityStatus, Mode, Phase};
use namesake_gcp::{Edit, Error as Google, Resource, ServiceAccount};
use tracing::warn;

use super::step::Done;
use super::{Context, google, leftovers};
use crate::cluster::ensure;
use crate::google::written::{self, Entry};
use crate::identity::failure::Failure;
use crate::identity::objects;
use crate::identity::phase;
use crate::identity::reason::ConditionReason;

/// For so long a policy that Google keeps from us holds up whoever goes: a right that is missing may come back, and what is
/// forgotten nobody takes away.
const PATIENCE: SignedDuration = SignedDuration::from_hours(1);

/// Lets nobody act as the identity: takes the binding back, or the grants where the KSA itself has them.
pub(super) async fn unbind(identity: &Identity, context: &Context) -> Result<Done, Failure> {
    let status = expected(identity, context).await?;
    let entries = match identity.spec.mode {
        Mode::Impersonate => written::bindings(&status),
        Mode::Direct => written::all(&status),
    };
    // Of who leaves, the service account itself is about to go.
    let denied = match identity.phase() {
        Phase::Offboarding => Denied::after(phase::since(identity, context.now())),
        _ => Denied::HoldsUp,
    };
    match take_back(identity, context, entries, denied).await {
        Ok(taken) => Ok(done(taken)),
        Err(failure) if failure.is_of_the_organization() => {
            // The binding stays as long as the organization blocks its policy: nobody is to act as the account meanwhile.
            disable(identity, context).await?;
            Err(failure)
        }
        Err(failure) => Err(failure),
    }
}

/// Takes back what is recorded and not asked for any more; everything, when the identity is to go.
pub(super) async fn revoke(identity: &Identity, context: &Context) -> Result<Done, Failure> {
    let (entries, denied) = if identity.phase().accepts_new_pods() {
        let status = identity.status.clone().unwrap_or_default();
        // It stays recorded, and is tried again.
        (written::stale(identity, &status), Denied::IsSaid)
    } else {
        let entries = written::all(&expected(identity, context).await?);
        let grace = SignedDuration::try_from(context.config.offboarding_grace);
        let grace = grace.unwrap_or(SignedDuration::MAX);
        let over = phase::since(identity, context.now()).saturating_sub(grace);
        (entries, Denied::after(over))
    };
    let taken = take_back(identity, context, entries, denied).await?;
    Ok(done(taken))
}

fn done(taken: Vec<Entry>) -> Done {
    Done {
        taken,
        ..Done::default()
    }
}

/// What is recorded, and what an identity of this spec has even if nobody recorded it. Of an account under its name that is
/// somebody else's, nothing is the identity's.
async fn expected(identity: &Identity, context: &Context) -> Result<IdentityStatus, Failure> {
    let mut status = identity.status.clone().unwrap_or_default();
    let others = match own_account(identity, context).await? {
        Own::Others => true,
        Own::Ours(_) | Own::None => false,
    };
    if others {
        status.bindings.clear();
    }
    if others || written::is_complete(identity, &status) || !may_have(identity, context) {
        return Ok(status);
    }
    match (
        google::members(identity, &context.gcp).await,
        identity.spec.mode,
    ) {
        (Ok(members), _) => {
            written::record(identity, &mut status, &members);
        }
        // Its name at Google cannot be told, because its KSA was never made, or the project's number cannot be read: then nothing
        // was ever written under it that is not recorded.
        (Err(_), Mode::Direct) => {}
        (Err(failure), Mode::Impersonate) => return Err(failure),
    }
    Ok(status)
}

/// Whether an identity of this spec can have anything that is not recorded. Nobody corrects the spec of one whose user has left,
/// so that a hand may have written another's account, or a role that we never give, into it.
fn may_have(identity: &Identity, context: &Context) -> bool {
    let spec = &identity.spec;
    let own = format!("{}@", identity.name_any());
    let account = spec.google_service_account.as_ref();
    let is_own = spec.pinned || account.is_none_or(|email| email.starts_with(&own));
    is_own && context.config.allowed_roles.refusal(spec).is_none()
}

/// What a grant does that cannot be taken back, because Google keeps its policy from us.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Denied {
    /// It holds up the step: whoever has it is to act no more, and still could.
    HoldsUp,
    /// It stays, and that is said: to wait would take it from nobody.
    IsSaid,
}

impl Denied {
    /// Of who should be gone for so long already.
    fn after(waited: SignedDuration) -> Self {
        if waited < PATIENCE {
            Self::HoldsUp
        } else {
            Self::IsSaid
        }
    }
}

/// Takes entries out of their policies. Returns those that are out.
async fn take_back(
    identity: &Identity,
    context: &Context,
    entries: Vec<Entry>,
    denied: Denied,
) -> Result<Vec<Entry>, Failure> {
    let recorded = identity.status.as_ref().map(written::all);
    let recorded = recorded.unwrap_or_default();
    let (mut taken, mut left) = (Vec::new(), entries);
    while let Some(first) = left.first() {
        let resource = first.resource.clone();
        let (here, others): (Vec<_>, Vec<_>) =
            left.into_iter().partition(|e| e.resource == resource);
        left = others;
        // What was written is forgotten after this, and then nobody would look for it any more.
        let was_written = here.iter().any(|entry| recorded.contains(entry));
        let edits = here.iter().cloned().map(removal).collect();
        let removed = if was_written {
            context.policies.confirm(&resource, edits).await
        } else {
            context.policies.change(&resource, edits).await
        };
        let may_stay = !was_written || denied == Denied::IsSaid;
        match removed {
            Err(error) if is_kept_from_us(&error) && may_stay && !is_account(&resource) => {
                if was_written {
                    let why = &error.failure().message;
                    say_left(identity, context, &resource, why).await;
                }
            }
            removed => {
                forgive(removed.map(|_| ()))?;
                taken.extend(here);
            }
        }
    }
    Ok(taken)
}

/// Whether Google does not let us change a policy: we lack the right, or the organization refuses it.
const fn is_kept_from_us(error: &Google) -> bool {
    matches!(error, Google::PermissionDenied(_) | Google::Refused { .. })
}

/// Whoever is in the policy of an account may act as it.
const fn is_account(resource: &Resource) -> bool {
    matches!(resource, Resource::ServiceAccount { .. })
}

async fn say_left(identity: &Identity, context: &Context, on: &Resource, why: &str) {
    let so = if identity.phase().accepts_new_pods()
        && identity.metadata.deletion_timestamp.is_none()
    {
        "is not asked for any more, and stays: take it away there, or give the broker a role that lets it"
    } else {
        "stays in the name of an account that is deleted, so that nobody has it"
    };
    let note = format!("what was given on {on} {so}: {why}");
    warn!(name = %identity.name_any(), user = %identity.spec.user, %note, "a grant could not be taken back");
    let about = identity.object_ref(&());
    let events = &context.events;
    events
        .warning(&about, "Revoke", ConditionReason::Left.as_str(), &note)
        .await;
}

fn removal(entry: Entry) -> Edit {
    Edit::Remove(namesake_gcp::MemberBinding {
        condition: entry.condition,
        ..namesake_gcp::MemberBinding::new(entry.role, entry.member)
    })
}

/// Disables the GSA, so that tokens that are out there end too.
pub(super) async fn disable(identity: &Identity, context: &Context) -> Result<Done, Failure> {
    // It may have served a moment ago, and Google show what was before.
    let doubtful =
        phase::since(identity, context.now()).unsigned_abs() < context.config.timings.stale_reads;
    if let Own::Ours(account) = own_account(identity, context).await?
        && (!account.disabled || doubtful)
    {
        let project = &identity.spec.project;
        let id = &account.unique_id;
        forgive(context.gcp.disable_service_account(project, id).await)?;
    }
    Ok(Done::default())
}

/// Deletes the GSA, disabled first. By its unique id: a namesake made in between stays.
pub(super) async fn delete_account(
    identity: &Identity,
    context: &Context,
) -> Result<Done, Failure> {
    disable(identity, context).await?;
    if let Own::Ours(account) = own_account(identity, context).await? {
        let project = &identity.spec.project;
        let id = &account.unique_id;
        forgive(context.gcp.delete_service_account(project, id).await)?;
        context.quota.deleted(project);
    }
    Ok(Done {
        // Whoever comes back gets it back by this id.
        forget_google_id: identity.phase().accepts_new_pods(),
        ..Done::default()
    })
}

/// Whose the GSA is that the identity has, or had.
enum Own {
    Ours(ServiceAccount),
    Others,
    None,
}

async fn own_account(identity: &Identity, context: &Context) -> Result<Own, Failure> {
    if identity.spec.pinned {
        return Ok(Own::None);
    }
    // The record is ours; the spec may be another by now.
    let status = identity.status.as_ref();
    let recorded = status.and_then(|status| status.google_service_account_id.clone());
    let named = identity.spec.google_service_account.clone();
    let (project, mark) = (&identity.spec.project, google::mark(identity)?);
    let mut own = Own::None;
    for account in recorded.into_iter().chain(named) {
        match context.gcp.get_service_account(project, &account).await? {
            Some(account) if account.description == mark => return Ok(Own::Ours(account)),
            Some(_) => own = Own::Others,
            None => {}
        }
    }
    Ok(own)
}

/// Sees whether every replica of the webhook knows by now, and whether the last pod is gone.
pub(super) async fn drain(identity: &Identity, context: &Context) -> Result<Done, Failure> {
    let timings = &context.config.timings;
    let leaving = identity.phase() == Phase::Offboarding;
    let known = phase::since(identity, context.now()).unsigned_abs();
    // One that the rules dropped waits longer: the edit may have been a slip.
    let bound = if leaving || context.is_wanted(identity) {
        timings.drain
    } else {
        context.config.collect_after
    };
    let pods = pods(identity, context).await?;
    let left = if leaving {
        let mut left: Vec<_> = pods.iter().map(|pod| format!("Pod {pod}")).collect();
        left.extend(leftovers::scheduled(identity, context).await);
        left.sort();
        Some(left)
    } else {
        None
    };
    let wait = bound.saturating_sub(known);
    let again = if !wait.is_zero() {
        Some(wait.min(timings.resync))
    } else if !pods.is_empty() {
        Some(timings.refused)
    } else {
        None
    };
    Ok(Done {
        again,
        left,
        // An identity that pods run as is not idle.
        used: !leaving && !pods.is_empty(),
        ..Done::default()
    })
}

/// Names of the pods that run as the identity, or will.
async fn pods(identity: &Identity, context: &Context) -> Result<Vec<String>, Failure> {
    let (namespace, name) = (
        identity.namespace().unwrap_or_default(),
        identity.name_any(),
    );
    let api = Api::<Pod>::namespaced(context.client.clone(), &namespace);
    let of = ListParams::default().fields(&format!("spec.serviceAccountName={name}"));
    let found = api.list(&of).await;
    let what = format!("a list of the pods of service account {namespace}/{name}");
    let found = found.map_err(ensure::Error::kube(what))?;
    let ended = |pod: &Pod| {
        let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref());
        matches!(phase, Some("Succeeded" | "Failed"))
    };
    let alive = found.items.iter().filter(|pod| !ended(pod));
    Ok(alive.map(ResourceExt::name_any).collect())
}

/// Deletes the KSA and its RoleBindings.
pub(super) async fn delete_service_account(
    identity: &Identity,
    context: &Context,
) -> Result<Done, Failure> {
    ensure::removed(&context.client, identity).await?;
    Ok(Done {
        service_account: Some(crate::identity::plan::ServiceAccount::Absent),
        forget_service_account: true,
        ..Done::default()
    })
}

/// Deletes the Identity as it was seen: one that was used since stays. Its finalizer takes down the rest.
pub(super) async fn delete_identity(
    identity: &Identity,
    context: &Context,
) -> Result<Done, Failure> {
    let (namespace, name) = (
        identity.namespace().unwrap_or_default(),
        identity.name_any(),
    );
    let api = Api::<Identity>::namespaced(context.client.clone(), &namespace);
    let seen = DeleteParams {
        preconditions: Some(Preconditions {
            uid: identity.uid(),
            resource_version: identity.resource_version(),
        }),
        ..DeleteParams::default()
    };
    match api.delete(&name, &seen).await {
        Ok(_) => {}
        Err(error) if ensure::is_gone(&error) => {}
        Err(error) if ensure::is_conflict(&error) => {
            let why = "it was used, or changed, at the last moment: it is looked at again";
            return Err(Failure::passing(ConditionReason::Used, why));
        }
        Err(source) => {
            let what = format!("the deletion of Identity {namespace}/{name}");
            return Err(ensure::Error::kube(what)(source).into());
        }
    }
    Ok(Done {
        again: Some(Duration::from_secs(1)),
        ..Done::default()
    })
}

/// Everything at once, for an Identity that is deleted: the binding first, so that nobody acts as it from then on; then the
/// grants; then the account.
pub(crate) async fn take_down(identity: &Identity, context: &Context) -> Result<(), Failure> {
    // A copy of another cluster's Identity: what is at Google is that cluster's.
    if context.place.is_not(&identity.spec.cluster) {
        return Ok(());
    }
    // Nothing was ever done for one that was written by hand.
    if !crate::identity::derive::is_derived(identity) || objects::mark(identity).is_err() {
        return Ok(());
    }
    let status = expected(identity, context).await?;
    let deleted = identity.metadata.deletion_timestamp.as_ref();
    let waited = deleted.map(|deleted| context.now().duration_since(deleted.0));
    let denied = Denied::after(waited.unwrap_or_default());
    for entries in [written::bindings(&status), written::grants(&status)] {
        take_back(identity, context, entries, denied).await?;
    }
    delete_account(identity, context).await?;
    Ok(ensure::unowned_removed(&context.client, identity).await?)
}

/// What is not there need not be removed.
fn forgive(done: Result<(), Google>) -> Result<(), Failure> {
    match done {
        Err(Google::NotFound(_)) => Ok(()),
        other => Ok(other?),
    }
}
