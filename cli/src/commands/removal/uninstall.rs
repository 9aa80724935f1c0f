//! `uninstall`: the order and the commands of docs/uninstall.md, with the names of this stack. Writes nothing.

mod steps;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::rbac::v1::RoleBinding;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ListParams, PartialObjectMeta};
use kube::{Api, ResourceExt};
use namesake_api::{Identity, conditions, names};
use namesake_core::Reason;

use crate::answer::Answer;
use crate::answer::failure::Failure;
use crate::answer::text::{plain, some};
use crate::cluster::connect::Session;
use crate::cluster::rules_of_stack::stack_name;
use crate::cluster::{identities, leader};

/// Labels of the bindings of `manifests/opt-in`.
const OPT_IN_BINDINGS: &str =
    "app.kubernetes.io/part-of=namesake,app.kubernetes.io/component=opt-in";

/// What the order depends on.
#[derive(Clone, Default)]
struct Installed {
    stack: String,
    home: String,
    /// The Helm release that the stack belongs to.
    release: Option<String>,
    /// Namespaces that are opted in to the stack.
    opted_in: Vec<String>,
    /// The identities of the stack in each namespace.
    identities: BTreeMap<String, Vec<String>>,
    /// Namespaces that have identities of other stacks.
    shared: BTreeSet<String>,
    /// Why the Google side of an identity that is being deleted is still there: namespace and name, and the broker's words.
    waiting: Vec<(String, String)>,
    /// Why no broker leads.
    no_broker: Option<String>,
    /// The bindings that gave the stack rights in opted-in namespaces: namespace and name.
    bindings: Vec<(String, String)>,
    /// The namespaces of other stacks.
    others: Vec<String>,
    /// Whether the Helm release also has what all stacks share.
    has_shared_objects: bool,
}

pub(crate) async fn run(session: &Session) -> Result<Answer, Failure> {
    let namespaces: Api<Namespace> = Api::all(session.client.clone());
    let namespaces = namespaces.list_metadata(&ListParams::default()).await;
    let namespaces = namespaces
        .map_err(Failure::to("list the namespaces"))?
        .items;
    let configurations: Api<MutatingWebhookConfiguration> = Api::all(session.client.clone());
    let configurations = configurations.list_metadata(&ListParams::default()).await;
    let configurations = configurations.map_err(Failure::to("list the webhook configurations"));
    // Without the right to see them, the rules say enough.
    let configurations = match configurations {
        Err(Failure::Forbidden { .. }) => Vec::new(),
        listed => listed?.items,
    };
    let everywhere = Session {
        namespace: None,
        ..session.clone()
    };
    let identities = identities::list(&everywhere).await?;
    let stack = match stack_name(session).await {
        Err(Failure::Refused { .. }) => {
            left_over(&namespaces, &configurations, &identities, session)?
        }
        named => named?,
    };
    let is_in =
        |one: &&PartialObjectMeta<Namespace>| one.labels().get(names::OPT_IN_LABEL) == Some(&stack);
    let opted_in = namespaces.iter().filter(is_in);
    let is_other = |name: &String| names::is_system_namespace(name) && *name != session.home;
    let ours = names::webhook_configuration(&session.home);
    let ours = configurations.iter().find(|one| one.name_any() == ours);
    let release = ours.and_then(|one| one.annotations().get(names::HELM_RELEASE_ANNOTATION));
    let others = namespaces.iter().map(ResourceExt::name_any);
    Ok(steps::answer(&Installed {
        opted_in: opted_in.map(ResourceExt::name_any).collect(),
        has_shared_objects: has_shared_objects(session, release).await?,
        release: release.cloned(),
        others: others.filter(is_other).collect(),
        bindings: bindings(session).await?,
        no_broker: no_broker(session).await?,
        home: session.home.clone(),
        ..of_stack(stack, &identities)
    }))
}

/// Whether a Helm release in the namespace of the stack has the kind Identity, and so all that the stacks share. Whoever may not
/// read the kind is told nothing about it.
async fn has_shared_objects(session: &Session, release: Option<&String>) -> Result<bool, Failure> {
    let kinds: Api<CustomResourceDefinition> = Api::all(session.client.clone());
    let kind = kinds.get_metadata_opt(names::IDENTITY_DEFINITION).await;
    let kind = match kind.map_err(Failure::to(
        "read the CustomResourceDefinition of Identities",
    )) {
        Err(Failure::Forbidden { .. }) => None,
        read => read?,
    };
    let Some((kind, release)) = kind.as_ref().zip(release) else {
        return Ok(false);
    };
    let of = |annotation| kind.annotations().get(annotation);
    Ok(of(names::HELM_RELEASE_ANNOTATION) == Some(release)
        && of(names::HELM_NAMESPACE_ANNOTATION) == Some(&session.home))
}

/// The stack whose rules are gone: what its configurations say, or else whose identities and namespaces are left.
fn left_over(
    namespaces: &[PartialObjectMeta<Namespace>],
    configurations: &[PartialObjectMeta<MutatingWebhookConfiguration>],
    identities: &[Identity],
    session: &Session,
) -> Result<String, Failure> {
    let mut installed = BTreeSet::new();
    for one in configurations {
        let Some(label) = one.labels().get(names::INSTANCE_LABEL) else {
            continue;
        };
        match names::namespace_of_configuration(&one.name_any()) {
            Some(home) if home == session.home => return Ok(label.clone()),
            Some(_) => _ = installed.insert(label),
            None => {}
        }
    }
    let opted_in = namespaces
        .iter()
        .filter_map(|one| one.labels().get(names::OPT_IN_LABEL));
    let left = identities.iter().map(|one| &one.spec.stack).chain(opted_in);
    let left: BTreeSet<_> = left.filter(|stack| !installed.contains(stack)).collect();
    let mut all = left.iter();
    match (all.next(), all.next()) {
        (None, _) => Ok("STACK".to_owned()),
        (Some(only), None) => Ok((*only).clone()),
        _ => Err(Failure::Usage(format!(
            "identities or opted-in namespaces of several stacks are left, and their rules are gone ({}): for each, run \
             namesake-broker clean --stack STACK, and {}",
            plain(&some(left.iter().copied())),
            steps::opt_out_command("STACK")
        ))),
    }
}

/// What there is of the stack's identities.
fn of_stack(stack: String, identities: &[Identity]) -> Installed {
    let mut there = Installed {
        stack,
        ..Installed::default()
    };
    for identity in identities {
        let (namespace, name) = (
            identity.namespace().unwrap_or_default(),
            identity.name_any(),
        );
        if identity.spec.stack != there.stack {
            there.shared.insert(namespace);
            continue;
        }
        let status = identity.status.as_ref();
        let all = status.map_or(&[][..], |status| status.conditions.as_slice());
        let account = conditions::get(all, names::GOOGLE_ACCOUNT_READY);
        let failed = account.filter(|one| one.reason == Reason::Deleting.as_str());
        if failed.is_some() || identity.metadata.deletion_timestamp.is_some() {
            let why = failed.map_or("no failure was reported so far", |one| &one.message);
            there
                .waiting
                .push((format!("{namespace}/{name}"), why.to_owned()));
        }
        there.identities.entry(namespace).or_default().push(name);
    }
    there
}

/// Why no broker leads, if so. Whoever may not read the Lease is told nothing about it.
async fn no_broker(session: &Session) -> Result<Option<String>, Failure> {
    let lease = session
        .at_home::<Lease>()
        .get_opt(names::BROKER_LEASE)
        .await;
    match lease.map_err(Failure::to("read the Lease of the broker")) {
        Ok(lease) => Ok(leader::leader(lease.as_ref(), Timestamp::now()).err()),
        Err(Failure::Forbidden { .. }) => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// The bindings of `manifests/opt-in` to the stack's accounts.
async fn bindings(session: &Session) -> Result<Vec<(String, String)>, Failure> {
    let all: Api<RoleBinding> = Api::all(session.client.clone());
    let all = all
        .list(&ListParams::default().labels(OPT_IN_BINDINGS))
        .await;
    let all = all.map_err(Failure::to("list the RoleBindings"))?.items;
    let is_ours = |binding: &&RoleBinding| {
        let mut subjects = binding.subjects.iter().flatten();
        subjects.any(|subject| subject.namespace.as_deref() == Some(session.home.as_str()))
    };
    let ours = all.iter().filter(is_ours);
    Ok(ours
        .map(|one| (one.namespace().unwrap_or_default(), one.name_any()))
        .collect())
}
