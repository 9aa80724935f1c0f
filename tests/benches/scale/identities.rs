//! Identities that are there already: as the broker would have made them, long ago.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use namesake_api::{Identity, IdentityStatus, Mode, names};
use namesake_broker::api::Ask;
use namesake_broker::plan::Aim;
use namesake_broker::written::{self, Members};
use namesake_broker::{conditions, derive, objects, principal};
use namesake_core::{Rules, Source};
use namesake_sandbox::run::say;
use serde_json::json;

use super::size::Size;

/// The rules of the bench.
pub(crate) const RULES: &str = include_str!("rules.yaml");
/// Identities that are made at the same time.
const AT_ONCE: usize = 48;

/// The user of this number.
pub(crate) fn user(number: usize) -> String {
    format!("user-{number}@acme.com")
}

/// The namespace in which the user of this number is at home.
pub(crate) fn team(number: usize, size: &Size) -> String {
    format!("team-{:02}", number % size.teams())
}

/// All of them, as the rules derive them.
///
/// # Errors
/// Rules that do not fit.
pub(crate) fn planned(size: &Size) -> anyhow::Result<Vec<Identity>> {
    let source = Source {
        file: names::RULES_KEY,
        text: RULES,
    };
    let rules = Rules::parse(&[source]).map_err(|errors| anyhow!("{errors}"))?;
    let one = |number| {
        let (namespace, user) = (team(number, size), user(number));
        let ask = Ask {
            namespace: namespace.clone(),
            class: "team".to_owned(),
            values: BTreeMap::from([("user".to_owned(), user.clone())]),
            user,
            groups: Vec::new(),
        };
        let derived = derive::identity(&rules, &ask).map_err(|refusal| anyhow!("{refusal:?}"))?;
        Ok(objects::identity(&namespace, &derived.name, derived.spec))
    };
    (0..size.identities).map(one).collect()
}

/// Makes all of them in the cluster, through the API server, in the broker's name. `ids` are those of their Google accounts.
///
/// # Errors
/// The first that the API server refuses.
pub(crate) async fn make(
    broker: &Client,
    identities: Vec<Identity>,
    ids: HashMap<String, String>,
) -> anyhow::Result<()> {
    let (all, ids) = (identities.len(), Arc::new(ids));
    let step = (all / 10).max(1);
    let made = futures::stream::iter(identities)
        .map(|identity| {
            let (client, ids) = (broker.clone(), Arc::clone(&ids));
            let name = identity.name_any();
            tokio::spawn(async move { one(&client, identity, &ids).await.context(name) })
        })
        .buffer_unordered(AT_ONCE);
    let count = made.map(|made| made?).try_fold(0, |done, ()| async move {
        let done = done + 1;
        if done % step == 0 {
            say(&format!("{done} of {all} identities are there"));
        }
        Ok(done)
    });
    count.await.map(drop)
}

async fn one(
    client: &Client,
    identity: Identity,
    ids: &HashMap<String, String>,
) -> anyhow::Result<()> {
    let namespace = identity.namespace().unwrap_or_default();
    let params = PostParams {
        field_manager: Some(names::FIELD_MANAGER_BROKER.to_owned()),
        ..PostParams::default()
    };
    let identities = Api::<Identity>::namespaced(client.clone(), &namespace);
    let identity = identities.create(&params, &identity).await?;
    let account = objects::service_account(&identity, &objects::mark(&identity)?);
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), &namespace);
    let account = accounts.create(&params, &account).await?;
    let status = status(&identity, &account.uid().unwrap_or_default(), ids);
    let params = PatchParams {
        field_manager: Some(names::FIELD_MANAGER_BROKER.to_owned()),
        ..PatchParams::default()
    };
    let patch = Patch::Merge(json!({"status": status}));
    identities
        .patch_status(&identity.name_any(), &params, &patch)
        .await?;
    Ok(())
}

/// Everything done and proven.
fn status(identity: &Identity, uid: &str, ids: &HashMap<String, String>) -> IdentityStatus {
    let (now, mut status) = (Timestamp::now(), IdentityStatus::default());
    let email = identity.spec.google_service_account.clone();
    let email = email.unwrap_or_default();
    status.google_service_account_id = ids.get(&email).cloned();
    status.last_used_time = Some(Time(now));
    conditions::service_account(identity, &mut status, uid, now);
    let members = Members {
        binding: Some(principal::binding(identity)),
        grantee: format!("serviceAccount:{email}"),
    };
    written::record(identity, &mut status, &members);
    let done = conditions::progress(Aim::Serve, &[]);
    let generation = identity.metadata.generation;
    conditions::record(&mut status, generation, Mode::Impersonate, &done, now);
    status
}
