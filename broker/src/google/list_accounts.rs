//! Lists the service accounts of a project within the drift budget: a project with thousands of them must not use up the quota
//! that people wait for.

use namesake_gcp::{Error, Gcp, ServiceAccount};
use tokio::time::{Instant, sleep};

use crate::google::drift_budget::DriftBudget;

/// Calls `visit` for each service account of the project.
///
/// # Errors
/// As Google answers; some accounts have been visited by then.
pub async fn list_accounts(
    gcp: &Gcp,
    budget: &DriftBudget,
    project: &str,
    mut visit: impl FnMut(ServiceAccount),
) -> Result<(), Error> {
    let mut next = Some(String::new());
    while let Some(token) = next {
        sleep(budget.reserve(1, Instant::now())).await;
        let (page, following) = gcp.service_accounts_page(project, &token).await?;
        page.into_iter().for_each(&mut visit);
        next = following;
    }
    Ok(())
}
