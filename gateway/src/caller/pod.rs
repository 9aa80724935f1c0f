//! Task pods: the projected token of a managed service account, whose Identity says which user it is.

use namesake_core::{Reason, Refusal, User};
use serde::Deserialize;

use super::identity::KnownIdentity;
use super::token::{Token, TokenError};
use super::{Caller, refuse, refuse_token};

/// The private claims of Kubernetes.
const PRIVATE: &str = "kubernetes.io";

#[derive(Deserialize)]
struct Private {
    namespace: String,
    serviceaccount: Object,
    #[serde(default)]
    pod: Option<Object>,
}

#[derive(Deserialize)]
struct Object {
    name: String,
    uid: String,
}

/// The user of the pod's Identity.
pub(super) fn identify(
    token: &Token,
    identity: impl Fn(&str, &str) -> Option<KnownIdentity>,
) -> Result<Caller, Refusal> {
    let private = token.claim(PRIVATE).map(Private::deserialize);
    let Some(Ok(private)) = private else {
        return Err(refuse_token(&TokenError::Claim(PRIVATE.to_owned())));
    };
    let Private {
        namespace,
        serviceaccount: account,
        pod,
    } = private;
    let requester = format!("system:serviceaccount:{namespace}:{}", account.name);
    if token.text("sub").ok() != Some(requester.as_str()) {
        return Err(refuse_token(&TokenError::Claim("sub".to_owned())));
    }
    // Whoever may create tokens of the account could get one without a pod.
    if pod.is_none() {
        let message = format!("The token of {requester} was not issued to a pod.");
        return Err(refuse(Reason::NotAPod, message));
    }
    let not_serving = |what: &str| {
        let message = format!(
            "The service account of this pod, {requester}, {what}. Start the task again with an identity, or ask your admin."
        );
        refuse(Reason::NotServing, message)
    };
    let Some(identity) = identity(&namespace, &account.name) else {
        return Err(not_serving("is not of a Namesake identity"));
    };
    if identity.service_account_uid.as_deref() != Some(account.uid.as_str()) {
        return Err(not_serving("is not the account of the identity any more"));
    }
    if !identity.serves {
        let phase = format!("is of an identity in phase {}", identity.phase);
        return Err(not_serving(&phase));
    }
    if identity.user.is_empty() {
        let message = format!("Several users share {requester}, so no single user is proven.");
        return Err(refuse(Reason::SharedIdentity, message));
    }
    let user = User::exact(&identity.user);
    let user = user.map_err(|_| not_serving("is of an identity without a legal user"))?;
    Ok(Caller {
        user,
        requester,
        groups: Vec::new(),
        is_pod: true,
    })
}
