//! What a module would make: OpenTofu's own plan in one of its tests, with Google's provider mocked.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::workspace::Workspace;

/// Admins of all stacks, and one for each of two stacks, of which one has a name that begins like the other's.
const STACKS: &str = r#"
mock_provider "google" {}

variables {
  project    = "acme-admin"
  org_prefix = "acme"
  location   = "EU"
  admins     = ["user:alice@acme.com", "user:bob@acme.com"]
  stacks = {
    prod    = { project = "acme-ml", region = "us-central1", admins = ["user:carol@acme.com"] }
    prod-eu = { project = "acme-eu", region = "europe-west1", admins = ["user:dave@acme.com"] }
  }
}

run "plan" {
  command = plan
}
"#;

/// What `terraform/bootstrap` makes for the tests of state.
#[derive(Debug, Clone)]
pub struct Bootstrap {
    /// The name of the state bucket.
    pub bucket: String,
    /// The bindings of the bucket's IAM policy.
    pub bindings: Vec<Value>,
    /// The file `backend.hcl` that it prints.
    pub backend: String,
}

impl Bootstrap {
    /// Plans it once in this process.
    ///
    /// # Errors
    /// OpenTofu refuses the module.
    pub async fn mocked() -> Result<Self> {
        static PLANNED: OnceCell<Bootstrap> = OnceCell::const_new();
        PLANNED.get_or_try_init(Self::plan).await.cloned()
    }

    async fn plan() -> Result<Self> {
        let plan = plan("bootstrap", STACKS).await?;
        let resources = plan["resource_changes"]
            .as_array()
            .context("a plan without resources")?;
        let after = |kind: &str| {
            let of = resources.iter().filter(move |it| it["type"] == kind);
            of.map(|it| it["change"]["after"].clone())
                .collect::<Vec<_>>()
        };
        let bucket = after("google_storage_bucket");
        ensure!(bucket.len() == 1, "not one bucket: {bucket:?}");
        ensure!(
            bucket[0]["versioning"][0]["enabled"] == true,
            "no versions: {bucket:?}"
        );
        let bindings: Vec<_> = after("google_storage_bucket_iam_member")
            .iter()
            .map(binding)
            .collect();
        let backend = plan["output_changes"]["backend"]["after"].as_str();
        Ok(Self {
            bucket: bucket[0]["name"]
                .as_str()
                .context("a bucket without a name")?
                .to_owned(),
            bindings,
            backend: backend.context("no output `backend`")?.to_owned(),
        })
    }
}

/// A planned `google_storage_bucket_iam_member` as a binding.
fn binding(member: &Value) -> Value {
    let mut binding = json!({"role": member["role"], "members": [member["member"]]});
    if let Some(condition) = member["condition"].get(0) {
        binding["condition"] = condition.clone();
    }
    binding
}

/// The plan of the run `plan` of this test file, for a folder of `terraform/`.
///
/// # Errors
/// The test fails: the message has its output.
pub async fn plan(folder: &str, test: &str) -> Result<Value> {
    let workspace = Workspace::of_terraform(folder)?.with_google_schema()?;
    workspace.write("planned.tftest.hcl", test)?;
    workspace.succeeds(&["init", "-backend=false"]).await?;
    let args = ["test", "-json", "-verbose", "-filter=planned.tftest.hcl"];
    let events = workspace.succeeds(&args).await?;
    let events = events
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut plans = events.filter(|event| event["type"] == "test_plan");
    let plan = plans
        .next()
        .context("no plan in the events of `tofu test`")?;
    Ok(plan["test_plan"].clone())
}
