//! Makes an identity be there: the rules decide and derive it, the API server arbitrates between requests.

use std::sync::{Arc, PoisonError};

use axum::http::StatusCode;
use kube::ResourceExt;
use namesake_core::Rules;

use super::{Answer, ApiError, Ask, Broker, Reason};
use crate::{conditions, derive, ensure, status};

/// The identity that is asked for: Identity and KSA are there when this returns.
pub(super) async fn provision(broker: &Arc<Broker>, ask: &Ask) -> Result<Answer, ApiError> {
    let rules = rules(broker)?;
    if !broker.namespaces.opted_in(&ask.namespace, rules.stack()) {
        let message = format!(
            "namespace {} has not opted in to stack {}: an admin labels it namesake.dev/stack={1}",
            ask.namespace,
            rules.stack()
        );
        return Err(ApiError::new(
            StatusCode::NOT_FOUND,
            Reason::NotOptedIn,
            message,
        ));
    }
    let derived = derive::identity(&rules, ask).map_err(|refusal| ApiError::refused(&refusal))?;
    let lock = broker
        .flights
        .of(&format!("{}/{}", ask.namespace, derived.name));
    let _one_at_a_time = lock.lock().await;
    let (client, namespace, name) = (&broker.client, &ask.namespace, &derived.name);
    let identity = match ensure::find(client, namespace, name).await? {
        Some(there) => ensure::accept(there, &derived.spec)?,
        None => {
            take_token(broker, &ask.user)?;
            ensure::identity(client, namespace, name, &derived.spec).await?
        }
    };
    let identity = ensure::spec(client, identity, &derived.spec).await?;
    let account = ensure::service_account(client, &identity).await?;
    let uid = account.uid().unwrap_or_default();
    let now = broker.now();
    let written = status::update(client, &identity, |seen, status| {
        conditions::service_account(seen, status, &uid, now)
    });
    let what = format!("the status of Identity {namespace}/{name}");
    let identity = written.await.map_err(ensure::Error::kube(what))?;
    Ok(Answer {
        ready: identity.is_ready(),
        name: derived.name,
        service_account_uid: uid,
    })
}

fn rules(broker: &Broker) -> Result<Arc<Rules>, ApiError> {
    broker.rules.current().ok_or_else(|| {
        let message = "no rules are loaded yet: create the ConfigMap namesake-rules, or see its Events for what is wrong";
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, Reason::RulesNotLoaded, message)
    })
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
