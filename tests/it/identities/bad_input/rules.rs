//! Rules that are refused, and rules that grant what the broker is not allowed to grant.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use namesake_api::names::BINDING_READY;
use namesake_tests::{
    cluster::refusal::refused,
    drafts::{metaflow_job, pod},
    eventually::eventually,
    namespace::{account_of, with_own_stack},
    stack::{Options, SHARED_RULES},
};

use super::{at_google, wait_for_report};

const FOLDER: &str = "folder: \"users/{key}/\"";
const PROJECT: &str = "project: acme-identities";
/// An edit of the rules, and the expected message.
const REFUSED: [(&str, &str, &str); 9] = [
    (
        FOLDER,
        "prefix: \"users/../{key}/\"",
        "may not be empty, . or ..",
    ),
    (FOLDER, "folder: \"../\"", "may not be empty, . or .."),
    (FOLDER, "prefix: \"users/*/\"", "none of * ? [ ]"),
    (FOLDER, "folder: \"users/[a-z]/\"", "none of * ? [ ]"),
    (FOLDER, "prefix: \"users/{user}/\"", "none of * ? [ ]"),
    (FOLDER, "prefix: \"users\"", "a folder ends with /"),
    (FOLDER, "prefix: \"users/\\\"/\"", "it has quotes"),
    (
        PROJECT,
        "project: \"210987654321\"",
        "write the id, not the number",
    ),
    (PROJECT, "project: Acme", "write the id, not the number"),
];
const TWICE: &str = "pins:\n  bob@acme.com: one@acme-identities.iam.gserviceaccount.com\n  \
                     bob@acme.com: two@acme-identities.iam.gserviceaccount.com\n";

#[test]
fn rules_with_a_folder_or_project_that_is_not_valid_are_refused_with_what_to_write() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        for (good, bad, says) in REFUSED {
            let rules = SHARED_RULES.replacen(good, bad, 1);
            ensure!(rules != SHARED_RULES, "{bad}: nothing was changed");
            let edit = refused(ns.stack.edit_rules(&rules).await?).context(bad)?;
            edit.with_code(403)?
                .with_message(says)?
                .with_message("rules.yaml:")?;
        }
        let rules = format!("{SHARED_RULES}{TWICE}");
        let edit = refused(ns.stack.edit_rules(&rules).await?).context("two pins of one user")?;
        edit.with_code(403)?
            .with_message("bob@acme.com")?
            .with_message("remove one of the two")?;
        // No part of it is in effect.
        let made = ns.alice().await?.create::<Pod>(pod()).await?;
        ns.wait_until_ungated(&made).await
    })
}

#[test]
fn a_role_that_the_broker_is_not_allowed_to_grant_is_refused_at_the_job_and_granted_to_no_existing_identity()
-> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        let google = ns.stack.google();
        let made = ns.alice().await?.create::<Pod>(pod()).await?;
        ns.wait_until_ungated(&made).await?;
        let before = at_google(google);
        let rules = SHARED_RULES.replacen(
            "      - {role:",
            "      - {role: roles/owner, project: acme-identities}\n      - {role:",
            1,
        );
        ns.stack.edit_rules(&rules).await??;
        let parts = ["roles/owner", "class research", "NAMESAKE_ALLOWED_ROLES"];
        wait_for_report(
            &ns,
            account_of(&made),
            (BINDING_READY, "RoleNotAllowed"),
            &parts,
        )
        .await?;
        let job = ns.bob().await?.create::<Job>(metaflow_job()).await;
        let told = refused(job)?.with_code(403)?;
        for part in parts {
            ensure!(told.message.contains(part), "{}", told.message);
        }
        ensure!(at_google(google) == before, "{:#?}", at_google(google));
        ensure!(ns.managed_accounts().await? == [account_of(&made)]);
        ns.stack.edit_rules(SHARED_RULES).await??;
        eventually("it works again", async || {
            let identity = ns.identity_of(&made).await?;
            ensure!(identity.is_ready(), "{:?}", identity.status);
            Ok(())
        })
        .await
    })
}
