//! Who asks when it is no person: accounts of hubs, by the part of their name that is the user's. And what a stamp keeps of
//! somebody's groups.

use anyhow::{Result, ensure};
use k8s_openapi::api::batch::v1::Job;
use namesake_sandbox::users::{ALICE, BOB};
use namesake_tests::{
    drafts::metaflow_job,
    namespace::{with_namespace, with_own_stack},
    refused::refused,
    stack::{Options, SHARED_RULES},
};

use crate::abuse::raw::stamped;

const HUB: &str =
    "users:\n  - {requester: \"system:serviceaccount:hub:jupyter-*\", user: \"{1}@acme.com\"}";

#[test]
fn an_account_of_the_hub_is_the_user_in_its_name() -> Result<()> {
    let options = Options {
        rules: SHARED_RULES.replacen("users:", HUB, 1),
        ..Options::default()
    };
    with_own_stack(options, |ns| async move {
        for (user, name) in [(ALICE, "jupyter-alice"), (BOB, "jupyter-bob")] {
            let hub = ns.editor("hub", name).await?;
            let job = hub.creates::<Job>(metaflow_job().claiming(BOB)).await?;
            ns.runs_as(&ns.pod_of(&job).await?, user).await?;
        }
        // The same name elsewhere, another name there, and what is no name of a user.
        for (home, name) in [
            ("hub-of-mallory", "jupyter-alice"),
            ("hub", "notebook-alice"),
            ("hub", "jupyter-"),
        ] {
            let other = ns
                .person(&format!("system:serviceaccount:{home}:{name}"))
                .await?;
            refused(other.creates::<Job>(metaflow_job()).await)?
                .with(403)?
                .saying(&other.name)?;
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
        let job = dora.await?.creates::<Job>(metaflow_job()).await?;
        let says = stamped(&serde_json::to_value(job)?)?;
        let text = says["groups"].to_string();
        ensure!(text.contains("research@acme.com"), "{says}");
        for other in ["project-x", "everybody", "system:authenticated"] {
            ensure!(!text.contains(other), "{says}");
        }
        // Who is not in it is proven to be out of it.
        let job = ns.bob().await?.creates::<Job>(metaflow_job()).await?;
        let says = stamped(&serde_json::to_value(job)?)?;
        ensure!(says["groups"]["out"][0] == "research@acme.com", "{says}");
        Ok(())
    })
}
