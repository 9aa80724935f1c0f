//! Reads which parents have no stamp, in each namespace and kind.

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::{Api, Client, ResourceExt};
use namesake_api::names::{MODE_LABEL, STAMP_ANNOTATION};
use namesake_webhook::decide::kinds::{self, Kind, Scope};
use namesake_webhook::state::served;

use super::{Part, Readable as _, metadata, unreadable};
use crate::check::{NamespaceLabels, Read, Unstamped};

/// How many lists are read at once.
const LISTS_AT_ONCE: usize = 8;
/// Jobs that may still create pods, as far as the API server can select them.
const NOT_SUCCEEDED: &str = "status.successful=0";

/// Parents without a stamp in namespaces where stamps are checked. What a controller created belongs to its parent.
pub(super) async fn all(
    client: &Client,
    places: &Read<Vec<NamespaceLabels>>,
) -> Read<Vec<Unstamped>> {
    let served = served(client).await;
    let served = served.map_err(unreadable(Part::Unstamped.what()))?;
    let off = |place: &&NamespaceLabels| {
        place
            .labels
            .get(MODE_LABEL)
            .is_some_and(|mode| mode == "off")
    };
    let opted_in = places.iter().flatten();
    let opted_in = opted_in.filter(|place| place.is_opted_in() && !off(place));
    let kinds = kinds::parents().filter(|(kind, _)| kind.scope == Scope::Namespaced);
    let kinds = kinds.filter_map(|(kind, _)| Some((kind, served.get(kind.name)?)));
    let kinds: Vec<_> = kinds.collect();
    let lists = opted_in.flat_map(|place| {
        let of_kinds = kinds.iter();
        of_kinds.map(move |&of_kind| self::of_kind(client, &place.name, of_kind))
    });
    let lists: Vec<_> = lists.collect();
    stream::iter(lists)
        .buffered(LISTS_AT_ONCE)
        .try_concat()
        .await
}

/// The same of one namespace and kind.
async fn of_kind(
    client: &Client,
    namespace: &str,
    (kind, resource): (&Kind, &ApiResource),
) -> Read<Vec<Unstamped>> {
    let api = Api::<DynamicObject>::namespaced_with(client.clone(), namespace, resource);
    let all = ListParams::default();
    let params = match kind.kind {
        "Job" => all.fields(NOT_SUCCEEDED),
        _ => all,
    };
    let listed = metadata(api, params, Part::Unstamped.what()).await?;
    let bare = listed
        .into_iter()
        .filter(|one| !one.annotations().contains_key(STAMP_ANNOTATION) && !kinds::is_child(one));
    let each = bare.map(|one| Unstamped {
        namespace: namespace.to_owned(),
        kind: kind.plural,
        name: one.name_any(),
    });
    Ok(each.collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use kube::client::Body;
    use namesake_api::names::OPT_IN_LABEL;
    use serde_json::json;

    use super::*;

    /// An API server that has kinds of batch, and in each namespace one CronJob without a stamp; and the most lists that it was
    /// asked for at once.
    fn api_server() -> (Client, Arc<AtomicUsize>) {
        let most = Arc::new(AtomicUsize::new(0));
        let (seen, now) = (Arc::clone(&most), Arc::new(AtomicUsize::new(0)));
        let service = tower::service_fn(move |request: http::Request<Body>| {
            let (seen, now) = (Arc::clone(&seen), Arc::clone(&now));
            async move {
                let path = request.uri().path();
                let body = if path.contains("/namespaces/") {
                    seen.fetch_max(now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                    let items = match path.ends_with("/cronjobs") {
                        true => json!([{"metadata": {"name": "nightly"}}]),
                        false => json!([]),
                    };
                    for _ in 0..100 {
                        tokio::task::yield_now().await;
                    }
                    now.fetch_sub(1, Ordering::Relaxed);
                    json!({"metadata": {}, "items": items})
                } else {
                    discovery(request.uri().path())
                };
                let body = Body::from(body.to_string().into_bytes());
                http::Response::builder().status(200).body(body)
            }
        });
        (Client::new(service, "default"), most)
    }

    /// Which kinds it has.
    fn discovery(path: &str) -> serde_json::Value {
        let version = json!({"groupVersion": "batch/v1", "version": "v1"});
        let resource = |name: &str, kind: &str| json!({"name": name, "singularName": "", "namespaced": true, "kind": kind, "verbs": ["get", "list"]});
        match path {
            "/apis" => json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": [
                {"name": "batch", "versions": [version.clone()], "preferredVersion": version},
            ]}),
            "/apis/batch/v1" => {
                json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "batch/v1", "resources": [
                    resource("jobs", "Job"), resource("cronjobs", "CronJob"),
                ]})
            }
            _ => json!({"kind": "APIVersions", "versions": [], "groups": []}),
        }
    }

    #[tokio::test]
    async fn lists_of_many_namespaces_are_read_at_once_and_stay_in_order() {
        let (client, most) = api_server();
        let place = |at: usize| NamespaceLabels {
            name: format!("team-{at:02}"),
            labels: [(OPT_IN_LABEL.to_owned(), "prod".to_owned())].into(),
        };
        let places = Ok((0..20).map(place).collect());
        let found = all(&client, &places).await.unwrap();
        assert!(found.is_sorted() && found.len() == 20, "{found:?}");
        let most = most.load(Ordering::Relaxed);
        assert!((2..=LISTS_AT_ONCE).contains(&most), "{most}");
    }
}
