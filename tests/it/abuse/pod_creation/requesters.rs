//! Requesters that are not people: service accounts of hubs, with the user in their name. And the groups of a requester, which are
//! recorded in the stamp.

use anyhow::{Result, ensure};
use k8s_openapi::api::{batch::v1::Job, core::v1::ServiceAccount};
use kube::ResourceExt;
use namesake_sandbox::kubernetes::users::{ALICE, BOB};
use namesake_tests::{
    cluster::refusal::refused,
    drafts::metaflow_job,
    eventually::eventually,
    namespace::{account_of, with_namespace, with_own_stack},
    stack::{Options, SHARED_RULES},
};

use serde_json::json;

use crate::abuse::raw::stamp_of;

const HUB: &str =
    "users:\n  - {requester: \"system:serviceaccount:hub:jupyter-*\", user: \"{1}@acme.com\"}";

#[test]
fn an_account_of_the_hub_maps_to_the_user_in_its_name() -> Result<()> {
    let options = Options {
        rules: SHARED_RULES.replacen("users:", HUB, 1),
        ..Options::default()
    };
    with_own_stack(options, |ns| async move {
        for (user, name) in [(ALICE, "jupyter-alice"), (BOB, "jupyter-bob")] {
            let hub = ns.account_with_edit("hub", name).await?;
            let job = hub.create::<Job>(metaflow_job().claiming_user(BOB)).await?;
            ns.runs_as(&ns.pod_of(&job).await?, user).await?;
        }
        // The same name in another namespace, another name in the same one, and a name without a user.
        for (home, name) in [
            ("hub-of-mallory", "jupyter-alice"),
            ("hub", "notebook-alice"),
            ("hub", "jupyter-"),
        ] {
            let other = ns
                .person(&format!("system:serviceaccount:{home}:{name}"))
                .await?;
            refused(other.create::<Job>(metaflow_job()).await)?
                .with_code(403)?
                .with_message(&other.name)?;
        }
        Ok(())
    })
}

#[test]
fn a_stamp_has_the_groups_that_rules_mention_and_no_others() -> Result<()> {
    with_namespace(|ns| async move {
        let groups = [
            "research@acme.com",
            "project-x@acme.com",
            "everybody@acme.com",
        ];
        let dora = ns
            .stack
            .cluster()
            .person("dora@acme.com", &groups, &ns.name);
        let job = dora.await?.create::<Job>(metaflow_job()).await?;
        let says = stamp_of(&serde_json::to_value(job)?)?;
        let text = says["groups"].to_string();
        ensure!(text.contains("research@acme.com"), "{says}");
        for other in ["project-x", "everybody", "system:authenticated"] {
            ensure!(!text.contains(other), "{says}");
        }
        // The stamp also proves that somebody is not in a group.
        let job = ns.bob().await?.create::<Job>(metaflow_job()).await?;
        let says = stamp_of(&serde_json::to_value(job)?)?;
        ensure!(says["groups"]["out"][0] == "research@acme.com", "{says}");
        Ok(())
    })
}

#[test]
fn membership_in_a_group_that_rules_mention_only_later_is_unknown() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        let person = async |name: &str, group: &str| {
            // The first one has rights here.
            let groups = ["everybody@acme.com", group];
            ns.stack.cluster().person(name, &groups, &ns.name).await
        };
        let dora = person("dora@acme.com", "night@acme.com").await?;
        let erin = person("erin@acme.com", "day@acme.com").await?;
        let billing = json!({"metadata": {"name": "metaflow-billing"}});
        let billing: ServiceAccount = serde_json::from_value(billing)?;
        ns.admin().await?.create::<ServiceAccount>(billing).await?;
        let before = dora.create::<Job>(metaflow_job().suspended()).await?;
        let rules = |group: &str, word: &str| {
            let rule = format!("rules:\n  - {{name: late, match: {{group: {group}}}, {word}}}");
            SHARED_RULES.replacen("rules:", &rule, 1)
        };
        let starts = async |is: bool| {
            let suspend = json!({"spec": {"suspend": !is}});
            dora.patch::<Job>(&before.name_any(), suspend).await
        };
        // A deny rule for a group that she is not in: stamps from before do not prove that.
        let deny = rules("day@acme.com", "deny: \"nobody by day\"");
        ns.stack.edit_rules(&deny).await??;
        eventually("the rules are in force", async || {
            let made = erin.dry_run::<Job>(metaflow_job()).await;
            refused(made)?
                .with_code(403)?
                .with_message("nobody by day")?;
            Ok(())
        })
        .await?;
        dora.dry_run::<Job>(metaflow_job()).await?;
        match starts(true).await {
            Ok(_) => {
                ns.wait_for_refusal(&before.name_any(), "nobody by day")
                    .await?;
            }
            early => drop(
                refused(early)?
                    .with_code(403)?
                    .with_message("nobody by day")?,
            ),
        }
        starts(false).await?;
        // A service account for a group that she is in: only for proven members.
        let gives = rules("night@acme.com", "serviceAccount: metaflow-billing");
        ns.stack.edit_rules(&gives).await??;
        eventually("whoever makes a Job now is in it", async || {
            let made = dora.create::<Job>(metaflow_job()).await?;
            let pod = ns.pod_of(&made).await?;
            ensure!(account_of(&pod) == "metaflow-billing", "{:?}", pod.metadata);
            Ok(())
        })
        .await?;
        starts(true).await?;
        let pod = ns.pod_of(&before).await?;
        ns.runs_as(&pod, "dora@acme.com").await.map(drop)
    })
}
