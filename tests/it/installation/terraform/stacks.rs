//! Several stacks in one state bucket: a workspace for each, and admins of one stack only.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use namesake_gcp_emulator::LoggedRequest;
use namesake_tests::google::terraform::{state::StateBucket, workspace::Workspace};

use super::state::{ALICE, BOB, admin, apply, output};

const CAROL: &str = "carol@acme.com";
const DAVE: &str = "dave@acme.com";
const PROD: &str = "prod";
/// Begins like the other.
const PROD_EU: &str = "prod-eu";
const LISTING: &str = "/o?prefix=stacks%2F&delimiter=%2F";

/// The objects that a request names: in its path, or in the query of an upload.
fn objects(requests: &[LoggedRequest]) -> BTreeSet<String> {
    let named = |request: &LoggedRequest| {
        let in_path = request
            .path
            .split_once("/o/")
            .map(|(_, name)| name.to_owned());
        let in_query = request
            .query
            .split('&')
            .find_map(|it| it.strip_prefix("name="));
        in_path.or_else(|| in_query.map(|name| name.replace("%2F", "/")))
    };
    requests.iter().filter_map(named).collect()
}

#[tokio::test]
async fn two_workspaces_never_touch_each_others_objects() -> Result<()> {
    let bucket = StateBucket::start().await?;
    let (alice, bob) = (
        admin(&bucket, ALICE, PROD).await?,
        admin(&bucket, BOB, PROD_EU).await?,
    );
    for (admin, own, other) in [(&alice, PROD, PROD_EU), (&bob, PROD_EU, PROD)] {
        let (objects_before, before) = (bucket.objects(true).await?, bucket.last_request());
        apply(admin, own).await?;
        apply(admin, &format!("{own}-again")).await?;
        let touched = objects(&bucket.requests(before));
        let expected = [
            format!("stacks/{own}.tflock"),
            format!("stacks/{own}.tfstate"),
        ];
        ensure!(touched == BTreeSet::from(expected), "{touched:?}");
        let of_other = |all: Vec<(String, u64)>| -> Vec<_> {
            all.into_iter()
                .filter(|(name, _)| name.starts_with(&format!("stacks/{other}.")))
                .collect()
        };
        let (then, now) = (
            of_other(objects_before),
            of_other(bucket.objects(true).await?),
        );
        ensure!(then == now, "{other}: {then:?}, now {now:?}");
    }
    ensure!(output(&alice).await? == "prod-again" && output(&bob).await? == "prod-eu-again");
    Ok(())
}

#[tokio::test]
async fn destroying_one_stack_leaves_the_other_whole() -> Result<()> {
    let bucket = StateBucket::start().await?;
    let (alice, bob) = (
        admin(&bucket, ALICE, PROD).await?,
        admin(&bucket, BOB, PROD_EU).await?,
    );
    apply(&alice, PROD).await?;
    apply(&bob, PROD_EU).await?;
    alice.succeeds(&["destroy", "-auto-approve"]).await?;
    alice.succeeds(&["workspace", "select", "default"]).await?;
    alice.succeeds(&["workspace", "delete", PROD]).await?;
    let names = bucket.names().await?;
    ensure!(
        !names.iter().any(|name| name.starts_with("stacks/prod.")),
        "{names:?}"
    );
    ensure!(output(&bob).await? == PROD_EU);
    ensure!(
        bob.run(&["plan", "-detailed-exitcode", "-var=value=prod-eu"])
            .await?
            .code
            == 0
    );
    Ok(())
}

/// Nothing of the other stack's objects can be read, replaced, deleted or created by this person.
async fn is_kept_away(bucket: &StateBucket, person: &str, stack: &str) -> Result<()> {
    for (method, path) in [
        ("GET", format!("/o/stacks%2F{stack}.tfstate")),
        ("GET", format!("/o/stacks%2F{stack}.tfstate?alt=media")),
        ("DELETE", format!("/o/stacks%2F{stack}.tfstate")),
        (
            "POST",
            format!(
                "/o/stacks%2F{stack}.tfstate/rewriteTo/b/{}/o/stacks%2Fother.tfstate",
                bucket.name()
            ),
        ),
    ] {
        let (status, answer) = bucket.request(person, method, &path).await?;
        ensure!(status == 403, "{person} {method} {path}: {status} {answer}");
    }
    Ok(())
}

async fn is_refused(admin: &Workspace, args: &[&str]) -> Result<()> {
    let refusal = admin.fails(args).await?;
    ensure!(refusal.contains("403"), "{args:?}: {refusal}");
    Ok(())
}

#[tokio::test]
async fn an_admin_of_one_stack_works_on_it_and_cannot_read_or_write_anothers_state() -> Result<()> {
    let bucket = StateBucket::start().await?;
    // The states exist: an admin of all stacks makes them.
    for stack in [PROD, PROD_EU] {
        apply(&admin(&bucket, ALICE, stack).await?, stack).await?;
    }
    for (person, own, other) in [(CAROL, PROD, PROD_EU), (DAVE, PROD_EU, PROD)] {
        let theirs = admin(&bucket, person, own).await?;
        ensure!(output(&theirs).await? == own);
        apply(&theirs, person).await?;
        is_kept_away(&bucket, person, other).await?;
        // Everybody sees the names of the stacks; only reading is refused.
        theirs.succeeds(&["workspace", "select", other]).await?;
        is_refused(&theirs, &["plan"]).await?;
        let state = bucket.content(&format!("stacks/{other}.tfstate")).await?;
        ensure!(state["outputs"]["value"]["value"] != person, "{state}");
        let (status, answer) = bucket.request(person, "GET", LISTING).await?;
        ensure!(status == 200, "the names of the states: {status} {answer}");
    }
    Ok(())
}

#[tokio::test]
async fn an_admin_of_one_stack_is_the_first_to_use_it() -> Result<()> {
    let bucket = StateBucket::start().await?;
    let carol = admin(&bucket, CAROL, PROD).await?;
    apply(&carol, "carols").await?;
    ensure!(output(&carol).await? == "carols");
    Ok(())
}

#[tokio::test]
async fn an_admin_of_one_stack_cannot_replace_the_state_of_no_stack() -> Result<()> {
    let bucket = StateBucket::start().await?;
    let carol = admin(&bucket, CAROL, PROD).await?;
    apply(&carol, "carols").await?;
    let default = "stacks%2Fdefault.tfstate";
    let copy = format!(
        "/o/stacks%2Fprod.tfstate/rewriteTo/b/{}/o/{default}",
        bucket.name()
    );
    for (method, path) in [("POST", copy), ("DELETE", format!("/o/{default}"))] {
        let (status, answer) = bucket.request(CAROL, method, &path).await?;
        ensure!(status == 403, "{method} {path}: {status} {answer}");
    }
    Ok(())
}

#[tokio::test]
async fn a_person_without_rights_on_the_bucket_reads_nothing() -> Result<()> {
    let bucket = StateBucket::start().await?;
    apply(&admin(&bucket, ALICE, PROD).await?, PROD).await?;
    is_kept_away(&bucket, "mallory@acme.com", PROD).await?;
    let (status, answer) = bucket.request("mallory@acme.com", "GET", LISTING).await?;
    ensure!(status == 403, "{status} {answer}");
    Ok(())
}
