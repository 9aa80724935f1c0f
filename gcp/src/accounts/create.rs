//! Creates service accounts, once, even if a response is lost.

use google_cloud_iam_admin_v1::model;

use super::ServiceAccount;
use crate::error::classify;
use crate::transport::names::check_name;
use crate::transport::retry::Retry;
use crate::{Error, Failure, Gcp, Rate};

impl Gcp {
    /// Creates an account. `description` must distinguish our accounts from others': after a lost response, an account
    /// with this id and description counts as created by this call.
    ///
    /// # Errors
    /// `AlreadyExists` if it existed before; `NotYetVisible` if a response was lost and Google does not show the account
    /// within the time limit; `Throttled` at once if Google asks to wait longer than the time limit.
    pub async fn create_service_account(
        &self,
        project: &str,
        id: &str,
        display_name: &str,
        description: &str,
    ) -> Result<ServiceAccount, Error> {
        check_name("project", project)?;
        check_name("service account", id)?;
        let what = format!("create service account {id} in project {project}");
        let mut retry = self.retry();
        let mut response_lost = false;
        loop {
            let request = self.send_create(&what, project, id, display_name, description);
            let mut failed = match retry.once(&what, Rate::Create.of(project), request).await {
                Err(error) => error,
                created => return created,
            };
            response_lost |= matches!(failed, Error::Unavailable(_));
            if response_lost && matches!(failed, Error::Unavailable(_) | Error::AlreadyExists(_)) {
                match self.find_created(&mut retry, project, id).await? {
                    Some(found) if found.description == description => return Ok(found),
                    Some(_) => {
                        let message = "an account of this name with another description exists";
                        return Err(Error::AlreadyExists(Failure::new(what, message)));
                    }
                    // It exists, but Google does not show it yet: wait for it.
                    None if matches!(failed, Error::AlreadyExists(_)) => {
                        failed = Error::not_shown_yet(&what);
                    }
                    None => {}
                }
            }
            retry.pause_after(failed).await?;
        }
    }

    async fn send_create(
        &self,
        what: &str,
        project: &str,
        id: &str,
        display_name: &str,
        description: &str,
    ) -> Result<ServiceAccount, Error> {
        let account = model::ServiceAccount::new()
            .set_display_name(display_name)
            .set_description(description);
        let request = self
            .iam
            .create_service_account()
            .set_name(format!("projects/{project}"))
            .set_account_id(id)
            .set_service_account(account);
        let created = request.send().await;
        let created = created.map_err(|error| classify::from_gax(what, &error))?;
        Ok(created.into())
    }

    async fn find_created(
        &self,
        retry: &mut Retry,
        project: &str,
        id: &str,
    ) -> Result<Option<ServiceAccount>, Error> {
        match self.get(retry, project, &email(project, id)).await {
            // Google may forbid reading a new account before it shows it.
            Err(Error::PermissionDenied(_)) => Ok(None),
            other => other,
        }
    }
}

// The e-mail of a new account. A domain-scoped project `example.com:p` appears as `p.example.com`.
fn email(project: &str, id: &str) -> String {
    match project.split_once(':') {
        Some((domain, name)) => format!("{id}@{name}.{domain}.iam.gserviceaccount.com"),
        None => format!("{id}@{project}.iam.gserviceaccount.com"),
    }
}
