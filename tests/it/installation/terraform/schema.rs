//! That the schema of Google's provider finds mistakes: small configurations, each with one.

use anyhow::{Result, ensure};
use namesake_tests::google::terraform::{google_schema, workspace::Workspace};

/// A bucket with a lifecycle rule, as it should be.
const BUCKET: &str = r#"
terraform {
  required_providers {
    google = {
      source = "hashicorp/google"
    }
  }
}

resource "google_storage_bucket" "state" {
  name                        = "acme-state"
  location                    = "EU"
  uniform_bucket_level_access = true

  versioning {
    enabled = true
  }
  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      num_newer_versions = 10
    }
  }
}

output "url" {
  value = google_storage_bucket.state.url
}
"#;

/// Checks the bucket with a replacement: what OpenTofu says, on one line, and whether it accepts it.
async fn checked(replaced: &str, by: &str) -> Result<(bool, String)> {
    ensure!(
        BUCKET.contains(replaced),
        "{replaced} is not in the configuration"
    );
    let workspace = Workspace::empty()?.with_google_schema()?;
    workspace.write("main.tf", &BUCKET.replacen(replaced, by, 1))?;
    workspace.succeeds(&["init", "-backend=false"]).await?;
    let ran = workspace.run(&["validate"]).await?;
    let is_valid = ran.code == 0;
    Ok((is_valid, if is_valid { ran.output } else { ran.failure()? }))
}

async fn refused(replaced: &str, by: &str, because: &str) -> Result<()> {
    let (is_valid, output) = checked(replaced, by).await?;
    ensure!(!is_valid, "accepted: {by}");
    ensure!(
        output.contains(because),
        "{by}: not because of {because:?}: {output}"
    );
    Ok(())
}

#[tokio::test]
async fn a_configuration_that_follows_the_schema_is_accepted() -> Result<()> {
    let (is_valid, output) = checked("acme-state", "acme-other").await?;
    ensure!(is_valid, "{output}");
    ensure!(google_schema()?.version().starts_with("8."));
    Ok(())
}

#[tokio::test]
async fn a_misspelled_attribute_is_refused() -> Result<()> {
    refused(
        "uniform_bucket_level_access",
        "uniform_bucket_access_level",
        "not expected here",
    )
    .await?;
    refused(
        "num_newer_versions",
        "number_newer_versions",
        "not expected here",
    )
    .await?;
    refused(
        "state.url",
        "state.uri",
        "no argument, nested block, or exported attribute named",
    )
    .await
}

#[tokio::test]
async fn a_wrong_type_is_refused() -> Result<()> {
    refused("= 10", "= \"many\"", "a number is required").await?;
    refused(
        "location                    = \"EU\"",
        "location = [\"EU\"]",
        "string required",
    )
    .await
}

#[tokio::test]
async fn an_unknown_block_is_refused() -> Result<()> {
    refused("versioning {", "versions {", "not expected here").await?;
    refused("condition {", "conditions {", "not expected here").await
}

#[tokio::test]
async fn a_missing_required_argument_or_block_is_refused() -> Result<()> {
    refused(
        "location                    = \"EU\"",
        "",
        "\"location\" is required",
    )
    .await?;
    refused("enabled = true", "", "\"enabled\" is required").await?;
    refused(
        "action {\n      type = \"Delete\"\n    }",
        "",
        "At least 1 \"action\" blocks are required",
    )
    .await
}

#[tokio::test]
async fn a_second_block_where_one_is_possible_is_refused() -> Result<()> {
    refused(
        "versioning {",
        "versioning {\n    enabled = false\n  }\n  versioning {",
        "No more than 1 \"versioning\" blocks",
    )
    .await
}

#[tokio::test]
async fn an_unknown_resource_and_a_computed_attribute_that_is_set_are_refused() -> Result<()> {
    refused(
        "\"google_storage_bucket\" \"state\"",
        "\"google_storage_buckets\" \"state\"",
        "does not support resource type",
    )
    .await?;
    refused(
        "versioning {",
        "url = \"gs://x\"\n  versioning {",
        "Value for unconfigurable attribute",
    )
    .await
}

#[tokio::test]
async fn the_schema_creates_nothing() -> Result<()> {
    let workspace = Workspace::empty()?.with_google_schema()?;
    workspace.write("main.tf", BUCKET)?;
    workspace.succeeds(&["init", "-backend=false"]).await?;
    let refusal = workspace.fails(&["apply", "-auto-approve"]).await?;
    ensure!(
        refusal.contains("this provider only has a schema"),
        "{refusal}"
    );
    Ok(())
}
