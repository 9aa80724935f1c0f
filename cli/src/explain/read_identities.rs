//! Reads what the explanation of an Identity or of a user needs, with the caller's rights. What may not be read is in the facts.

use futures::future::join_all;
use kube::api::{DynamicObject, ListParams, ObjectList};
use kube::{Api, ResourceExt};
use namesake_api::names::IDENTITY_LABEL;
use namesake_api::{Identity, Phase};
use namesake_core::{Launcher, Requester, Rules, User};
use namesake_webhook::decide::kinds;
use serde_json::Value;

use super::chain;
use super::facts::{IdentityFacts, Trace, UserFacts, Wait};
use super::read::{api, gone, rules, seen};
use crate::answer::failure::Failure;
use crate::answer::text::count;
use crate::cluster::connect::Session;
use crate::cluster::identities::{self, Which};

/// Identities of which the waiting pods are looked for.
const MAX_SEARCHED: usize = 20;

/// An Identity, and what could not be seen.
pub(super) async fn identity(
    session: &Session,
    namespace: &str,
    name: &str,
) -> Result<(IdentityFacts, Vec<String>), Failure> {
    let identities: Api<Identity> = Api::namespaced(session.client.clone(), namespace);
    let what = format!("read Identity {namespace}/{name}");
    let identity = identities.get_opt(name).await.map_err(Failure::to(what))?;
    let identity = identity.ok_or_else(|| gone("Identity", namespace, name))?;
    let mut unseen = Vec::new();
    let mut waiting = Vec::new();
    if may_have_waiting(&identity) {
        let list = waiting_pods(session, &identity).await;
        waiting = listed_waiting(list, &identity, &mut unseen)?;
    }
    let identity = Box::new(identity);
    Ok((IdentityFacts { identity, waiting }, unseen))
}

/// A user, with the identities in the namespace that the caller named, or in all.
pub(super) async fn user(
    session: &Session,
    namespace: &str,
    name: &str,
    trace: bool,
) -> Result<UserFacts, Failure> {
    let mut unseen = Vec::new();
    let rules = rules(session, &mut unseen).await;
    let user = rules.as_ref().map(|rules| who(rules, name));
    let canonical = match &user {
        Some(Ok(user)) => Ok(user.clone()),
        _ => User::canonical(name),
    };
    let canonical = canonical.map(|user| user.as_str().to_owned());
    let canonical = canonical.unwrap_or_else(|_| name.to_owned());
    let which = Which::OfUser(&canonical);
    let (own, place) = identities_of(session, (namespace, which), &mut unseen).await?;
    let own = with_waiting(session, own, &mut unseen).await?;
    let trace = match (&rules, &user) {
        (Some(rules), Some(Ok(user))) if trace => Some(of_job(rules, user, namespace)),
        _ => None,
    };
    Ok(UserFacts {
        name: canonical,
        by_rules: rules.as_ref().zip(user).map(|(rules, user)| match user {
            Ok(user) if rules.is_offboarded(&user) => format!("{user} is offboarded in the rules"),
            Ok(user) => format!("requests of {name} are those of user {user}"),
            Err(why) => why,
        }),
        identities: own,
        place,
        trace,
        unseen,
    })
}

/// What the rules say about a Job of a user. Which groups the user is in, only a request of the user shows.
fn of_job(rules: &Rules, user: &User, namespace: &str) -> Trace {
    let groups = rules.mentioned_groups(&[]);
    let place = (namespace, Launcher::Job);
    let traced = chain::traced(rules, (user, &groups), place, &Value::Null);
    Trace {
        decision: format!("a Job of {user} in no group: {}", traced.decision),
        ..traced
    }
}

/// Those that the caller may list, and where they are.
async fn identities_of(
    session: &Session,
    (namespace, which): (&str, Which<'_>),
    unseen: &mut Vec<String>,
) -> Result<(Vec<Identity>, String), Failure> {
    let here = |namespace: &str| format!("namespace {namespace}");
    match identities::select(session, which).await {
        Err(Failure::Forbidden { what, why }) if session.namespace.is_none() => {
            unseen.push(format!("{what}: {why}"));
            let session = Session {
                namespace: Some(namespace.to_owned()),
                ..session.clone()
            };
            Ok((identities::select(&session, which).await?, here(namespace)))
        }
        listed => {
            let place = session.namespace.as_deref();
            Ok((listed?, place.map_or("all namespaces".to_owned(), here)))
        }
    }
}

fn who(rules: &Rules, name: &str) -> Result<User, String> {
    let requester = Requester {
        username: name.to_owned(),
        groups: Vec::new(),
        has_credential_id: true,
    };
    let user = rules.user(&requester, |_| None);
    user.map_err(|refusal| format!("{}: {}", refusal.reason, refusal.message))
}

/// Each identity with the pods that wait for it.
async fn with_waiting(
    session: &Session,
    all: Vec<Identity>,
    unseen: &mut Vec<String>,
) -> Result<Vec<IdentityFacts>, Failure> {
    let searched = || all.iter().filter(|one| may_have_waiting(one));
    let more = searched().count().saturating_sub(MAX_SEARCHED);
    let first = searched().take(MAX_SEARCHED);
    let lists = join_all(first.map(|one| waiting_pods(session, one))).await;
    let mut lists = lists.into_iter();
    let mut facts = Vec::new();
    for identity in all {
        let mut waiting = Vec::new();
        if may_have_waiting(&identity)
            && let Some(list) = lists.next()
        {
            waiting = listed_waiting(list, &identity, unseen)?;
        }
        let identity = Box::new(identity);
        facts.push(IdentityFacts { identity, waiting });
    }
    // Of several identities in one namespace the answer is the same.
    unseen.dedup();
    if more > 0 {
        unseen.push(format!(
            "the pods that wait for {}: kubectl namesake explain identity NAME shows those of one",
            count(more, "more identity", "more identities")
        ));
    }
    Ok(facts)
}

/// Whether a pod can wait for it. The name of one that is gone is only reserved.
fn may_have_waiting(identity: &Identity) -> bool {
    !identity.is_ready() && identity.phase() != Phase::Gone
}

/// The pods that have it.
async fn waiting_pods(
    session: &Session,
    identity: &Identity,
) -> kube::Result<ObjectList<DynamicObject>> {
    let namespace = identity.namespace().unwrap_or_default();
    let label = format!("{IDENTITY_LABEL}={}", identity.name_any());
    let pods = api(session, &namespace, kinds::pod());
    pods.list(&ListParams::default().labels(&label)).await
}

/// Those of them that wait, with the reason; if they may not be listed, that is noted.
fn listed_waiting(
    list: kube::Result<ObjectList<DynamicObject>>,
    identity: &Identity,
    unseen: &mut Vec<String>,
) -> Result<Vec<(String, Wait)>, Failure> {
    let namespace = identity.namespace().unwrap_or_default();
    let what = format!("the pods that wait in namespace {namespace}");
    let list = seen(unseen, &what, list)?;
    let pods = list.iter().flat_map(|list| &list.items);
    Ok(pods
        .filter_map(|pod| Some((pod.name_any(), chain::wait(pod)?)))
        .collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use kube::Client;
    use kube::client::Body;
    use namesake_api::names::GATE;
    use serde_json::json;

    use super::*;
    use crate::cluster::connect::tests::session;
    use crate::cluster::identities::tests;

    /// An API server that has so many identities of bob, none of them ready, each with a pod that waits; and how often pods were
    /// listed. It has no rules, and perhaps nobody may list the pods.
    fn api_server(number: usize, may_list_pods: bool) -> (Session, Arc<AtomicUsize>) {
        let lists = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&lists);
        let identities = (1..=number).map(|at| {
            let mut one = tests::identity("bob", "Verifying", "False", "Propagating");
            one.metadata.name = Some(format!("mf-bob-{at}"));
            one
        });
        let identities: Vec<_> = identities.collect();
        let service = tower::service_fn(move |request: http::Request<Body>| {
            let path = request.uri().path();
            let refused = |code: u16| {
                let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "no right", "code": code});
                (code, body)
            };
            let (status, body) = if path.ends_with("/identities") {
                (200, json!({"metadata": {}, "items": identities}))
            } else if path.ends_with("/mf-bob-1") {
                (200, json!(identities[0]))
            } else if path.ends_with("/pods") {
                counted.fetch_add(1, Ordering::Relaxed);
                let gated = json!({"metadata": {"name": "t-1"}, "spec": {"schedulingGates": [{"name": GATE}]}});
                match may_list_pods {
                    true => (200, json!({"metadata": {}, "items": [gated]})),
                    false => refused(403),
                }
            } else {
                refused(404)
            };
            let body = Body::from(body.to_string().into_bytes());
            let answer = http::Response::builder().status(status).body(body);
            async move { answer }
        });
        (session(Client::new(service, "default")), lists)
    }

    #[tokio::test]
    async fn a_user_has_all_identities_and_of_those_that_were_not_searched_is_said_so() {
        let (session, lists) = api_server(25, true);
        let bob = user(&session, "default", "bob@acme.com", false).await;
        let bob = bob.unwrap();
        assert_eq!(bob.identities.len(), 25);
        assert_eq!(lists.load(Ordering::Relaxed), MAX_SEARCHED);
        let waits = bob.identities.iter().filter(|one| one.waiting.len() == 1);
        assert_eq!(waits.count(), MAX_SEARCHED);
        let not_seen = bob.unseen.last().unwrap();
        let part = "the pods that wait for 5 more identities";
        assert!(not_seen.starts_with(part), "{not_seen}");
    }

    #[tokio::test]
    async fn who_may_not_list_pods_sees_the_identities_and_what_is_missing() {
        let (session, _) = api_server(3, false);
        let bob = user(&session, "default", "bob@acme.com", false).await;
        let bob = bob.unwrap();
        assert_eq!(bob.identities.len(), 3);
        let missing = "the pods that wait in namespace research: no right";
        assert_eq!(bob.unseen[1..], [missing.to_owned()], "{:?}", bob.unseen);
        let one = identity(&session, "research", "mf-bob-1").await;
        assert_eq!(one.unwrap().1, [missing.to_owned()]);
    }
}
