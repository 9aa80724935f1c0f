//! Makes an identity be there: the rules decide and derive it, the API server arbitrates between requests.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use namesake_api::{Identity, IdentityStatus, Phase};
use namesake_core::{Rules, UserStatus};
use tracing::warn;

use super::{Answer, ApiError, Ask, Broker, Reason};
use crate::cluster::ensure;
use crate::cluster::ensure::Made;
use crate::identity::conditions;
use crate::identity::derive;
use crate::identity::objects;
use crate::identity::phase;
use crate::identity::status;

/// How far the watch of the rules may be behind the caller's.
const BEHIND: Duration = Duration::from_secs(2);

/// The identity that is asked for: Identity and KSA are there when this returns.
/// `revision` names the rules that the caller decided by.
pub(super) async fn provision(
    broker: &Arc<Broker>,
    ask: &Ask,
    revision: Option<&str>,
) -> Result<Answer, ApiError> {
    let rules = rules(broker, revision).await?;
    is_opted_in(broker, &ask.namespace, rules.stack()).await?;
    let derived = derive::identity(&rules, ask).map_err(|refusal| ApiError::refused(&refusal))?;
    if let Some(message) = broker.config.allowed_roles.refusal(&derived.spec) {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            Reason::RoleNotAllowed,
            message,
        ));
    }
    let lock = broker
        .flights
        .of(&format!("{}/{}", ask.namespace, derived.name));
    let _one_at_a_time = lock.lock().await;
    let (client, namespace, name) = (&broker.client, &ask.namespace, &derived.name);
    // None that the watch has shown: then nobody has to be asked before it is created.
    let there = if broker.identities.lack(namespace, name) {
        None
    } else {
        ensure::find(client, namespace, name).await?
    };
    let there = match there {
        Some(there) => ensure::accept(there, &derived.spec)?,
        None => {
            take_token(broker, &ask.user)?;
            match ensure::newcomer(client, namespace, name, &derived.spec).await? {
                Made::Now(identity, account) => return Ok(newcomer(broker, *identity, &account)),
                Made::Before(identity) => *identity,
            }
        }
    };
    refuse(broker, &rules, &there)?;
    let wanted = derive::as_before(&rules, &there.spec, derived.spec);
    let identity = ensure::spec(client, there, &wanted).await?;
    let account = ensure::service_account(client, &identity).await?;
    let uid = account.uid().unwrap_or_default();
    let identity = record(broker, &identity, &uid).await?;
    Ok(Answer {
        ready: identity.is_ready(),
        name: derived.name,
        service_account_uid: uid,
    })
}

/// The answer about an Identity that was made just now. That all of it is there is written down after it: nobody waits for that,
/// and the controller does it again when it was lost. Of a KSA that is alone it learns by itself.
fn newcomer(broker: &Arc<Broker>, identity: Identity, account: &ServiceAccount) -> Answer {
    let uid = account.uid().unwrap_or_default();
    let answer = Answer {
        ready: false,
        name: identity.name_any(),
        service_account_uid: uid.clone(),
    };
    if objects::is_alone(&identity) {
        return answer;
    }
    let later = Arc::clone(broker);
    broker.afterwards.spawn(async move {
        if let Err(error) = record(&later, &identity, &uid).await {
            let name = identity.name_any();
            warn!(%name, %error, "that an identity has its account could not be written down: the controller does");
        }
    });
    answer
}

/// Writes down which KSA an Identity has; it serves again, if it did not.
async fn record(
    broker: &Broker,
    identity: &Identity,
    uid: &str,
) -> Result<Identity, ensure::Error> {
    let now = broker.now();
    let written = status::update(&broker.client, identity, |seen, status| {
        let revived = revive(status, now);
        // A pod is about to be made.
        let used = status.last_used_time.is_none();
        status.last_used_time.get_or_insert(Time(now));
        conditions::service_account(seen, status, uid, now) || revived || used
    });
    let (namespace, name) = (
        identity.namespace().unwrap_or_default(),
        identity.name_any(),
    );
    let what = format!("the status of Identity {namespace}/{name}");
    written.await.map_err(ensure::Error::kube(what))
}

/// An identity that serves nobody now: suspended, or its user had left. One that is only being drained is not refused.
fn refuse(broker: &Broker, rules: &Rules, identity: &Identity) -> Result<(), ApiError> {
    let undo = broker.config.offboarding_undo;
    let back = match rules.user_status(&identity.spec.user) {
        UserStatus::Returned => true,
        UserStatus::Active => phase::just_left(identity, undo, broker.now()),
        UserStatus::Offboarded => false,
    };
    let reason = match identity.phase() {
        Phase::Suspended => Reason::Suspended,
        _ if identity.spec.suspended => Reason::Suspended,
        Phase::Offboarding | Phase::Gone if !back => Reason::HasLeft,
        _ => return Ok(()),
    };
    let why = phase::refusal(identity.phase()).or_else(|| phase::refusal(Phase::Suspended));
    let why = why.map(|finding| finding.message).unwrap_or_default();
    let message = format!("identity {}: {why}", identity.name_any());
    Err(ApiError::new(StatusCode::FORBIDDEN, reason, message))
}

/// What is drained or comes back serves again from here on; what Google has of it shows by its conditions.
fn revive(status: &mut IdentityStatus, now: Timestamp) -> bool {
    let phase = match status.phase {
        Some(Phase::Draining) => Phase::Provisioning,
        Some(Phase::Offboarding | Phase::Gone) => Phase::Returning,
        _ => return false,
    };
    crate::identity::phase::enter(status, phase, now);
    status.last_used_time = Some(Time(now));
    true
}

/// The rules in force, which must be those that the caller decided by. One of the two may be behind by a moment: we wait for
/// ours; a caller who is behind asks again with newer ones.
async fn rules(broker: &Broker, revision: Option<&str>) -> Result<Arc<Rules>, ApiError> {
    let mut changes = broker.rules.changes();
    let same = |rules: &Rules| revision.is_none_or(|asked| asked == rules.revision());
    let found = async {
        loop {
            match broker.rules.current() {
                Some(rules) if same(&rules) => return rules,
                _ => drop(changes.changed().await),
            }
        }
    };
    if let Ok(rules) = tokio::time::timeout(BEHIND, found).await {
        return Ok(rules);
    }
    let unavailable = StatusCode::SERVICE_UNAVAILABLE;
    let Some(ours) = broker.rules.current() else {
        let message = "no rules are loaded yet: create the ConfigMap namesake-rules, or see its Events for what is wrong";
        return Err(ApiError::new(unavailable, Reason::RulesNotLoaded, message));
    };
    let message = format!(
        "the webhook decided by revision {} of the rules, and revision {} is in force in the broker: try again in a moment; if it lasts, one of the two does not take the rules as edited: see the Events of the ConfigMap namesake-rules",
        revision.unwrap_or_default(),
        ours.revision()
    );
    Err(ApiError::new(unavailable, Reason::RulesDiffer, message))
}

/// Refuses for a namespace that has not opted in. Our watch may be behind the caller's: we wait for it, and say so when it has
/// not shown any namespace yet.
async fn is_opted_in(broker: &Broker, namespace: &str, stack: &str) -> Result<(), ApiError> {
    let namespaces = &broker.namespaces;
    let mut changes = namespaces.changes();
    let found = async {
        while !namespaces.opted_in(namespace, stack) {
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    if tokio::time::timeout(BEHIND, found).await.is_ok() {
        return Ok(());
    }
    if !namespaces.is_complete() {
        let message = "the broker has just started, and has not read the namespaces yet: try again in a moment";
        let unavailable = StatusCode::SERVICE_UNAVAILABLE;
        return Err(ApiError::new(unavailable, Reason::NotSynced, message));
    }
    let message = namespaces.why_not(namespace, stack);
    Err(ApiError::new(
        StatusCode::NOT_FOUND,
        Reason::NotOptedIn,
        message,
    ))
}

fn take_token(broker: &Broker, user: &str) -> Result<(), ApiError> {
    let mut buckets = broker
        .buckets
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    buckets.take(user, broker.now()).map_err(|wait| {
        broker.metrics.rate_limited();
        ApiError::too_many(user, buckets.limit(), wait)
    })
}

#[cfg(test)]
mod tests;
