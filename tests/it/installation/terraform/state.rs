//! State in the bucket that `terraform/bootstrap` makes, shared by admins.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use namesake_tests::{
    eventually::eventually,
    google::terraform::{
        state::StateBucket,
        workspace::{Command, Workspace},
    },
};

pub(super) const ALICE: &str = "alice@acme.com";
pub(super) const BOB: &str = "bob@acme.com";
const PROD: &str = "prod";
/// A value, and a resource that can be held up while it is created: its apply touches FILE.started, and waits for FILE.go.
const HCL: &str = r#"
terraform {
  backend "gcs" {}
}

variable "value" {
  default = "first"
}

variable "wait" {
  default = ""
}

resource "terraform_data" "value" {
  input = var.value
}

resource "terraform_data" "slow" {
  depends_on       = [terraform_data.value]
  triggers_replace = [var.value]

  provisioner "local-exec" {
    command = var.wait == "" ? "true" : "touch ${var.wait}.started; until [ -e ${var.wait}.go ]; do sleep 0.1; done"
  }
}

output "value" {
  value = terraform_data.value.output
}
"#;

/// An admin who has initialized a folder and selected a stack.
pub(super) async fn admin(bucket: &StateBucket, email: &str, stack: &str) -> Result<Workspace> {
    let admin = bucket.admin(email, HCL)?;
    admin
        .succeeds(&["init", "-backend-config=backend.hcl"])
        .await?;
    admin
        .succeeds(&["workspace", "select", "-or-create", stack])
        .await?;
    Ok(admin)
}

pub(super) async fn apply(admin: &Workspace, value: &str) -> Result<String> {
    admin
        .succeeds(&["apply", "-auto-approve", &format!("-var=value={value}")])
        .await
}

pub(super) async fn output(admin: &Workspace) -> Result<String> {
    Ok(admin
        .succeeds(&["output", "-raw", "value"])
        .await?
        .trim()
        .to_owned())
}

/// An apply that has created a resource, and waits in the middle of the next.
async fn half_an_apply(admin: &Workspace, value: &str) -> Result<Command> {
    let gate = gate(admin);
    let (value, wait) = (format!("-var=value={value}"), format!("-var=wait={gate}"));
    let apply = admin.start(&["apply", "-auto-approve", &value, &wait])?;
    eventually("the apply is in the middle of its work", async || {
        ensure!(
            Path::new(&format!("{gate}.started")).exists() || apply.has_ended(),
            "not yet"
        );
        Ok(())
    })
    .await?;
    if apply.has_ended() {
        apply.wait().await?.success()?;
    }
    Ok(apply)
}

fn gate(admin: &Workspace) -> String {
    admin.folder().join("gate").display().to_string()
}

fn let_it_finish(admin: &Workspace) -> Result<()> {
    Ok(fs::write(format!("{}.go", gate(admin)), "")?)
}

/// The lock's number in the message of a refused command.
fn lock_id(message: &str) -> Result<String> {
    let id = message
        .split("ID: ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    Ok(id
        .with_context(|| format!("no lock in: {message}"))?
        .to_owned())
}

#[tokio::test]
async fn two_admins_work_on_one_state() -> Result<()> {
    let bucket = StateBucket::start().await?;
    let (alice, bob) = (
        admin(&bucket, ALICE, PROD).await?,
        admin(&bucket, BOB, PROD).await?,
    );
    apply(&alice, "alices").await?;
    ensure!(output(&bob).await? == "alices");
    apply(&bob, "bobs").await?;
    ensure!(output(&alice).await? == "bobs");
    let plan = ["plan", "-detailed-exitcode", "-var=value=bobs"];
    ensure!(
        alice.run(&plan).await?.code == 0,
        "alice would change what bob made"
    );
    Ok(())
}

#[tokio::test]
async fn a_refused_lock_names_its_holder() -> Result<()> {
    let bucket = StateBucket::start().await?;
    let (alice, bob) = (
        admin(&bucket, ALICE, PROD).await?,
        admin(&bucket, BOB, PROD).await?,
    );
    let held = half_an_apply(&alice, "alices").await?;
    let refusal = bob
        .fails(&["apply", "-auto-approve", "-var=value=bobs"])
        .await?;
    let holder = bucket.content("stacks/prod.tflock").await?;
    let who = holder["Who"].as_str().context("a lock without a holder")?;
    ensure!(
        refusal.contains("Error acquiring the state lock"),
        "{refusal}"
    );
    ensure!(
        refusal.contains(&format!("Who: {who}")),
        "{who} is not in: {refusal}"
    );
    ensure!(
        refusal.contains("Operation: OperationTypeApply"),
        "{refusal}"
    );
    let_it_finish(&alice)?;
    held.wait().await?.success()?;
    ensure!(output(&bob).await? == "alices");
    Ok(())
}

#[tokio::test]
async fn a_lock_timeout_waits_for_the_lock() -> Result<()> {
    let bucket = StateBucket::start().await?;
    let (alice, bob) = (
        admin(&bucket, ALICE, PROD).await?,
        admin(&bucket, BOB, PROD).await?,
    );
    let held = half_an_apply(&alice, "alices").await?;
    let before = bucket.last_request();
    let waiting = bob.start(&[
        "apply",
        "-auto-approve",
        "-var=value=bobs",
        "-lock-timeout=240s",
    ])?;
    eventually("bob was refused the lock", async || {
        let requests = bucket.requests(before);
        let mut refused = requests
            .iter()
            .filter(|it| it.caller == BOB && it.status == 412);
        refused.next().context("no request of bob's was refused")?;
        Ok(())
    })
    .await?;
    ensure!(!waiting.has_ended(), "bob did not wait");
    let_it_finish(&alice)?;
    held.wait().await?.success()?;
    waiting.wait().await?.success()?;
    ensure!(output(&alice).await? == "bobs");
    Ok(())
}

#[tokio::test]
async fn force_unlock_removes_the_lock_of_a_killed_apply_and_the_next_finishes_its_work()
-> Result<()> {
    let bucket = StateBucket::start().await?;
    let (alice, bob) = (
        admin(&bucket, ALICE, PROD).await?,
        admin(&bucket, BOB, PROD).await?,
    );
    half_an_apply(&alice, "alices").await?.kill().await;
    let refusal = bob.fails(&["apply", "-auto-approve"]).await?;
    let id = lock_id(&refusal)?;
    // A number that is not the lock's removes nothing.
    bob.fails(&["force-unlock", "-force", "1"]).await?;
    ensure!(
        bucket
            .names()
            .await?
            .contains(&"stacks/prod.tflock".to_owned())
    );
    bob.succeeds(&["force-unlock", "-force", &id]).await?;
    apply(&bob, "alices").await?;
    ensure!(output(&alice).await? == "alices");
    let names = bucket.names().await?;
    ensure!(
        !names.iter().any(|name| name.ends_with(".tflock")),
        "{names:?}"
    );
    Ok(())
}

#[tokio::test]
async fn an_old_version_of_the_state_is_restored_from_the_bucket() -> Result<()> {
    let bucket = StateBucket::start().await?;
    let alice = admin(&bucket, ALICE, PROD).await?;
    let state = "stacks/prod.tfstate";
    apply(&alice, "good").await?;
    let current = bucket.objects(false).await?;
    let (_, good) = current
        .iter()
        .find(|(name, _)| name == state)
        .context("no state")?;
    apply(&alice, "bad").await?;
    ensure!(output(&alice).await? == "bad");
    let versions = bucket.objects(true).await?;
    ensure!(
        versions.contains(&(state.to_owned(), *good)),
        "{good} is not in {versions:?}"
    );
    // What `gcloud storage cp gs://BUCKET/STATE#GENERATION gs://BUCKET/STATE` sends.
    let object = state.replace('/', "%2F");
    let copy = format!(
        "/o/{object}/rewriteTo/b/{}/o/{object}?sourceGeneration={good}",
        bucket.name()
    );
    let (status, answer) = bucket.request(ALICE, "POST", &copy).await?;
    ensure!(status == 200, "{status}: {answer}");
    ensure!(output(&alice).await? == "good");
    let plan = ["plan", "-detailed-exitcode", "-var=value=good"];
    ensure!(
        alice.run(&plan).await?.code == 0,
        "the restored state is not complete"
    );
    Ok(())
}
