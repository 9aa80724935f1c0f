//! Envoy's question: is this request allowed, and whose is it? 200 with the user's name, or the refusal for the client.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Bytes;
use axum::extract::State as Extract;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use namesake_api::names::{self, AUTHORIZE_PATH, GATEWAY_PATH, SERVES_HEADER};
use namesake_core::{
    EndpointMode, EndpointRight, MetadataRequest, NewRun, Reason, Refusal, Rules, TagChange, User,
    is_plain_path,
};

use super::refusal::{refuse, refused};
use super::who::identify;
use crate::state::{Outcome, State};

/// A request as Envoy describes it.
struct Request<'r> {
    method: &'r Method,
    path: &'r str,
    headers: &'r HeaderMap,
    body: &'r [u8],
}

/// What was decided: the user, if one is proven, and the refusal, if there is one.
struct Decision {
    user: Option<User>,
    result: Result<(), Refusal>,
}

pub(super) async fn authorize(
    Extract(state): Extract<Arc<State>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let began = Instant::now();
    let path = uri.path().strip_prefix(AUTHORIZE_PATH).unwrap_or_default();
    let request = Request {
        method: &method,
        path,
        headers: &headers,
        body: &body,
    };
    let rules = state.rules.get();
    let mode = rules.as_ref().map(|rules| rules.endpoint_mode());
    let mode = mode.unwrap_or_default();
    let decision = match rules {
        Some(rules) => request.decide(&state, &rules).await,
        None => Decision::refused(refuse(Reason::RulesNotLoaded, "No rules are in force yet.")),
    };
    let (outcome, answer) = answer(&request, mode, decision);
    state.metrics.count_request(outcome, mode, began.elapsed());
    answer
}

/// Logs and answers. Who somebody is, and that a host is read-only, holds in shadow mode too. An unknown path or body does not:
/// shadow mode shows what enforcing would break.
fn answer(request: &Request<'_>, mode: EndpointMode, decision: Decision) -> (Outcome, Response) {
    let Decision { user, result } = decision;
    let Err(refusal) = result else {
        return (Outcome::Allowed, allowed(user));
    };
    let reason = refusal.reason;
    let holds = matches!(
        reason,
        Reason::InvalidToken | Reason::ReadOnlyHost | Reason::BadRequest | Reason::RulesNotLoaded
    );
    let is_shadow = mode == EndpointMode::Shadow && !holds;
    let (name, message) = (user.as_ref().map(User::as_str), &refusal.message);
    tracing::info!(
        user = name,
        method = %request.method,
        path = request.path,
        %reason,
        message,
        "{}",
        if is_shadow { "would be refused" } else { "refused" }
    );
    if is_shadow {
        (Outcome::WouldBeRefused(reason), allowed(user))
    } else {
        (Outcome::Refused(reason), refused(&refusal))
    }
}

fn allowed(user: Option<User>) -> Response {
    let Some(user) = user else {
        return StatusCode::OK.into_response();
    };
    match HeaderValue::from_str(user.as_str())
        .or_else(|_| HeaderValue::from_bytes(user.as_str().as_bytes()))
    {
        Ok(name) => [(names::USER_HEADER, name)].into_response(),
        Err(_) => refused(&refuse(
            Reason::IllegalUser,
            "The user's name cannot be a header.",
        )),
    }
}

impl Decision {
    fn refused(refusal: Refusal) -> Self {
        Self {
            user: None,
            result: Err(refusal),
        }
    }
}

impl Request<'_> {
    async fn decide(&self, state: &State, rules: &Rules) -> Decision {
        let caller = identify(state, rules, self.headers);
        // The page is for everybody who has a valid token: it says why somebody is not known.
        if self.is_own_page() {
            let user = caller.ok().map(|caller| caller.user);
            return Decision {
                user,
                result: Ok(()),
            };
        }
        let caller = match caller {
            Ok(caller) => caller,
            Err(refusal) => return Decision::refused(refusal),
        };
        let result = match caller.right(rules) {
            Ok(right) => self.check(state, rules, &caller.user, right).await,
            Err(refusal) => Err(refusal),
        };
        Decision {
            user: Some(caller.user),
            result,
        }
    }

    fn is_read(&self) -> bool {
        matches!(*self.method, Method::GET | Method::HEAD)
    }

    fn is_own_page(&self) -> bool {
        let below = self.path.strip_prefix(GATEWAY_PATH);
        let is_own = below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        is_own && self.is_read() && is_plain_path(self.path)
    }

    /// Checks the request against the user's right and, if it changes a run, against the run's owner.
    async fn check(
        &self,
        state: &State,
        rules: &Rules,
        user: &User,
        right: EndpointRight,
    ) -> Result<(), Refusal> {
        let mut serves = self.headers.get_all(SERVES_HEADER).iter();
        let serves = serves.next().filter(|_| serves.next().is_none());
        let request = match serves.map(HeaderValue::as_bytes) {
            Some(b"api") => MetadataRequest::parse(self.method.as_str(), self.path)?,
            Some(b"ui") => self.parse_for_browsers()?,
            _ => {
                let message = "The gateway did not say what the host serves. Render Envoy's configuration again.";
                return Err(refuse(Reason::BadRequest, message));
            }
        };
        rules.check_endpoint_right(user, right, request.right())?;
        match request {
            MetadataRequest::Read | MetadataRequest::RegisterFlow => Ok(()),
            MetadataRequest::NewRun => NewRun::parse(self.plain_body()?)?.check(user),
            MetadataRequest::ChangeRun(run) => {
                let owner = owner(state, run.path).await?;
                run.check_owner(user, right, &owner)
            }
            MetadataRequest::ChangeTags(run) => {
                let change = TagChange::parse(self.plain_body()?)?;
                let owner = owner(state, run.path).await?;
                run.check_owner(user, right, &owner)?;
                change.check(user, &owner)
            }
        }
    }

    /// Browsers send cookies with requests that other sites start, so nothing may be changed with them.
    fn parse_for_browsers(&self) -> Result<MetadataRequest<'_>, Refusal> {
        if !self.is_read() {
            let message =
                "Nothing can be changed on this host. Use the host for programs, with a token.";
            return Err(refuse(Reason::ReadOnlyHost, message));
        }
        if !is_plain_path(self.path) {
            let message = "The path could mean different things to different servers.";
            return Err(refuse(Reason::UnknownPath, message));
        }
        Ok(MetadataRequest::Read)
    }

    /// The body, if it is as it was sent: the service would read what is compressed otherwise.
    fn plain_body(&self) -> Result<&[u8], Refusal> {
        if self.headers.contains_key(header::CONTENT_ENCODING) {
            let message = "The body must not be compressed.";
            return Err(refuse(Reason::InvalidBody, message));
        }
        Ok(self.body)
    }
}

async fn owner(state: &State, run: &str) -> Result<Arc<str>, Refusal> {
    if let Some(owner) = state.owners.known(run) {
        return Ok(owner);
    }
    let (result, owner) = match state.owners.ask(run).await {
        Ok(Some(owner)) => ("found", Ok(owner)),
        Ok(None) => {
            let message = format!("The metadata service has no run {run}.");
            ("unknown", Err(refuse(Reason::UnknownRun, &message)))
        }
        Err(error) => {
            let message = format!("It cannot be found out who owns run {run}: {error}. Try again.");
            ("failed", Err(refuse(Reason::OwnerLookupFailed, &message)))
        }
    };
    state.metrics.count_owner_lookup(result);
    owner
}
