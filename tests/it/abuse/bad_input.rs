//! Bad input, as a real API server passes it on: whoever writes it is told what is wrong, or it is kept and means nothing. It
//! is written as JSON over HTTP, because no client would write it. A review without a user's name is not among it: a real API
//! server knows everybody's, and calls whom it does not know `system:anonymous`; the webhook's own tests have it.

mod rows;
mod sizes;
mod stamps;
mod versions;

use anyhow::{Result, ensure};
use k8s_openapi::api::batch::v1::Job;
use namesake_tests::{drafts::metaflow_job, namespace::TestNamespace};

use super::raw::{Answer, maker, parents, place, sends};

/// Whatever was written: the next one is served as before.
async fn check_webhook_still_answers(ns: &TestNamespace) -> Result<()> {
    let alice = ns.alice().await?;
    let job = alice.dry_run::<Job>(metaflow_job()).await?;
    let requester = maker(&serde_json::to_value(job)?)?;
    ensure!(requester == alice.name, "{requester}");
    Ok(())
}
