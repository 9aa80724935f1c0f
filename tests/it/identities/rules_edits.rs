//! Edits of the rules while everything runs.

use anyhow::{Context, Result, ensure};
use futures::TryStreamExt as _;
use k8s_openapi::api::{
    admissionregistration::v1::ValidatingWebhookConfiguration,
    batch::v1::Job,
    core::v1::{ConfigMap, Pod},
    events::v1::Event,
};
use kube::{
    Api, ResourceExt as _,
    api::{ListParams, WatchEvent, WatchParams},
};
use namesake_api::names::{
    ACCEPTED_RULES_CONFIG_MAP, RULES_WEBHOOK, SYSTEM_NAMESPACE, WEBHOOK_CONFIGURATION,
};
use namesake_api::{Identity, Phase};
use namesake_sandbox::kubernetes::users::{ALICE, BOB};
use namesake_tests::{
    cluster::refusal::refused,
    drafts::{metaflow_job, pod},
    eventually::{DEADLINE, eventually},
    namespace::{TestNamespace, account_of, with_own_stack},
    stack::{Options, SHARED_RULES},
};

/// The rules with an additional line at the top of `rules`.
fn denying(user: &str) -> String {
    let line = format!(
        "rules:\n  - {{name: gone, match: {{user: {user}}}, deny: \"not here any more: ask #ml-platform\"}}"
    );
    SHARED_RULES.replacen("rules:", &line, 1)
}

/// Waits until bob's Jobs are refused, or accepted.
async fn wait_until_bob_is(ns: &TestNamespace, welcome: bool) -> Result<()> {
    let bob = ns.bob().await?;
    eventually(&format!("bob is welcome: {welcome}"), async || {
        let answer = bob.dry_run::<Job>(metaflow_job()).await;
        ensure!(answer.is_ok() == welcome, "{answer:?}");
        Ok(())
    })
    .await
}

#[test]
fn an_edit_takes_effect_while_everything_runs() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        let made = ns.bob().await?.create::<Pod>(pod()).await?;
        ns.runs_as(&made, BOB).await?;
        ns.stack.edit_rules(&denying(BOB)).await??;
        wait_until_bob_is(&ns, false).await?;
        refused(ns.bob().await?.create::<Job>(metaflow_job()).await)?
            .with_code(403)?
            .with_message("ask #ml-platform")?
            .with_message("gone")?;
        let made = ns.alice().await?.create::<Pod>(pod()).await?;
        ns.runs_as(&made, ALICE).await?;
        ns.stack.edit_rules(SHARED_RULES).await??;
        wait_until_bob_is(&ns, true).await
    })
}

#[test]
fn a_new_class_reaches_webhook_and_broker() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        let class = "identities:\n  - {name: fresh, for: {users: [\"*@acme.com\"]}, per: [user, flow], project: acme-identities}";
        let rule = "rules:\n  - {name: fresh, match: {user: alice@acme.com, flow: Fresh}, identity: fresh}";
        let rules = SHARED_RULES
            .replacen("identities:", class, 1)
            .replacen("rules:", rule, 1);
        ns.stack.edit_rules(&rules).await??;
        let alice = ns.alice().await?;
        eventually("alice's pod has an identity of the new class", async || {
            let job = alice.create::<Job>(metaflow_job().flow("Fresh")).await?;
            let identity = ns.runs_as(&ns.pod_of(&job).await?, ALICE).await?;
            ensure!(identity.spec.class == "fresh", "{}", identity.spec.class);
            Ok(())
        })
        .await
    })
}

#[test]
fn an_identity_whose_spec_changes_is_in_no_working_phase_until_it_works_again() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        ns.wait_until_alice_is_known().await?;
        let name = ns.name_for(ALICE);
        let identities = ns.admin().await?.all::<Identity>();
        let before = identities.get(&name).await?;
        let version = before.resource_version().context("no version")?;
        let one = WatchParams::default().fields(&format!("metadata.name={name}"));
        let events = identities.watch(&one, &version).await?;
        tokio::pin!(events);
        let role = "roles/storage.objectUser";
        let rules = SHARED_RULES.replacen(role, "roles/storage.objectViewer", 1);
        ns.stack.edit_rules(&rules).await??;
        let seen = async {
            loop {
                let event = events.try_next().await?.context("the watch ended")?;
                let WatchEvent::Modified(now) = event else {
                    continue;
                };
                let is_new = now.metadata.generation > before.metadata.generation;
                let works = matches!(now.phase(), Phase::InUse | Phase::Idle);
                ensure!(
                    now.is_ready() || !works,
                    "generation {:?}: {:?}",
                    now.metadata.generation,
                    now.status
                );
                if is_new && works {
                    return Ok(());
                }
            }
        };
        tokio::time::timeout(DEADLINE, seen).await?
    })
}

#[test]
fn an_offboarded_user_gets_nothing_more() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        ns.bob().await?.create::<Pod>(pod()).await?;
        ns.stack
            .edit_rules(&format!("{SHARED_RULES}offboarded: [bob@acme.com]\n"))
            .await??;
        wait_until_bob_is(&ns, false).await?;
        refused(ns.bob().await?.create::<Pod>(pod()).await)?
            .with_code(403)?
            .with_message(BOB)?;
        Ok(())
    })
}

const BROKEN: [(&str, &str, &str); 5] = [
    ("not YAML", "rules:", "rules: ["),
    ("an unknown key", "noMatch: keep", "noMatsch: keep"),
    ("two rules of one name", "name: per-step", "name: everyone"),
    (
        "power on a claim",
        "match: {user: bob@acme.com, flow: \"Billing*\"}",
        "match: {flow: \"Billing*\"}",
    ),
    (
        "a class that is not there",
        "identity: steps",
        "identity: stairs",
    ),
];

#[test]
fn a_broken_edit_is_refused_when_it_is_written_with_line_and_column() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        for (what, good, bad) in BROKEN {
            let rules = SHARED_RULES.replacen(good, bad, 1);
            ensure!(rules != SHARED_RULES, "{what}: nothing was broken");
            let refusal = refused(ns.stack.edit_rules(&rules).await?)
                .with_context(|| what)?
                .with_code(403)?;
            let place = refusal.message.lines().find_map(|line| {
                let (_, rest) = line.split_once("rules.yaml:")?;
                let mut numbers = rest.split(':');
                Some((
                    numbers.next()?.parse::<u32>().ok()?,
                    numbers.next()?.parse::<u32>().ok()?,
                ))
            });
            let (line, column) = place
                .with_context(|| format!("{what}: no line and column: {}", refusal.message))?;
            ensure!(line > 0 && column > 0, "{what}: {line}:{column}");
        }
        wait_until_bob_is(&ns, true).await
    })
}

/// Disables the webhook that refuses broken rules, as an admin in a hurry might.
async fn disable_rules_check(ns: &TestNamespace) -> Result<()> {
    let configurations: Api<ValidatingWebhookConfiguration> =
        Api::all(ns.admin().await?.client().clone());
    let mut configuration = configurations.get(WEBHOOK_CONFIGURATION).await?;
    configuration
        .webhooks
        .iter_mut()
        .flatten()
        .filter(|webhook| webhook.name == RULES_WEBHOOK)
        .for_each(|webhook| {
            // No object has this name.
            webhook
                .match_conditions
                .iter_mut()
                .flatten()
                .for_each(|condition| condition.expression = "false".to_owned());
        });
    configurations
        .replace(WEBHOOK_CONFIGURATION, &Default::default(), &configuration)
        .await?;
    Ok(())
}

/// Writes broken rules without the check, including a rule that would refuse bob.
async fn write_broken_rules(ns: &TestNamespace) -> Result<()> {
    let broken = denying(BOB).replacen("noMatch: keep", "noMatsch: keep", 1);
    write_without_check(ns, &broken).await
}

async fn write_without_check(ns: &TestNamespace, rules: &str) -> Result<()> {
    disable_rules_check(ns).await?;
    eventually("broken rules are written", async || {
        ns.stack.edit_rules(rules).await??;
        Ok(())
    })
    .await
}

#[test]
fn an_edit_that_fails_its_own_tests_and_gets_through_is_not_in_force() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        let test = format!("tests: [{{as: {BOB}, in: {}, expect: keep}}]\n", ns.name);
        let failing = denying(BOB) + &test;
        refused(ns.stack.edit_rules(&failing).await?)?
            .with_code(403)?
            .with_message("fail 1 of their own 1 tests")?;
        write_without_check(&ns, &failing).await?;
        let events: Api<Event> =
            Api::namespaced(ns.admin().await?.client().clone(), SYSTEM_NAMESPACE);
        eventually("the broker and the webhook reject them", async || {
            let events = events.list(&ListParams::default()).await?.items;
            let mut notes = events.into_iter().filter_map(|event| event.note);
            ensure!(
                notes.any(|note| note.contains("fail 1 of their own 1 tests")),
                "no Event"
            );
            let metrics = ns.stack.webhook_metrics().await?;
            ensure!(metrics.contains("namesake_webhook_rules_invalid 1"));
            Ok(())
        })
        .await?;
        let made = ns.bob().await?.create::<Pod>(pod()).await?;
        ns.runs_as(&made, BOB).await?;
        ns.wait_until_ungated(&made).await
    })
}

#[test]
fn broken_rules_that_get_through_leave_the_last_accepted_in_force_and_are_reported() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        write_broken_rules(&ns).await?;
        let events: Api<Event> =
            Api::namespaced(ns.admin().await?.client().clone(), SYSTEM_NAMESPACE);
        eventually(
            "an Event on the rules says what is wrong and where",
            async || {
                let notes: Vec<_> = events
                    .list(&ListParams::default())
                    .await?
                    .items
                    .into_iter()
                    .filter_map(|event| event.note)
                    .collect();
                ensure!(
                    notes
                        .iter()
                        .any(|note| note.contains("noMatsch") && note.contains("rules.yaml:")),
                    "{notes:?}"
                );
                Ok(())
            },
        )
        .await?;
        eventually("the webhook's metric says it", async || {
            let metrics = ns.stack.webhook_metrics().await?;
            ensure!(
                metrics.contains("namesake_webhook_rules_invalid 1"),
                "{metrics}"
            );
            Ok(())
        })
        .await?;
        // A new user and a known one, each with an identity.
        for (person, user) in [
            (ns.bob().await?, BOB),
            (ns.person("late@acme.com").await?, "late@acme.com"),
        ] {
            let made = person.create::<Pod>(pod()).await?;
            ns.runs_as(&made, user).await?;
            ns.wait_until_ungated(&made).await?;
        }
        Ok(())
    })
}

#[test]
fn the_last_accepted_rules_survive_a_restart_of_webhook_and_broker() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        // Accepted rules that differ from the initial ones.
        let accepted = denying("carol@acme.com");
        ns.stack.edit_rules(&accepted).await??;
        let maps: Api<ConfigMap> =
            Api::namespaced(ns.admin().await?.client().clone(), SYSTEM_NAMESPACE);
        eventually("the broker has written them down", async || {
            let map = maps.get(ACCEPTED_RULES_CONFIG_MAP).await?;
            let text = map
                .data
                .unwrap_or_default()
                .into_values()
                .collect::<String>();
            ensure!(text.contains("carol@acme.com"), "{text}");
            Ok(())
        })
        .await?;
        write_broken_rules(&ns).await?;
        ns.stack.kill_webhook().await;
        ns.stack.kill_broker().await;
        ns.stack.start_broker().await?;
        ns.stack.start_webhook().await?;
        let bob = ns.bob().await?;
        let made = eventually("admission works again", async || {
            Ok(bob.create::<Pod>(pod()).await?)
        })
        .await?;
        ns.runs_as(&made, BOB).await?;
        ns.wait_until_ungated(&made).await?;
        let carol = ns.person("carol@acme.com").await?;
        refused(carol.create::<Job>(metaflow_job()).await)?
            .with_code(403)?
            .with_message("not here any more")?;
        // An ordinary edit fixes them.
        ns.stack.edit_rules(&denying(ALICE)).await??;
        let alice = ns.alice().await?;
        eventually("the corrected rules take effect", async || {
            refused(alice.dry_run::<Job>(metaflow_job()).await)?.with_code(403)
        })
        .await?;
        Ok(())
    })
}

#[test]
fn two_users_with_one_pin_are_refused_and_one_pin_is_used() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        let google = ns.stack.google();
        google.create_account("bob-ml", "bob's own, made by an admin")?;
        let email = namesake_tests::google::email("bob-ml");
        let twice =
            format!("{SHARED_RULES}pins:\n  bob@acme.com: {email}\n  alice@acme.com: {email}\n");
        refused(ns.stack.edit_rules(&twice).await?)?
            .with_code(403)?
            .with_message(&email)?;
        ns.stack
            .edit_rules(&format!("{SHARED_RULES}pins:\n  bob@acme.com: {email}\n"))
            .await??;
        let bob = ns.bob().await?;
        let made = eventually("bob is pinned", async || {
            let made = bob.create::<Pod>(pod()).await?;
            let identity = ns.runs_as(&made, BOB).await?;
            ensure!(
                identity.spec.google_service_account.as_ref() == Some(&email),
                "{:?}",
                identity.spec.google_service_account
            );
            Ok(made)
        })
        .await?;
        ns.wait_until_ungated(&made).await?;
        let members = google.members_of("bob-ml")?;
        ensure!(
            members
                == [format!(
                    "serviceAccount:acme.svc.id.goog[{}/{}]",
                    ns.name,
                    account_of(&made)
                )],
            "{members:?}"
        );
        ensure!(google.description_of("bob-ml")? == "bob's own, made by an admin");
        Ok(())
    })
}
