//! Creates the requested identity unless it exists: the rules derive it, and the API server decides between concurrent requests.

mod wait;

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use namesake_api::broker_api::{IdentityAnswer, IdentityRequest};
use namesake_api::{Identity, IdentitySpec, IdentityStatus, Phase};
use namesake_core::{Reason, Rules, UserStatus};
use tracing::warn;

use super::{ApiError, Broker, Result};
use crate::cluster::ensure::{self, EnsureError, Ensured};
use crate::cluster::identity_status;
use crate::cluster::requests::{described, is_conflict, namespace_and_name};
use crate::identity::conditions;
use crate::identity::derive;
use crate::identity::objects;
use crate::identity::phase;

/// An Identity that others change at the same time is updated at most this often.
const ATTEMPTS: usize = 3;

/// The requested identity: Identity and KSA exist when this returns. `revision` is the one of the rules by which the caller
/// decided.
pub(super) async fn provision(
    broker: &Arc<Broker>,
    request: &IdentityRequest,
    revision: Option<&str>,
) -> Result<IdentityAnswer> {
    let rules = wait::for_rules(broker, revision).await?;
    wait::for_opt_in(broker, &request.namespace, rules.stack()).await?;
    let derived = derive::identity(&rules, request)?;
    if let Some(message) = broker.shared.config.allowed_roles.refusal(&derived.spec) {
        return Err(ApiError::new(Reason::RoleNotAllowed, message));
    }
    let (client, namespace, name) = (&broker.client, &request.namespace, &derived.name);
    let mutex = broker.in_flight.get(&format!("{namespace}/{name}"));
    let _one_at_a_time = mutex.lock().await;
    // If the watch shows that it does not exist, the API server need not be asked before it is created.
    let existing = if broker.shared.identities.is_known_absent(namespace, name) {
        None
    } else {
        ensure::get_identity(client, namespace, name).await?
    };
    let existing = match existing {
        Some(existing) => existing,
        None => {
            check_rate_limit(broker, &request.user)?;
            match create_to_the_end(broker, namespace, name, &derived.spec).await? {
                Ensured::Created(identity, account) => {
                    return Ok(answer_created(broker, *identity, &account));
                }
                Ensured::Existing(identity) => *identity,
            }
        }
    };
    let identity = update_existing(broker, &rules, existing, &derived.spec).await?;
    let account = ensure::ensure_service_account(client, &identity).await?;
    let uid = account.uid().unwrap_or_default();
    let identity = record_use(broker, &identity, &uid).await?;
    Ok(IdentityAnswer {
        ready: identity.is_ready(),
        name: derived.name,
        service_account_uid: uid,
    })
}

/// Creates Identity and KSA in a task of its own: a caller that stops waiting must not leave one without the other.
async fn create_to_the_end(
    broker: &Broker,
    namespace: &str,
    name: &str,
    spec: &IdentitySpec,
) -> Result<Ensured> {
    let (client, namespace) = (broker.client.clone(), namespace.to_owned());
    let (name, spec) = (name.to_owned(), spec.clone());
    let creation = async move { ensure::create_identity(&client, &namespace, &name, &spec).await };
    match broker.background.spawn(creation).await {
        Ok(created) => Ok(created?),
        Err(_) => Err(ApiError::api_server_unavailable(
            "the creation was interrupted: try again",
        )),
    }
}

/// Checks that an existing Identity serves, and gives it the spec that the rules derive today. It is read again when another
/// replica changes it meanwhile.
async fn update_existing(
    broker: &Broker,
    rules: &Rules,
    mut existing: Identity,
    derived: &IdentitySpec,
) -> Result<Identity> {
    let (namespace, name) = namespace_and_name(&existing);
    let mut attempt = 1;
    loop {
        let current = ensure::check_identity(existing, derived)?;
        check_serves(broker, rules, &current)?;
        let wanted = derive::keep_fallback(rules, &current.spec, derived.clone());
        match ensure::update_spec(&broker.client, current.clone(), &wanted).await {
            Err(EnsureError::Kube { source, .. }) if is_conflict(&source) && attempt < ATTEMPTS => {
            }
            updated => return Ok(updated?),
        }
        attempt += 1;
        let latest = ensure::get_identity(&broker.client, &namespace, &name).await?;
        existing = latest.unwrap_or(current);
    }
}

/// The answer about an Identity that was just created. That its objects exist is written to the status in the background: if that
/// fails, the controller does it. If there is nothing but the KSA, the controller finds it by itself.
fn answer_created(
    broker: &Arc<Broker>,
    identity: Identity,
    account: &ServiceAccount,
) -> IdentityAnswer {
    let uid = account.uid().unwrap_or_default();
    let answer = IdentityAnswer {
        ready: false,
        name: identity.name_any(),
        service_account_uid: uid.clone(),
    };
    if objects::has_no_role_bindings(&identity) {
        return answer;
    }
    let background = Arc::clone(broker);
    broker.background.spawn(async move {
        if let Err(error) = record_use(&background, &identity, &uid).await {
            let name = identity.name_any();
            warn!(%name, %error, "failed to record the service account of an identity: the controller will");
        }
    });
    answer
}

/// Writes to the status which KSA the Identity has, and that it is in use.
async fn record_use(
    broker: &Broker,
    identity: &Identity,
    uid: &str,
) -> Result<Identity, EnsureError> {
    let now = broker.now();
    let updated = identity_status::update(&broker.client, identity, |current, status| {
        let revived = revive(status, now);
        // A pod is about to be created.
        let first_use = status.last_used_time.is_none();
        status.last_used_time.get_or_insert(Time(now));
        conditions::record_service_account(current, status, uid, now) || revived || first_use
    });
    let what = format!("the status of {}", described("Identity", identity));
    updated.await.map_err(EnsureError::kube(what))
}

/// Refuses an identity that is suspended, or whose user is offboarded. One that is only being drained serves again.
fn check_serves(broker: &Broker, rules: &Rules, identity: &Identity) -> Result<()> {
    let undo = broker.shared.config.offboarding_undo;
    let is_back = match rules.user_status(&identity.spec.user) {
        UserStatus::Returned => true,
        UserStatus::Active => phase::recently_offboarded(identity, undo, broker.now()),
        UserStatus::Offboarded => false,
    };
    let (reason, phase) = match identity.phase() {
        phase if identity.spec.suspended || phase == Phase::Suspended => {
            (Reason::Suspended, Phase::Suspended)
        }
        gone @ (Phase::Offboarding | Phase::Gone) if !is_back => {
            (Reason::PreviouslyOffboarded, gone)
        }
        _ => return Ok(()),
    };
    let why = phase::refusal(phase)
        .map(|finding| finding.message)
        .unwrap_or_default();
    let message = format!("identity {}: {why}", identity.name_any());
    Err(ApiError::new(reason, message))
}

/// An identity that is drained, or whose user is back, serves again from now on. Its conditions show how far it is at Google.
fn revive(status: &mut IdentityStatus, now: Timestamp) -> bool {
    let next = match status.phase {
        Some(Phase::Draining) => Phase::Provisioning,
        Some(Phase::Offboarding | Phase::Gone) => Phase::Returning,
        _ => return false,
    };
    phase::enter(status, next, now);
    status.last_used_time = Some(Time(now));
    true
}

fn check_rate_limit(broker: &Broker, user: &str) -> Result<()> {
    let mut limits = broker.rate_limits.lock();
    limits.take(user, broker.now()).map_err(|wait| {
        broker.shared.metrics.request_rate_limited();
        ApiError::too_many_identities(user, limits.limit(), wait)
    })
}

#[cfg(test)]
mod tests;
