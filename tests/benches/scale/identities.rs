//! Existing identities, as if the broker had created them long ago.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, anyhow, ensure};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use namesake_api::broker_api::IdentityRequest;
use namesake_api::{Identity, IdentityStatus, Mode, names};
use namesake_broker::google::principal;
use namesake_broker::google::recorded::{self, Members};
use namesake_broker::identity::conditions;
use namesake_broker::identity::derive;
use namesake_broker::identity::objects;
use namesake_broker::identity::plan::Goal;
use namesake_broker::identity::progress::progress;
use namesake_core::{Rules, Source};
use namesake_sandbox::cli::output::say;
use serde_json::{Value, json};

use super::etcd::{Etcd, Stored};
use super::size::Size;

/// The rules of the bench.
pub(crate) const RULES: &str = include_str!("rules.yaml");

/// The user of this number.
pub(crate) fn user(number: usize) -> String {
    format!("user-{number}@acme.com")
}

/// The namespace of the user with this number.
pub(crate) fn team(number: usize, size: &Size) -> String {
    format!("team-{:02}", number % size.teams())
}

/// All identities, as derived from the rules.
///
/// # Errors
/// The rules do not match.
pub(crate) fn planned(size: &Size) -> anyhow::Result<Vec<Identity>> {
    let source = Source {
        file: names::RULES_KEY,
        text: RULES,
    };
    let rules = Rules::parse(&[source]).map_err(|errors| anyhow!("{errors}"))?;
    let one = |number| {
        let (namespace, user) = (team(number, size), user(number));
        let request = IdentityRequest {
            namespace: namespace.clone(),
            class: "team".to_owned(),
            values: BTreeMap::from([("user".to_owned(), user.clone())]),
            user,
            groups: Vec::new(),
        };
        let derived =
            derive::identity(&rules, &request).map_err(|refusal| anyhow!("{refusal:?}"))?;
        Ok(objects::identity(&namespace, &derived.name, derived.spec))
    };
    (0..size.identities).map(one).collect()
}

/// Creates all identities in the cluster: the first one through the API server, as the broker; the others as copies in etcd.
/// `ids` are the unique IDs of their GSAs.
///
/// # Errors
/// An object is refused.
pub(crate) async fn make(
    broker: &Client,
    etcd: &Etcd,
    identities: &[Identity],
    ids: &HashMap<String, String>,
) -> anyhow::Result<()> {
    let (first, others) = identities.split_first().context("none")?;
    let stored = one(broker, first, ids).await?;
    for one in &stored {
        ensure!(
            etcd.has(&one.key).await?,
            "nothing is stored at {}",
            one.key
        );
    }
    let step = (identities.len() / 10).max(1);
    for (part, some) in others.chunks(step).enumerate() {
        let all = some.iter().enumerate();
        let copies = all.map(|(n, identity)| copies(&stored, identity, part * step + n, ids));
        let copies = copies.collect::<anyhow::Result<Vec<_>>>()?;
        etcd.store(&copies.concat()).await?;
        let done = part * step + some.len() + 1;
        say(&format!(
            "{done} of {} identities are there",
            identities.len()
        ));
    }
    Ok(())
}

/// Creates one, and returns what is stored: the Identity and its KSA.
async fn one(
    client: &Client,
    identity: &Identity,
    ids: &HashMap<String, String>,
) -> anyhow::Result<[Stored; 2]> {
    let (namespace, name) = (
        identity.namespace().unwrap_or_default(),
        identity.name_any(),
    );
    let params = PostParams {
        field_manager: Some(names::FIELD_MANAGER_BROKER.to_owned()),
        ..PostParams::default()
    };
    let identities = Api::<Identity>::namespaced(client.clone(), &namespace);
    let identity = identities.create(&params, identity).await?;
    let account = objects::service_account(&identity, &objects::mark(&identity)?);
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), &namespace);
    let account = accounts.create(&params, &account).await?;
    let status = status(&identity, &account.uid().unwrap_or_default(), ids);
    let params = PatchParams {
        field_manager: Some(names::FIELD_MANAGER_BROKER.to_owned()),
        ..PatchParams::default()
    };
    let patch = Patch::Merge(json!({"status": status}));
    let identity = identities.patch_status(&name, &params, &patch).await?;
    Ok([
        of_identity(json!(identity), &identity),
        of_account(json!(account), &account),
    ])
}

fn of_identity(object: Value, identity: &Identity) -> Stored {
    let (namespace, name) = (
        identity.namespace().unwrap_or_default(),
        identity.name_any(),
    );
    stored(
        format!("/registry/namesake.dev/identities/{namespace}/{name}"),
        object,
    )
}

fn of_account(object: Value, account: &ServiceAccount) -> Stored {
    let (namespace, name) = (account.namespace().unwrap_or_default(), account.name_any());
    stored(
        format!("/registry/serviceaccounts/{namespace}/{name}"),
        object,
    )
}

/// Removes the version, which etcd sets.
fn stored(key: String, mut object: Value) -> Stored {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("resourceVersion");
    }
    Stored { key, object }
}

/// The object that the API server would have stored for this identity.
fn copies(
    [first, account]: &[Stored; 2],
    identity: &Identity,
    number: usize,
    ids: &HashMap<String, String>,
) -> anyhow::Result<Vec<Stored>> {
    let mut identity = identity.clone();
    identity.metadata.uid = Some(uid(1, number));
    identity.metadata.generation = Some(1);
    let mut wanted = objects::service_account(&identity, &objects::mark(&identity)?);
    wanted.metadata.uid = Some(uid(2, number));
    identity.status = Some(status(&identity, &uid(2, number), ids));
    Ok(vec![
        of_identity(over(&first.object, json!(identity)), &identity),
        of_account(over(&account.object, json!(wanted)), &wanted),
    ])
}

/// Adds the fields that the API server sets from the first object to the second.
fn over(first: &Value, mut second: Value) -> Value {
    for field in ["creationTimestamp", "managedFields", "generation"] {
        if let Some(value) = first["metadata"].get(field) {
            second["metadata"][field] = value.clone();
        }
    }
    second
}

fn uid(kind: u8, number: usize) -> String {
    format!("{number:08x}-0000-4000-8000-{kind:012x}")
}

/// The status of an identity that is ready.
fn status(identity: &Identity, uid: &str, ids: &HashMap<String, String>) -> IdentityStatus {
    let (now, mut status) = (Timestamp::now(), IdentityStatus::default());
    let email = identity.spec.google_service_account.clone();
    let email = email.unwrap_or_default();
    status.google_service_account_id = ids.get(&email).cloned();
    status.last_used_time = Some(Time(now));
    conditions::record_service_account(identity, &mut status, uid, now);
    let members = Members {
        binding: Some(principal::member_by_name(identity)),
        grantee: format!("serviceAccount:{email}"),
    };
    recorded::add(identity, &mut status, &members);
    let done = progress(Goal::Serve, &[]);
    let generation = identity.metadata.generation;
    conditions::record(&mut status, generation, Mode::Impersonate, &done, now);
    status
}
