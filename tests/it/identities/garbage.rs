//! Garbage collection: resources with our mark and without an Identity are first only reported, then deleted with all their roles.
//! Nothing else is changed.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{batch::v1::Job, core::v1::ServiceAccount};
use kube::ResourceExt;
use namesake_gcp::{Edit, Policy, Resource};
use namesake_tests::{
    drafts::metaflow_job,
    eventually::eventually,
    google::email,
    namespace::{TestNamespace, account_of, with_own_stack},
    stack::{Options, SHARED_RULES, STACK},
};
use serde_json::{Value, json};

/// Whether collection is enabled, from the broker's next start on.
static LEAVE: AtomicBool = AtomicBool::new(false);
const ROLE: &str = "roles/storage.objectUser";
const DIRECT: &str = "mode: direct\n    project: acme-identities\n    grants:\n      - {role: roles/storage.objectUser, bucket: acme-mf, folder: \"steps/{key}/\"}";

fn options() -> Options {
    Options {
        // The class `steps` has the mode `direct` and a folder.
        rules: SHARED_RULES.replacen(
            "per: [user, flow, step]\n    mode: impersonate\n    project: acme-identities",
            &format!("per: [user, flow, step]\n    {DIRECT}"),
            1,
        ),
        speed: 2000,
        tune: |config| {
            config.collect = LEAVE.load(Ordering::Relaxed);
            config.collect_after = Duration::from_secs(1);
            config.timings.patience.lasting = Duration::from_mins(2);
        },
        ..Options::default()
    }
}

/// The broker's metric for orphans of a kind.
async fn counted(ns: &TestNamespace, kind: &str) -> Result<u32> {
    let text = ns.stack.broker_metrics().await?;
    let start = format!("namesake_broker_garbage{{kind=\"{kind}\"}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&start));
    Ok(line.context("not counted")?.parse()?)
}

/// Grants a role on a folder of the bucket.
async fn grant(ns: &TestNamespace, folder: &str, member: &str) -> Result<()> {
    let gcp = ns.stack.google().broker_credentials().connect().await?;
    let folder = Resource::ManagedFolder {
        bucket: "acme-mf".to_owned(),
        folder: folder.to_owned(),
    };
    let add = Edit::add(ROLE, member);
    let change = |policy: &mut Policy| {
        add.apply(policy);
    };
    gcp.modify_policy(&folder, change).await?;
    Ok(())
}

/// Waits for two more rounds of collection after the grace period, by creating an orphan for each: a round counts the orphan, and
/// deletes everything else before the next round. Returns the names of these orphans.
async fn wait_for_rounds(ns: &TestNamespace) -> Result<Vec<String>> {
    let mut more = Vec::new();
    for n in 1..=2 {
        let name = ns.name_for(&format!("lost{n}@acme.com"));
        let google = ns.stack.google();
        google.create_account(&name, &ns.mark(STACK, &name)?)?;
        more.push(name);
        eventually("one more is counted", async || {
            let counted = counted(ns, "Google service account").await?;
            ensure!(counted == n + 1, "{counted}");
            Ok(())
        })
        .await?;
    }
    Ok(more)
}

/// The disabled GSAs.
fn disabled(ns: &TestNamespace) -> Vec<Value> {
    let listing = ns.stack.google().state().listing();
    let all = listing["serviceAccounts"].as_array().into_iter().flatten();
    let disabled = all.filter(|account| account["disabled"] == true);
    disabled.map(|account| account["email"].clone()).collect()
}

fn policies(ns: &TestNamespace) -> String {
    ns.stack.google().state().listing()["policies"].to_string()
}

/// Orphans of our stack (`lost`, `lone`) and of another one (`theirs`, `alien`), at Google and in the namespace.
struct Orphans {
    lost: String,
    theirs: String,
    lone: String,
    alien: String,
    /// The principal of `lone`, which has a role.
    uid: String,
}

async fn orphans(ns: &TestNamespace) -> Result<Orphans> {
    let google = ns.stack.google();
    let of = |what: &str| ns.name_for(&format!("{what}@acme.com"));
    let key = |name: &str| name.trim_start_matches("mf-").to_owned();
    let (lost, theirs) = (of("lost"), of("theirs"));
    google.create_account(&lost, &ns.mark(STACK, &lost)?)?;
    google.create_account(&theirs, &ns.mark("dev", &theirs)?)?;
    for name in [&lost, &theirs] {
        let member = format!("serviceAccount:{}", email(name));
        grant(ns, &format!("users/{}/", key(name)), &member).await?;
    }
    let (lone, alien) = (of("lone"), of("alien"));
    let uid = ns
        .create_account_without_identity(STACK, &lone)
        .await?
        .uid()
        .context("no UID")?;
    ns.create_account_without_identity("dev", &alien).await?;
    let principal = format!(
        "principal://iam.googleapis.com/projects/314159265358/locations/global/workloadIdentityPools/acme.svc.id.goog/kubernetes.serviceaccount.uid/{uid}"
    );
    grant(ns, &format!("steps/{}/", key(&lone)), &principal).await?;
    Ok(Orphans {
        lost,
        theirs,
        lone,
        alien,
        uid,
    })
}

/// Checks that a dry run deletes nothing, and returns the additional orphans of its rounds.
async fn check_dry_run(ns: &TestNamespace, lost: &str, lone: &str) -> Result<Vec<String>> {
    let before = policies(ns);
    let more = wait_for_rounds(ns).await?;
    ensure!(
        disabled(ns).is_empty(),
        "a dry run disabled {:?}",
        disabled(ns)
    );
    ensure!(policies(ns) == before, "a dry run took roles");
    let google = ns.stack.google().accounts_of(&ns.name);
    ensure!(google.contains(lost), "a dry run took it");
    let here = ns.managed_accounts().await?;
    ensure!(here.iter().any(|name| name == lone), "a dry run took it");
    Ok(more)
}

#[test]
fn accounts_without_an_identity_are_only_counted_until_collection_is_enabled_and_then_deleted_with_all_they_have()
-> Result<()> {
    LEAVE.store(false, Ordering::Relaxed);
    with_own_stack(options(), |ns| async move {
        let google = ns.stack.google();
        let job = ns.alice().await?.create::<Job>(metaflow_job()).await?;
        let alice = ns.pod_of(&job).await?;
        ns.wait_until_ungated(&alice).await?;
        let Orphans {
            lost,
            theirs,
            lone,
            alien,
            uid,
        } = orphans(&ns).await?;
        for kind in ["Google service account", "service account"] {
            eventually("it is counted", async || {
                ensure!(counted(&ns, kind).await? == 1, "{kind}");
                Ok(())
            })
            .await?;
        }
        let more = check_dry_run(&ns, &lost, &lone).await?;
        LEAVE.store(true, Ordering::Relaxed);
        ns.stack.stop_broker().await;
        ns.stack.start_broker().await?;
        eventually(
            "objects that belong to no Identity are deleted, with their grants",
            async || {
                let left = google.accounts_of(&ns.name);
                let dead = |name: &String| left.contains(name);
                ensure!(
                    !dead(&lost) && !more.iter().any(dead),
                    "at Google: {left:?}"
                );
                ensure!(!ns.managed_accounts().await?.contains(&lone), "here");
                let policies = policies(&ns);
                ensure!(!policies.contains(&uid), "{policies}");
                ensure!(
                    !policies.contains(&format!("serviceAccount:{lost}")),
                    "{policies}"
                );
                Ok(())
            },
        )
        .await?;
        // Resources of another stack or with an Identity are unchanged.
        let left = google.accounts_of(&ns.name);
        let all = [theirs.clone(), account_of(&alice).to_owned()];
        ensure!(left == all.into_iter().collect(), "{left:?}");
        ensure!(
            policies(&ns).contains(&email(&theirs)),
            "the other stack's grant"
        );
        let account: Option<ServiceAccount> = ns.admin().await?.all().get_opt(&alien).await?;
        ensure!(account.is_some(), "the other stack's service account");
        ns.google_identity(account_of(&alice)).await?;
        Ok(())
    })
}

#[test]
fn without_a_direct_class_a_service_account_is_collected_whatever_google_answers() -> Result<()> {
    let options = Options {
        rules: SHARED_RULES.to_owned(),
        tune: |config| {
            config.collect = true;
            config.collect_after = Duration::from_secs(1);
        },
        ..options()
    };
    with_own_stack(options, |ns| async move {
        // The first is a right that the install guide does not give the broker.
        for path in [
            "/v3/projects/acme",
            "/v1/projects/acme-identities/serviceAccounts",
        ] {
            let refused = json!({"path": path, "times": 0, "answer": {"status": {"code": 403}}});
            ns.stack.google().plan_fault(refused)?;
        }
        let lone = ns.name_for("lone@acme.com");
        ns.create_account_without_identity(STACK, &lone).await?;
        eventually("it is gone", async || {
            ensure!(!ns.managed_accounts().await?.contains(&lone));
            Ok(())
        })
        .await
    })
}
