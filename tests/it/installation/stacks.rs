//! Several stacks in one cluster and project, with the same users: they share nothing, and each can be removed alone.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{Pod, Secret, ServiceAccount};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, DynamicObject, ListParams, PostParams},
};
use namesake_api::{Identity, names};
use namesake_core::KeyRing;
use namesake_sandbox::CLUSTER;
use namesake_tests::{
    cluster::refusal::refused,
    controllers::replayed_argo::{kind, template},
    drafts::pod,
    eventually::eventually,
    google::email,
    namespace::{TestNamespace, account_of, with_own_stack},
    stack::{Options, SHARED_RULES, Stack},
};
use serde_json::{Value, json};

/// The second stacks of the tests' clusters. Each test has its own, because the namespace of one that was removed stays for seconds.
const BLUE: &str = "blue";
const GREEN: &str = "green";
const RED: &str = "red";

/// Another cluster of the project.
const GPU: &str = "projects/acme/locations/us-central1/clusters/gpu";

/// A stack that collects garbage immediately, with the shared rules under this name.
fn options(stack: &str) -> Options {
    Options {
        rules: SHARED_RULES.replacen("\nstack: prod\n", &format!("\nstack: {stack}\n"), 1),
        speed: 2000,
        tune: |config| {
            config.collect = true;
            config.collect_after = Duration::ZERO;
        },
        ..Options::default()
    }
}

/// Runs pods as alice and bob, proves as whom at Google, and returns the names of both identities.
async fn run_as_both(ns: &TestNamespace) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for person in [ns.alice().await?, ns.bob().await?] {
        let made = person.create::<Pod>(pod()).await?;
        ns.wait_until_ungated(&made).await?;
        let name = account_of(&made).to_owned();
        let who = ns.google_identity(&name).await?;
        ensure!(who == email(&name), "{who}");
        let stack = ns.identity_of(&made).await?.spec.stack;
        ensure!(stack == ns.stack.name(), "{stack}");
        names.insert(name);
    }
    Ok(names)
}

/// Everything at Google that names one of these identities, with etags, which change with every write.
fn at_google(ns: &TestNamespace, identities: &BTreeSet<String>) -> Result<Value> {
    let google = ns.stack.google();
    let listing = google.state().listing();
    let accounts = listing["serviceAccounts"].as_array().into_iter().flatten();
    let named = |text: &str| identities.iter().any(|name| text.contains(&name[3..]));
    let accounts: Vec<_> = accounts
        .filter(|account| named(account["email"].as_str().unwrap_or_default()))
        .collect();
    let policies = listing["policies"].as_object().context("no policies")?;
    let mut entries: Vec<_> = policies
        .iter()
        .filter(|(name, policy)| named(name) || named(&policy.to_string()))
        .collect();
    for name in identities {
        let policy = google.policy_of(name)?;
        let (name, policy) = policies.get_key_value(&policy).context("no policy")?;
        entries.push((name, policy));
    }
    entries.sort_by_key(|(name, _)| *name);
    entries.dedup_by_key(|(name, _)| *name);
    ensure!(accounts.len() == identities.len() && entries.len() >= 2 * identities.len());
    Ok(json!([accounts, entries]))
}

/// Everything in a namespace that the broker made, with resourceVersions.
async fn in_cluster(ns: &TestNamespace) -> Result<BTreeSet<String>> {
    let admin = ns.admin().await?;
    let mut found = BTreeSet::new();
    let managed = format!("{}={}", names::MANAGED_BY, names::MANAGED_BY_VALUE);
    let accounts: Api<ServiceAccount> = admin.all();
    for one in accounts
        .list(&ListParams::default().labels(&managed))
        .await?
    {
        let version = one.resource_version().unwrap_or_default();
        found.insert(format!("account {} {version}", one.name_any()));
    }
    let identities: Api<Identity> = admin.all();
    for one in identities.list(&ListParams::default()).await? {
        found.insert(format!("identity {} {}", one.name_any(), one.spec.stack));
    }
    Ok(found)
}

/// Waits until the brokers of a Google have looked for garbage several times more.
async fn wait_for_rounds_of_garbage(stack: &Stack) -> Result<()> {
    let requests = |after: u64| stack.google().state().requests(after).into_iter();
    let until_now = requests(0).last().map_or(0, |entry| entry.number);
    eventually("the accounts were listed again", async || {
        let lists = requests(until_now)
            .filter(|entry| entry.method == "GET" && entry.path.ends_with("/serviceAccounts"));
        ensure!(lists.count() > 8);
        Ok(())
    })
    .await
}

/// Runs tasks of the same users in two stacks, and checks that nothing names identities of both, that neither broker touches what is
/// the other's, and that the first is whole after the second is removed.
async fn share_nothing(ns: &TestNamespace, there: &TestNamespace) -> Result<()> {
    let (here, other) = (run_as_both(ns).await?, run_as_both(there).await?);
    ensure!(here.is_disjoint(&other), "{here:?} {other:?}");
    for (names, others) in [(&here, &other), (&other, &here)] {
        let text = at_google(ns, names)?.to_string();
        let shared: Vec<_> = others.iter().filter(|n| text.contains(&n[3..])).collect();
        ensure!(shared.is_empty(), "{shared:?} in {text}");
    }
    let before = (at_google(ns, &here)?, in_cluster(ns).await?);
    let before_there = (at_google(ns, &other)?, in_cluster(there).await?);
    for stack in [&ns.stack, &there.stack] {
        wait_for_rounds_of_garbage(stack).await?;
        let text = stack.broker_metrics().await?;
        let phases = text
            .lines()
            .filter(|line| line.starts_with("namesake_broker_identities{"));
        let counts = phases.filter_map(|line| line.rsplit(' ').next()?.parse::<u32>().ok());
        ensure!(counts.sum::<u32>() == 2, "{text}");
    }
    ensure!((at_google(ns, &here)?, in_cluster(ns).await?) == before);
    ensure!((at_google(ns, &other)?, in_cluster(there).await?) == before_there);
    remove(there, &other).await?;
    ensure!((at_google(ns, &here)?, in_cluster(ns).await?) == before);
    ensure!(run_as_both(ns).await? == here);
    Ok(())
}

#[test]
fn two_stacks_of_one_cluster_and_project_share_nothing_and_one_is_removed_without_the_other()
-> Result<()> {
    with_own_stack(options("prod"), |ns| async move {
        let blue = Stack::start_beside(&ns.stack, BLUE, options(BLUE)).await?;
        let there = ns.in_another_stack(blue).await?;
        share_nothing(&ns, &there).await
    })
}

#[test]
fn two_clusters_of_one_project_share_nothing_and_one_is_removed_without_the_other() -> Result<()> {
    with_own_stack(options("prod"), |ns| async move {
        let mut own = options("prod");
        own.rules = own.rules.replacen(CLUSTER, GPU, 1);
        let there = ns.in_another_cluster(GPU, own).await?;
        share_nothing(&ns, &there).await
    })
}

/// Removes a stack in the order of docs/uninstall.md.
async fn remove(there: &TestNamespace, identities: &BTreeSet<String>) -> Result<()> {
    let admin = there.admin().await?;
    there.opt_out().await?;
    let all: Api<Identity> = admin.all();
    for name in identities {
        all.delete(name, &DeleteParams::default()).await?;
    }
    eventually("its identities are gone", async || {
        let left = all.list(&ListParams::default()).await?.items;
        ensure!(left.is_empty(), "{left:?}");
        let at_google = there.stack.google().accounts_of(&there.name);
        let left: Vec<_> = at_google.intersection(identities).collect();
        ensure!(left.is_empty(), "{left:?}");
        Ok(())
    })
    .await?;
    there.stack.stop().await?;
    there.delete().await
}

#[test]
fn a_stack_admits_and_creates_nothing_in_a_namespace_of_another_stack() -> Result<()> {
    with_own_stack(options("prod"), |ns| async move {
        let green = Stack::start_beside(&ns.stack, GREEN, options(GREEN)).await?;
        let there = ns.in_another_stack(Arc::clone(&green)).await?;
        let request = namesake_tests::stack::identity_request(&ns.name, "alice@acme.com");
        let (status, body) = green.ask_broker(green.broker_address(), &request).await?;
        ensure!(status == 503 || status == 403, "{status} {body}");
        ensure!(body.to_string().contains("prod"), "{body}");
        // A token for one broker is none for the other.
        let (home, name) = (ns.stack.home(), names::WEBHOOK_SERVICE_ACCOUNT);
        let cluster = ns.stack.cluster();
        let token = cluster
            .token(&home, name, &[names::BROKER_AUDIENCE])
            .await?;
        let (address, body) = (green.broker_address(), request.to_string());
        let (status, body) = green.post_to_broker(address, Some(&token), body).await?;
        ensure!(status == 403 || status == 401, "{status} {body}");
        // While its webhook is down, only its own namespaces wait for it.
        green.kill_webhook().await;
        refused(there.alice().await?.create::<Pod>(pod()).await)?;
        run_as_both(&ns).await?;
        green.stop().await?;
        there.delete().await
    })
}

/// The id of the key with which a stack signs.
async fn key_of(ns: &TestNamespace) -> Result<String> {
    let secrets: Api<Secret> = ns.admin().await?.in_namespace(&ns.stack.home()).all();
    let secret = secrets.get(names::STAMP_KEY_SECRET).await?;
    let id = secret.annotations().get(names::CURRENT_KEY_ANNOTATION);
    Ok(id.context("no key signs")?.clone())
}

#[test]
fn a_template_of_the_whole_cluster_is_stamped_by_the_stack_of_its_label() -> Result<()> {
    with_own_stack(options("prod"), |ns| async move {
        let red = Stack::start_beside(&ns.stack, RED, options(RED)).await?;
        let there = ns.in_another_stack(Arc::clone(&red)).await?;
        let (own, other) = (key_of(&ns).await?, key_of(&there).await?);
        ensure!(own != other, "two stacks sign with one key");
        let admin = ns.admin().await?;
        let all: Api<DynamicObject> =
            Api::all_with(admin.client().clone(), &kind("ClusterWorkflowTemplate"));
        let dry_run = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        for (stack, key) in [(None, &own), (Some("prod"), &own), (Some(RED), &other)] {
            let mut wide = template();
            wide["kind"] = json!("ClusterWorkflowTemplate");
            wide["metadata"]["name"] = json!(format!("wide-{}", ns.name));
            wide["metadata"]["labels"][names::OPT_IN_LABEL] = json!(stack);
            if stack.is_none() {
                let labels = wide["metadata"]["labels"].as_object_mut();
                labels.context("no labels")?.remove(names::OPT_IN_LABEL);
            }
            let made = all.create(&dry_run, &serde_json::from_value(wide)?).await?;
            let stamp = made.annotations().get(names::STAMP_ANNOTATION);
            let signed = stamp.and_then(|stamp| KeyRing::id_in(stamp));
            ensure!(signed == Some(key), "{stack:?}: {signed:?}");
        }
        red.stop().await?;
        there.delete().await
    })
}
