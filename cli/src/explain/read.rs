//! Reads what the explanation of a pod, or of what creates pods, needs, with the caller's rights. What may not be read is in the
//! facts.

use futures::future::join_all;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::{Api, Error, ResourceExt};
use namesake_api::Identity;
use namesake_core::Rules;
use namesake_webhook::decide::kinds::{self, Kind, Scope};

use super::chain::{self, Found};
use super::facts::{Link, Payload, RunFacts};
use super::subject::Subject;
use super::verify;
use crate::answer::failure::Failure;
use crate::cluster::connect::Session;
use crate::cluster::rules_of_stack;

/// How many objects there are at most from a pod to what a person created: pod, Job, JobSet, Workflow, CronWorkflow.
const MAX_CHAIN: usize = 5;
/// The kind whose pods have [`JOB_LABEL`].
const JOB: &str = "batch/Job";
/// Label of a Job's pods.
const JOB_LABEL: &str = "batch.kubernetes.io/job-name";

/// A pod.
pub(super) async fn pod(
    session: &Session,
    namespace: &str,
    name: &str,
    trace: bool,
) -> Result<RunFacts, Failure> {
    let pod = named(session, namespace, (kinds::pod(), name)).await?;
    let chain = vec![Found::Object(kinds::pod(), Box::new(pod))];
    let title = format!("Pod {namespace}/{name}");
    run(session, namespace, (title, chain, Vec::new()), trace).await
}

/// What creates pods, with its newest one.
pub(super) async fn parent(
    session: &Session,
    namespace: &str,
    (kind, name): (&'static Kind, &str),
    trace: bool,
) -> Result<RunFacts, Failure> {
    let object = named(session, namespace, (kind, name)).await?;
    let mut unseen = Vec::new();
    let mut chain = Vec::new();
    if kind.name == JOB {
        let labels = ListParams::default().labels(&format!("{JOB_LABEL}={name}"));
        let pods = api(session, namespace, kinds::pod()).list(&labels).await;
        let pods = seen(&mut unseen, "the pods of the Job", pods)?;
        let uid = object.uid();
        let is_its =
            |pod: &DynamicObject| chain::controller(pod).map(|owner| &owner.uid) == uid.as_ref();
        let pods = pods.into_iter().flat_map(|list| list.items);
        let newest = pods.filter(is_its).max_by_key(chain::created);
        chain.extend(newest.map(|pod| Found::Object(kinds::pod(), Box::new(pod))));
    }
    chain.push(Found::Object(kind, Box::new(object)));
    let title = format!("{} {namespace}/{name}", kind.kind);
    run(session, namespace, (title, chain, unseen), trace).await
}

/// The rules of the stack; what may not be read is noted.
pub(super) async fn rules(session: &Session, unseen: &mut Vec<String>) -> Option<Rules> {
    let rules = rules_of_stack::rules(session).await;
    let noted = rules.map_err(|failure| unseen.push(format!("the rules: {failure}")));
    noted.ok()
}

/// Which kind of thing has this name: the only one.
pub(super) async fn subject_named(
    session: &Session,
    namespace: &str,
    name: &str,
) -> Result<Subject, Failure> {
    let all = kinds::KINDS
        .iter()
        .filter(|kind| kind.scope == Scope::Namespaced);
    let objects = all.map(|kind| async move {
        let found = api(session, namespace, kind).get_metadata_opt(name).await;
        let is_pod = kind.name == kinds::pod().name;
        let subject = if is_pod {
            Subject::Pod
        } else {
            Subject::Parent(kind)
        };
        found.map(|found| found.map(|_| subject))
    });
    let identities: Api<Identity> = Api::namespaced(session.client.clone(), namespace);
    let identity = async { identities.get_metadata_opt(name).await };
    let (objects, identity) = futures::join!(join_all(objects), identity);
    let identity = identity.map(|found| found.map(|_| Subject::Identity));
    let mut found = Vec::new();
    let mut refused = None;
    for one in objects.into_iter().chain([identity]) {
        match one {
            Ok(subject) => found.extend(subject),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    match (found.as_slice(), refused) {
        ([subject], _) => Ok(*subject),
        ([], Some(error)) => Err(Failure::to(format!("look for {name} in {namespace}"))(
            error,
        )),
        ([], None) => Err(gone("pod, Job or other object", namespace, name)),
        (several, _) => {
            let words: Vec<_> = several.iter().map(|one| one.word()).collect();
            Err(Failure::Usage(format!(
                "{name} is the name of several things in {namespace}: {}; say which, as kubectl namesake explain {} {name}",
                words.join(", "),
                words[0]
            )))
        }
    }
}

/// Follows the owners of the last object of a chain, and has everything verified.
async fn run(
    session: &Session,
    namespace: &str,
    (title, mut chain, mut unseen): (String, Vec<Found>, Vec<String>),
    trace: bool,
) -> Result<RunFacts, Failure> {
    while let Some(owner) = next_owner(session, namespace, &chain, &mut unseen).await? {
        chain.push(owner);
    }
    let links = links(session, namespace, &chain, &mut unseen).await;
    let pod = chain.first().and_then(|found| match found {
        Found::Object(kind, object) if kind.name == kinds::pod().name => Some(chain::pod(object)),
        _ => None,
    });
    let identity = links
        .iter()
        .find_map(|link| match &link.signed.as_ref()?.payload {
            Payload::Resolution(resolution) => resolution.identity.clone(),
            _ => None,
        });
    let identity = match identity {
        Some(name) => {
            let api: Api<Identity> = Api::namespaced(session.client.clone(), namespace);
            seen(&mut unseen, "the Identity", api.get_opt(&name).await)?.flatten()
        }
        None => None,
    };
    let rules = match trace {
        true => rules(session, &mut unseen).await,
        false => None,
    };
    let trace = rules.and_then(|rules| chain::trace(&rules, namespace, &chain, &links));
    Ok(RunFacts {
        title,
        links,
        pod,
        identity: identity.map(Box::new),
        trace,
        unseen,
    })
}

/// What is signed on each object, and whether that is valid.
async fn links(
    session: &Session,
    namespace: &str,
    chain: &[Found],
    unseen: &mut Vec<String>,
) -> Vec<Link> {
    let asked = chain.iter().map(|one| match one {
        Found::Object(kind, object) => chain::question(kind, object),
        Found::Gone { .. } => None,
    });
    let asked: Vec<_> = asked.collect();
    let texts: Vec<_> = asked.iter().flatten().cloned().collect();
    let answered = verify::verify(session, namespace, &texts).await;
    let answers = answered.unwrap_or_else(|why| {
        unseen.push(format!("whether the signatures are valid: {why}"));
        Vec::new()
    });
    let mut answers = answers.iter();
    let links = chain.iter().zip(&asked).map(|(found, asked)| {
        let validity = asked.as_ref().and_then(|_| answers.next());
        chain::link(found, validity)
    });
    links.collect()
}

async fn next_owner(
    session: &Session,
    namespace: &str,
    chain: &[Found],
    unseen: &mut Vec<String>,
) -> Result<Option<Found>, Failure> {
    let Some(Found::Object(_, object)) = chain.last().filter(|_| chain.len() < MAX_CHAIN) else {
        return Ok(None);
    };
    let Some(owner) = chain::controller(object) else {
        return Ok(None);
    };
    let gone = || Found::Gone {
        kind: owner.kind.clone(),
        name: owner.name.clone(),
    };
    // What Namesake does not know is not signed, and proves nothing.
    let Some(kind) = chain::kind_of(owner) else {
        return Ok(None);
    };
    let what = format!("{} {}", kind.kind, owner.name);
    let read = api(session, namespace, kind).get_opt(&owner.name).await;
    let Some(read) = seen(unseen, &what, read)? else {
        return Ok(None);
    };
    let is_it = |read: &DynamicObject| read.uid().as_ref() == Some(&owner.uid);
    let found = read
        .filter(is_it)
        .map(|read| Found::Object(kind, Box::new(read)));
    Ok(Some(found.unwrap_or_else(gone)))
}

async fn named(
    session: &Session,
    namespace: &str,
    (kind, name): (&'static Kind, &str),
) -> Result<DynamicObject, Failure> {
    let what = format!("read {} {namespace}/{name}", kind.kind);
    let found = api(session, namespace, kind).get_opt(name).await;
    let found = found.map_err(Failure::to(what))?;
    found.ok_or_else(|| gone(kind.kind, namespace, name))
}

/// For what does not exist.
pub(super) fn gone(kind: &str, namespace: &str, name: &str) -> Failure {
    Failure::NotFound(format!(
        "{kind} {name} not found in namespace {namespace}: check -n, or it is gone; the audit log still says as whom it ran: \
         kubectl namesake who ACCOUNT"
    ))
}

/// The objects of a kind, of a namespace if they have one.
pub(super) fn api(session: &Session, namespace: &str, kind: &Kind) -> Api<DynamicObject> {
    let api_version = match kind.group {
        "" => kind.version.to_owned(),
        group => format!("{group}/{}", kind.version),
    };
    let resource = ApiResource {
        group: kind.group.to_owned(),
        version: kind.version.to_owned(),
        api_version,
        kind: kind.kind.to_owned(),
        plural: kind.plural.to_owned(),
    };
    match kind.scope {
        Scope::Namespaced => Api::namespaced_with(session.client.clone(), namespace, &resource),
        Scope::Cluster => Api::all_with(session.client.clone(), &resource),
    }
}

/// What was read; what may not be read is noted.
pub(super) fn seen<T>(
    unseen: &mut Vec<String>,
    what: &str,
    read: Result<T, Error>,
) -> Result<Option<T>, Failure> {
    match read.map_err(Failure::to(format!("read {what}"))) {
        Ok(read) => Ok(Some(read)),
        Err(Failure::Forbidden { why, .. } | Failure::Refused { why, .. }) => {
            unseen.push(format!("{what}: {why}"));
            Ok(None)
        }
        Err(failure) => Err(failure),
    }
}
