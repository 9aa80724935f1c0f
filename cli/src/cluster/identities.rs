//! The Identities of the cluster or of a namespace.

use jiff::Timestamp;
use kube::ResourceExt;
use kube::api::ListParams;
use namesake_api::{Identity, Phase};

use crate::answer::failure::Failure;
use crate::cluster::connect::Session;
use crate::cluster::objects::each_page;
use crate::console::Progress;

/// How many the API server sends at once: all of 5,000 in one answer would be slow to encode and to read.
const PAGE: u32 = 1_000;
/// The status code for a field that the API server cannot select by.
const BAD_REQUEST: u16 = 400;

/// Which of them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Which<'a> {
    /// Those that should work and do not.
    NotReady,
    /// Those of a user.
    OfUser(&'a str),
}

impl Which<'_> {
    /// For the API server, so that it sends no others. The phase of an identity follows its conditions.
    fn field_selector(self) -> String {
        match self {
            Self::NotReady => {
                let others = Phase::ALL.into_iter().filter(|phase| is_other(*phase));
                let others = others.map(|phase| format!("status.phase!={phase}"));
                others.collect::<Vec<_>>().join(",")
            }
            Self::OfUser(user) => format!("spec.user={}", escaped(user)),
        }
    }

    fn is(self, identity: &Identity) -> bool {
        match self {
            Self::NotReady => is_not_ready(identity),
            Self::OfUser(user) => identity.spec.user == user,
        }
    }
}

/// Whether pods wait for it, or would.
pub(crate) fn is_not_ready(identity: &Identity) -> bool {
    identity.phase().accepts_new_pods() && !identity.is_ready()
}

/// Whether an identity in this phase works, or should not.
const fn is_other(phase: Phase) -> bool {
    matches!(phase, Phase::InUse | Phase::Idle) || !phase.accepts_new_pods()
}

/// A value in a field selector.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for character in value.chars() {
        if matches!(character, '\\' | ',' | '=') {
            text.push('\\');
        }
        text.push(character);
    }
    text
}

/// What the caller may read.
pub(crate) struct Within<T> {
    /// What was read.
    pub(crate) read: T,
    /// Why only the context's namespace was read, if so.
    pub(crate) unseen: Option<String>,
}

/// Reads in the namespace that the caller named, or in all. Who named none and may not read in all gets the context's.
pub(crate) async fn within_rights<T>(
    session: &Session,
    read: impl AsyncFn(&Session) -> Result<T, Failure>,
) -> Result<Within<T>, Failure> {
    match read(session).await {
        Err(Failure::Forbidden { what, why }) if session.namespace.is_none() => {
            let narrowed = Session {
                namespace: Some(session.default_namespace.clone()),
                ..session.clone()
            };
            Ok(Within {
                read: read(&narrowed).await?,
                unseen: Some(format!(
                    "identities outside namespace {}: not allowed to {what}: {why}",
                    session.default_namespace
                )),
            })
        }
        read => Ok(Within {
            read: read?,
            unseen: None,
        }),
    }
}

/// Lists them page by page, in order.
pub(crate) async fn list(session: &Session) -> Result<Vec<Identity>, Failure> {
    let listed = pages(session, ListParams::default()).await;
    listed.map_err(Failure::to(what(session)))
}

/// Lists only some, in order. The API server of a cluster that has the CustomResourceDefinition of an earlier release cannot choose, and
/// sends all.
pub(crate) async fn select(session: &Session, which: Which<'_>) -> Result<Vec<Identity>, Failure> {
    let selected = ListParams::default().fields(&which.field_selector());
    let mut found = match pages(session, selected).await {
        Err(kube::Error::Api(status)) if status.code == BAD_REQUEST => list(session).await?,
        selected => selected.map_err(Failure::to(what(session)))?,
    };
    found.retain(|one| which.is(one));
    Ok(found)
}

/// How many there are.
pub(crate) async fn count(session: &Session) -> Result<usize, Failure> {
    let one = ListParams::default().limit(1);
    let listed = session.objects::<Identity>().list_metadata(&one).await;
    let listed = listed.map_err(Failure::to(what(session)))?;
    let more = listed.metadata.remaining_item_count.unwrap_or_default();
    Ok(listed.items.len() + usize::try_from(more).unwrap_or_default())
}

fn what(session: &Session) -> String {
    match &session.namespace {
        Some(namespace) => format!("list identities in namespace {namespace}"),
        None => "list identities in all namespaces (-n names one)".to_owned(),
    }
}

async fn pages(session: &Session, params: ListParams) -> Result<Vec<Identity>, kube::Error> {
    let mut found = Vec::new();
    let api = session.objects::<Identity>();
    let mut progress = Progress::of("identities", None);
    let list = async |params: &ListParams| api.list(params).await;
    each_page(list, params.limit(PAGE), &mut progress, |one| {
        found.push(one);
    })
    .await?;
    found.sort_by_cached_key(|one| (one.namespace(), one.name_any()));
    Ok(found)
}

/// A duration as kubectl prints it: `45s`, `12m`, `3h`, `9d`.
pub(crate) fn age(since: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(since).as_secs().max(0);
    match seconds {
        ..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;
    use crate::cluster::connect::tests::session;

    /// The time of all tests.
    pub(crate) const NOW: &str = "2026-11-29T12:00:00Z";

    /// An Identity of a user at acme.com, three minutes in its condition.
    pub(crate) fn identity(user: &str, phase: &str, ready: &str, reason: &str) -> Identity {
        let name = format!("mf-{user}-aaaaaaaaaaaaaa");
        let condition = json!({
            "type": "Ready", "status": ready, "reason": reason, "message": "", "observedGeneration": 1,
            "lastTransitionTime": "2026-11-29T11:57:00Z",
        });
        let identity = json!({
            "apiVersion": "namesake.dev/v1alpha1", "kind": "Identity",
            "metadata": {"name": name, "namespace": "research", "generation": 1},
            "spec": {
                "stack": "prod", "cluster": "projects/acme/locations/us-central1/clusters/ml", "class": "research",
                "user": format!("{user}@acme.com"), "values": {"user": format!("{user}@acme.com")}, "mode": "impersonate",
                "project": "acme-identities", "key": format!("{user}-aaaaaaaaaaaaaa"),
                "googleServiceAccount": format!("{name}@acme-identities.iam.gserviceaccount.com"),
            },
            "status": {"phase": phase, "conditions": [condition]},
        });
        serde_json::from_value(identity).unwrap()
    }

    #[test]
    fn the_api_server_is_asked_for_those_that_should_work_and_do_not() {
        assert_eq!(
            Which::NotReady.field_selector(),
            "status.phase!=InUse,status.phase!=Idle,status.phase!=Suspended,status.phase!=Draining,status.phase!=Offboarding,\
             status.phase!=Gone"
        );
        let user = r"a,b=c\d@acme.com";
        let selector = Which::OfUser(user).field_selector();
        assert_eq!(selector, r"spec.user=a\,b\=c\\d@acme.com");
    }

    /// An API server that has alice, who works, and bob, who does not. It chooses only if its CustomResourceDefinition lets it.
    fn api_server(chooses: bool) -> Session {
        let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
            let query = request.uri().query().unwrap_or_default();
            let is_selected = query.contains("fieldSelector=");
            let mut items = vec![identity("bob", "Verifying", "False", "Propagating")];
            if !is_selected {
                items.insert(0, identity("alice", "InUse", "True", "Verified"));
            }
            let (status, body) = if is_selected && !chooses {
                let message = "field label not supported: status.phase";
                let body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
                    "reason": "BadRequest", "code": 400});
                (400, body)
            } else {
                (200, json!({"metadata": {}, "items": items}))
            };
            let body = kube::client::Body::from(body.to_string().into_bytes());
            let answer = http::Response::builder().status(status).body(body);
            async move { answer }
        });
        session(kube::Client::new(service, "default"))
    }

    #[tokio::test]
    async fn the_answer_is_the_same_if_the_api_server_cannot_choose() {
        for chooses in [true, false] {
            let found = select(&api_server(chooses), Which::NotReady).await.unwrap();
            let users: Vec<_> = found.iter().map(|one| one.spec.user.as_str()).collect();
            assert_eq!(users, ["bob@acme.com"], "{chooses}");
        }
    }

    #[tokio::test]
    async fn who_may_not_list_all_gets_those_of_the_namespace_of_the_context() {
        let service = tower::service_fn(|request: http::Request<kube::client::Body>| {
            let is_here = request.uri().path().contains("/namespaces/default/");
            let items = [identity("alice", "InUse", "True", "Verified")];
            let (status, body) = match is_here {
                true => (200, json!({"metadata": {}, "items": items})),
                false => (
                    403,
                    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "no", "code": 403}),
                ),
            };
            let body = kube::client::Body::from(body.to_string().into_bytes());
            let answer = http::Response::builder().status(status).body(body);
            async move { answer }
        });
        let mut session = Session {
            client: kube::Client::new(service, "default"),
            ..api_server(true)
        };
        let within = within_rights(&session, list).await.unwrap();
        assert_eq!(within.read.len(), 1);
        let unseen = within.unseen.unwrap();
        assert!(
            unseen.starts_with("identities outside namespace default: "),
            "{unseen}"
        );
        session.namespace = Some("default".to_owned());
        assert!(
            within_rights(&session, list)
                .await
                .unwrap()
                .unseen
                .is_none()
        );
        session.namespace = Some("research".to_owned());
        assert!(within_rights(&session, list).await.is_err());
    }

    #[test]
    fn an_age_has_one_unit() {
        let now: Timestamp = NOW.parse().unwrap();
        for (seconds, text) in [
            (-5, "0s"),
            (45, "45s"),
            (720, "12m"),
            (10_800, "3h"),
            (800_000, "9d"),
        ] {
            assert_eq!(
                age(now - jiff::SignedDuration::from_secs(seconds), now),
                text
            );
        }
    }
}
