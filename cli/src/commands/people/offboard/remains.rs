//! What a user still has running or scheduled: objects that create pods, and whose stamp names the user. The signature is not verified,
//! because this is only a list for people; once the user is offboarded, the rules refuse the pods of these objects.

use std::collections::BTreeSet;

use kube::api::{DynamicObject, ListParams};
use kube::{Api, ResourceExt};
use namesake_api::{Identity, names};
use namesake_core::Stamp;
use namesake_webhook::decide::kinds;
use namesake_webhook::state::served;

use crate::answer::failure::Failure;
use crate::answer::text::plain;
use crate::cluster::connect::Session;
use crate::cluster::objects::{each_page, has_ended, is_child};
use crate::console::Progress;

/// What was found, and what could not be read.
#[derive(Debug, Default)]
pub(super) struct Remains {
    /// Kind, namespace and name of each, as `CronJob research/nightly`.
    pub(super) objects: Vec<String>,
    /// Why something could not be seen.
    pub(super) unseen: Vec<String>,
}

/// Reads it in the namespaces of the user's identities.
pub(super) async fn of_user(
    session: &Session,
    user: &str,
    mine: &[Identity],
) -> Result<Remains, Failure> {
    let mut remains = Remains::default();
    let served = served(&session.client).await;
    let served = served.map_err(Failure::to("read which kinds the API server has"))?;
    let namespaces: BTreeSet<_> = mine.iter().filter_map(ResourceExt::namespace).collect();
    let mut progress = Progress::of("objects", None);
    for namespace in &namespaces {
        for (kind, _) in kinds::parents().filter(|(_, parent)| parent.creates.is_some()) {
            let Some(resource) = served.get(kind.name) else {
                continue;
            };
            let client = session.client.clone();
            let api: Api<DynamicObject> = Api::namespaced_with(client, namespace, resource);
            let what = format!("list {} in namespace {}", kind.plural, plain(namespace));
            let list = async |params: &ListParams| api.list(params).await;
            let listed = each_page(list, ListParams::default(), &mut progress, |object| {
                if is_of_user(&object, user) {
                    let name = format!("{} {namespace}/{}", kind.kind, object.name_any());
                    remains.objects.push(name);
                }
            });
            match listed.await.map_err(Failure::to(what)) {
                Err(failure @ (Failure::Forbidden { .. } | Failure::Refused { .. })) => {
                    remains.unseen.push(failure.to_string());
                }
                listed => listed?,
            }
        }
    }
    Ok(remains)
}

/// Whether it is the user's, and no object of its own removes it or has ended it.
fn is_of_user(object: &DynamicObject, user: &str) -> bool {
    let stamp = object.annotations().get(names::STAMP_ANNOTATION);
    let stamp = stamp.and_then(|text| Stamp::unverified(text));
    let is_theirs = stamp
        .and_then(|stamp| stamp.user)
        .is_some_and(|of| of.as_str() == user);
    is_theirs && !is_child(object) && !has_ended(&object.data)
}
