//! Malformed input through a real API server: it is refused with the reason, or stored without any effect. The tests send JSON over
//! HTTP, because no client would write such objects. A review without a user name is not here, because a real API server always
//! sends one (`system:anonymous` if need be); the webhook's own tests cover it.

mod rows;
mod sizes;
mod stamps;
mod versions;

use anyhow::{Result, ensure};
use k8s_openapi::api::batch::v1::Job;
use namesake_tests::{drafts::metaflow_job, namespace::TestNamespace};

use super::raw::{Answer, one_of_each_kind, place, send_json, stamped_user};

/// Checks that the webhook still answers correctly after malformed input.
async fn check_webhook_still_answers(ns: &TestNamespace) -> Result<()> {
    let alice = ns.alice().await?;
    let job = alice.dry_run::<Job>(metaflow_job()).await?;
    let requester = stamped_user(&serde_json::to_value(job)?)?;
    ensure!(requester == alice.name, "{requester}");
    Ok(())
}
