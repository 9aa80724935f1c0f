//! Mistakes of people, one by one: a condition and an Event report each with the remedy. The identity works once it is fixed, and
//! leaves nothing behind when it is deleted.

mod by_hand;
mod rules;

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use futures::future::BoxFuture;
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Event, Pod},
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams},
};
use namesake_api::{
    Identity, conditions,
    names::{BINDING_READY, GOOGLE_ACCOUNT_READY},
};
use namesake_tests::{
    drafts::metaflow_job,
    eventually::eventually,
    google::Google,
    namespace::{TestNamespace, account_of, is_gated, with_own_stack},
    stack::{Options, SHARED_RULES},
};
use serde_json::{Value, json};

/// A change at Google.
type Act = for<'a> fn(&'a TestNamespace) -> BoxFuture<'a, Result<()>>;

/// A class that does not work as configured.
struct Case {
    /// Its name, and the name of the person who uses it.
    name: &'static str,
    /// The rest of the class.
    lines: &'static str,
    condition: &'static str,
    reason: &'static str,
    /// Parts of the message: the problem and the remedy.
    says: &'static [&'static str],
    /// Causes the problem at Google, if the class alone does not.
    spoil: Option<Act>,
    /// Fixes it, where that is possible.
    fix: Option<Act>,
}

const CASES: [Case; 6] = [
    Case {
        name: "nowhere",
        lines: "project: acme-nowhere",
        condition: GOOGLE_ACCOUNT_READY,
        reason: "PermissionDenied",
        says: &["acme-nowhere", "grant the permission"],
        spoil: None,
        fix: Some(|ns| {
            let role = json!({"role": "roles/iam.serviceAccountAdmin", "members": ["user:namesake-broker@acme.com"]});
            seed(
                ns,
                json!({"projects": [{"id": "acme-nowhere", "number": 4711, "bindings": [role]}]}),
            )
        }),
    },
    Case {
        name: "poolless",
        lines: "project: acme-identities",
        condition: BINDING_READY,
        reason: "PoolMissing",
        says: &["acme.svc.id.goog", "Workload Identity Federation"],
        spoil: Some(|ns| Box::pin(ns.stack.google().delete_pool())),
        fix: Some(|ns| Box::pin(ns.stack.google().trust_cluster(ns.stack.cluster()))),
    },
    Case {
        name: "misspelt",
        lines: "project: acme-identities\n    grants: [{role: roles/storage.objectUsr, bucket: acme-mf, folder: \"misspelt/{key}/\"}]",
        condition: BINDING_READY,
        reason: "Invalid",
        says: &["roles/storage.objectUsr", "class misspelt", "grants"],
        spoil: None,
        fix: None,
    },
    Case {
        name: "bucketless",
        lines: "project: acme-identities\n    grants: [{role: roles/storage.objectUser, bucket: acme-nowhere, folder: \"users/{key}/\"}]",
        condition: BINDING_READY,
        reason: "BucketMissing",
        says: &["acme-nowhere", "create it, or correct the grants"],
        spoil: None,
        fix: Some(|ns| bucket(ns, "acme-nowhere", true)),
    },
    Case {
        name: "loose",
        lines: "project: acme-identities\n    grants: [{role: roles/storage.objectUser, bucket: acme-loose, folder: \"users/{key}/\"}]",
        condition: BINDING_READY,
        reason: "NotUniform",
        says: &["acme-loose", "--uniform-bucket-level-access"],
        spoil: Some(|ns| bucket(ns, "acme-loose", false)),
        fix: None,
    },
    Case {
        name: "pinned",
        lines: "project: acme-identities",
        condition: GOOGLE_ACCOUNT_READY,
        reason: "Missing",
        says: &[
            "pinned@acme.com",
            "nobody-yet@acme-identities",
            "create it, or correct the pin",
        ],
        spoil: None,
        fix: Some(|ns| {
            let account = json!({"project": "acme-identities", "accountId": "nobody-yet"});
            seed(ns, json!({"serviceAccounts": [account]}))
        }),
    },
];
const PINS: &str = "pins:\n  pinned@acme.com: nobody-yet@acme-identities.iam.gserviceaccount.com\n";

/// Creates resources at Google.
fn seed(ns: &TestNamespace, seed: Value) -> BoxFuture<'_, Result<()>> {
    Box::pin(async move { ns.stack.google().seed(seed) })
}

fn bucket<'a>(ns: &'a TestNamespace, name: &str, uniform: bool) -> BoxFuture<'a, Result<()>> {
    let role = json!({"role": "roles/storage.admin", "members": ["user:namesake-broker@acme.com"]});
    let bucket = json!({"name": name, "project": "acme", "uniformBucketLevelAccess": uniform, "bindings": [role]});
    seed(ns, json!({"buckets": [bucket]}))
}

/// The shared rules with these classes, each for pods with its label.
fn rules_with(classes: &[(&str, &str)]) -> String {
    let mut text = SHARED_RULES.to_owned();
    for (name, lines) in classes {
        let class = format!(
            "identities:\n  - name: {name}\n    for: {{users: [\"*@acme.com\"]}}\n    per: [user]\n    {lines}\n"
        );
        let rule = format!(
            "\nrules:\n  - {{name: {name}, match: {{user: \"*@acme.com\", labels: {{class: {name}}}}}, identity: {name}}}\n"
        );
        text = text.replacen("identities:\n", &class, 1);
        text = text.replacen("\nrules:\n", &rule, 1);
    }
    text
}

/// A stack whose broker checks again soon, fails no pods, and may grant roles that do not exist.
fn options(rules: String) -> Options {
    Options {
        rules,
        speed: 500,
        tune: |config| {
            config.timings.patience.lasting = std::time::Duration::from_mins(10);
            if let Ok(roles) = "roles/storage.*".parse() {
                config.allowed_roles = roles;
            }
        },
        ..Options::default()
    }
}

/// The GSAs and all policies at Google.
fn at_google(google: &Google) -> (Vec<String>, BTreeMap<String, Value>) {
    let listing = google.state().listing();
    let policies = listing["policies"].as_object().cloned().unwrap_or_default();
    let given = policies.into_iter().filter_map(|(on, policy)| {
        let bindings = policy["bindings"].clone();
        let any = bindings.as_array().is_some_and(|all| !all.is_empty());
        any.then_some((on, bindings))
    });
    let mut accounts = google.accounts();
    accounts.sort();
    (accounts, given.collect())
}

/// Waits until the Identity is not ready for this reason, and its condition and an Event contain all these words.
async fn wait_for_report(
    ns: &TestNamespace,
    name: &str,
    (condition, reason): (&str, &str),
    parts: &[&str],
) -> Result<()> {
    let admin = ns.admin().await?;
    let has_all = |text: &str| parts.iter().all(|part| text.contains(part));
    eventually(&format!("{condition} says {reason}"), async || {
        let identity: Identity = admin.all().get(name).await?;
        let all = identity.status.unwrap_or_default().conditions;
        let found = conditions::get(&all, condition).with_context(|| format!("{all:?}"))?;
        ensure!(
            found.status == "False" && found.reason == reason && has_all(&found.message),
            "{found:?}"
        );
        Ok(())
    })
    .await?;
    let about = format!("involvedObject.name={name}");
    eventually(&format!("an Event says {reason}"), async || {
        let events: Api<Event> = admin.all();
        let found = events.list(&ListParams::default().fields(&about)).await?;
        let said = |event: &Event| {
            event.reason.as_deref() == Some(reason)
                && event.type_.as_deref() == Some("Warning")
                && event.message.as_deref().is_some_and(has_all)
        };
        let all: Vec<_> = found
            .items
            .iter()
            .map(|e| (&e.reason, &e.message))
            .collect();
        ensure!(found.items.iter().any(said), "{all:?}");
        Ok(())
    })
    .await
}

/// Deletes the Identity, and checks that it and everything of it at Google are gone.
async fn check_leaves_nothing(
    ns: &TestNamespace,
    name: &str,
    before: &(Vec<String>, BTreeMap<String, Value>),
) -> Result<()> {
    let all: Api<Identity> = ns.admin().await?.all();
    all.delete(name, &DeleteParams::default()).await?;
    eventually("it leaves nothing", async || {
        let there = all.get_opt(name).await?;
        ensure!(there.is_none(), "{:?}", there.and_then(|i| i.status));
        let accounts = ns.managed_accounts().await?;
        ensure!(
            !accounts.iter().any(|account| account == name),
            "its service account"
        );
        let now = at_google(ns.stack.google());
        ensure!(now == *before, "{now:#?}\ninstead of {before:#?}");
        Ok(())
    })
    .await
}

async fn check_case(ns: &TestNamespace, case: &Case) -> Result<()> {
    let google = ns.stack.google();
    if let Some(spoil) = case.spoil {
        spoil(ns).await?;
    }
    let mut before = at_google(google);
    let person = ns.person(&format!("{}@acme.com", case.name)).await?;
    let draft = metaflow_job().labelled("class", case.name);
    let job = person.create::<Job>(draft).await?;
    let pod = ns.pod_of(&job).await?;
    let name = account_of(&pod).to_owned();
    wait_for_report(ns, &name, (case.condition, case.reason), case.says).await?;
    let now: Pod = person.all().get(&pod.name_any()).await?;
    ensure!(is_gated(&now), "its gate is open");
    if let Some(fix) = case.fix {
        let clean = at_google(google);
        fix(ns).await?;
        // Resources that the person created stay.
        let made = at_google(google);
        before
            .0
            .extend(made.0.into_iter().filter(|a| !clean.0.contains(a)));
        before.1.extend(
            made.1
                .into_iter()
                .filter(|(on, _)| !clean.1.contains_key(on)),
        );
        before.0.sort();
        ns.wait_until_ungated(&pod).await?;
    }
    let jobs: Api<Job> = person.all();
    jobs.delete(&job.name_any(), &DeleteParams::background())
        .await?;
    check_leaves_nothing(ns, &name, &before).await
}

#[test]
fn an_error_in_a_class_is_reported_with_the_remedy_and_the_identity_works_once_fixed_and_leaves_nothing()
-> Result<()> {
    let classes = CASES.map(|case| (case.name, case.lines));
    let rules = rules_with(&classes) + PINS;
    with_own_stack(options(rules), |ns| async move {
        for case in &CASES {
            let went = check_case(&ns, case).await;
            went.map_err(|error| error.context(case.name))?;
        }
        Ok(())
    })
}
