//! What exists: identities, the objects from which pods are created, pods, and quotas.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::{Api, ResourceExt};
use namesake_api::{Identity, names};
use namesake_core::{Launcher, Replay, Stamp};
use namesake_webhook::decide::kinds::{self, Kind, ParentKind};
use namesake_webhook::decide::validate::edit::EditCount;
use namesake_webhook::state::served;
use serde_json::{Value, json};

use crate::answer::failure::Failure;
use crate::answer::text::plain;
use crate::cluster::connect::Session;
use crate::cluster::identities;
use crate::cluster::objects::{each_page, has_ended, is_child};
use crate::console::Progress;

/// Pods that have not ended.
const NOT_ENDED: &str = "status.phase!=Succeeded,status.phase!=Failed";

/// What exists.
#[derive(Debug, Default)]
pub(super) struct Live {
    /// The identities, unless the requests of a log are decided.
    pub(super) identities: Option<Vec<Identity>>,
    /// How many pods use a service account, by namespace and name.
    pub(super) pods: BTreeMap<(String, String), usize>,
    /// What happens to parents.
    pub(super) parents: EditCount,
    /// The broker's report on quotas.
    pub(super) quotas: BTreeMap<String, String>,
    /// What could not be seen, and why.
    pub(super) unseen: Vec<String>,
}

/// Reads it, and decides about each parent.
///
/// # Errors
/// No API server answers.
pub(super) async fn read(
    session: &Session,
    stack: &str,
    replay: &mut Replay<'_>,
) -> Result<Live, Failure> {
    let mut live = Live::default();
    let found = identities::list(session).await;
    live.identities = Some(live.seen(found)?.unwrap_or_default());
    let mut progress = Progress::of("objects", None);
    let served = served(&session.client).await;
    let served = served.map_err(Failure::to("read which kinds the API server has"))?;
    for (kind, parent) in kinds::parents() {
        // What is only referred to creates no pods: what refers to it decides.
        let resource = served.get(kind.name).filter(|_| parent.creates.is_some());
        if let Some(resource) = resource {
            let of_kind = (kind, parent, resource);
            let decided = (&mut *replay, &mut live.parents);
            let read = parents((session, stack), of_kind, decided, &mut progress).await;
            live.seen(read)?;
        }
    }
    let counted = pods(session, &mut progress).await;
    live.pods = live.seen(counted)?.unwrap_or_default();
    live.read_quotas(session).await;
    Ok(live)
}

impl Live {
    /// Reads the broker's report on quotas.
    pub(super) async fn read_quotas(&mut self, session: &Session) {
        let what = format!(
            "read ConfigMap {}/{}",
            session.home,
            names::QUOTA_CONFIG_MAP
        );
        let map = session.at_home::<ConfigMap>();
        let map = map.get_opt(names::QUOTA_CONFIG_MAP).await;
        match map.map_err(Failure::to(what)) {
            Ok(map) => self.quotas = map.and_then(|map| map.data).unwrap_or_default(),
            Err(failure) => self.unseen.push(failure.to_string()),
        }
    }

    /// What was read; a missing right is recorded.
    fn seen<T>(&mut self, read: Result<T, Failure>) -> Result<Option<T>, Failure> {
        match read {
            Ok(read) => Ok(Some(read)),
            Err(failure @ (Failure::Forbidden { .. } | Failure::Refused { .. })) => {
                self.unseen.push(failure.to_string());
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }
}

/// Decides about the parents of a kind, page by page.
async fn parents(
    (session, stack): (&Session, &str),
    (kind, parent, resource): (&Kind, &ParentKind, &ApiResource),
    (replay, counts): (&mut Replay<'_>, &mut EditCount),
    progress: &mut Progress,
) -> Result<(), Failure> {
    let client = session.client.clone();
    let api: Api<DynamicObject> = match &session.namespace {
        Some(namespace) => Api::namespaced_with(client, namespace, resource),
        None => Api::all_with(client, resource),
    };
    let what = || match &session.namespace {
        Some(namespace) => format!("list {} in namespace {}", kind.plural, plain(namespace)),
        None => format!("list {} in all namespaces (-n names one)", kind.plural),
    };
    let list = async |params: &ListParams| api.list(params).await;
    let listed = each_page(list, ListParams::default(), progress, |object| {
        let Some((stamp, launcher)) = decided(parent, stack, &object) else {
            return;
        };
        let Some(user) = &stamp.user else { return };
        let namespace = object.namespace().unwrap_or_default();
        let json = with_templates(object).to_string();
        let place = (namespace.as_str(), launcher);
        counts.add(replay.add_object((user, &stamp.groups), place, json.as_bytes()));
    });
    listed.await.map_err(Failure::to(what()))
}

/// The stamp of a parent whose next pods the rules decide, and the kind that counts. What a controller created belongs to the object
/// from which it was created.
fn decided(parent: &ParentKind, stack: &str, object: &DynamicObject) -> Option<(Stamp, Launcher)> {
    if is_child(object) || has_ended(&object.data) {
        return None;
    }
    let stamp = Stamp::unverified(object.annotations().get(names::STAMP_ANNOTATION)?)?;
    let is_ours =
        stamp.stack == stack && Some(&stamp.namespace) == object.metadata.namespace.as_ref();
    let launcher = stamp.root.unwrap_or(parent.launcher);
    is_ours.then_some((stamp, launcher))
}

/// The object with its pod templates where a Workflow has them.
fn with_templates(object: DynamicObject) -> Value {
    let mut data = object.data;
    let spec = match data.pointer_mut("/spec/workflowSpec") {
        Some(spec) => spec.take(),
        None => data["spec"].take(),
    };
    json!({"metadata": object.metadata, "spec": spec})
}

/// How many pods that have not ended use each service account.
async fn pods(
    session: &Session,
    progress: &mut Progress,
) -> Result<BTreeMap<(String, String), usize>, Failure> {
    let mut counted = BTreeMap::new();
    let what = || match &session.namespace {
        Some(namespace) => format!("list pods in namespace {}", plain(namespace)),
        None => "list pods in all namespaces (-n names one)".to_owned(),
    };
    let params = ListParams::default().fields(NOT_ENDED);
    let api = session.objects::<Pod>();
    let list = async |params: &ListParams| api.list(params).await;
    let listed = each_page(list, params, progress, |pod| {
        let account = pod
            .spec
            .as_ref()
            .and_then(|spec| spec.service_account_name.clone());
        let place = (
            pod.namespace().unwrap_or_default(),
            account.unwrap_or_default(),
        );
        *counted.entry(place).or_default() += 1;
    });
    listed.await.map_err(Failure::to(what()))?;
    Ok(counted)
}
