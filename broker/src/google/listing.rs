//! Reads the accounts of a project page by page, each page at its turn: a project with thousands of them must not use up what
//! people wait for.

use namesake_gcp::{Error, Gcp, ServiceAccount};
use tokio::time::{Instant, sleep};

use crate::google::drift_budget::Looks;

/// Shows every account of the project to `see`. Nothing is kept here.
///
/// # Errors
/// As Google answers; some have been seen by then.
pub async fn accounts(
    gcp: &Gcp,
    turns: &Looks,
    project: &str,
    mut see: impl FnMut(ServiceAccount),
) -> Result<(), Error> {
    let mut token = Some(String::new());
    while let Some(place) = token {
        sleep(turns.turn(1, Instant::now())).await;
        let (page, next) = gcp.service_accounts_page(project, &place).await?;
        page.into_iter().for_each(&mut see);
        token = next;
    }
    Ok(())
}
