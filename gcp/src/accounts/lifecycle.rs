//! Disables, enables, deletes and undeletes service accounts.

use super::{ServiceAccount, call_iam};
use crate::transport::names::account_name;
use crate::{Error, Gcp, Rate};

impl Gcp {
    /// Disables an account (e-mail or unique id): its tokens are refused until it is enabled. Does nothing if it is
    /// disabled already.
    ///
    /// # Errors
    /// As Google answers.
    pub async fn disable_service_account(&self, project: &str, account: &str) -> Result<(), Error> {
        let name = account_name(project, account)?;
        let what = format!("disable service account {account}");
        let request = || self.iam.disable_service_account().set_name(&name).send();
        call_iam(&mut self.retry(), &what, Rate::Write.of(project), request).await
    }

    /// Enables an account (e-mail or unique id). Does nothing if it is enabled already.
    ///
    /// # Errors
    /// As Google answers.
    pub async fn enable_service_account(&self, project: &str, account: &str) -> Result<(), Error> {
        let name = account_name(project, account)?;
        let what = format!("enable service account {account}");
        let request = || self.iam.enable_service_account().set_name(&name).send();
        call_iam(&mut self.retry(), &what, Rate::Write.of(project), request).await
    }

    /// Deletes an account. Succeeds if it does not exist. Name it by its unique id, because another account may have its
    /// e-mail by now.
    ///
    /// # Errors
    /// As Google answers.
    pub async fn delete_service_account(&self, project: &str, account: &str) -> Result<(), Error> {
        let name = account_name(project, account)?;
        let what = format!("delete service account {account}");
        let request = || self.iam.delete_service_account().set_name(&name).send();
        match call_iam(&mut self.retry(), &what, Rate::Write.of(project), request).await {
            Err(Error::NotFound(_)) => Ok(()),
            other => other,
        }
    }

    /// Restores an account that was deleted less than 30 days ago.
    ///
    /// # Errors
    /// As Google answers; `NotFound` if it can no longer be restored, `Invalid` or `AlreadyExists` if another account has
    /// its e-mail.
    pub async fn undelete_service_account(
        &self,
        project: &str,
        unique_id: &str,
    ) -> Result<ServiceAccount, Error> {
        let name = account_name(project, unique_id)?;
        let what = format!("undelete service account {unique_id} of project {project}");
        let mut retry = self.retry();
        let request = || self.iam.undelete_service_account().set_name(&name).send();
        let failed = match call_iam(&mut retry, &what, Rate::Write.of(project), request).await {
            Ok(response) => match response.restored_account {
                Some(account) => return Ok(account.into()),
                None => Error::not_shown_yet(&what),
            },
            // After a lost response the second attempt finds nothing to undelete.
            Err(error) => error,
        };
        match self.get(&mut retry, project, unique_id).await {
            Ok(Some(account)) => Ok(account),
            _ => Err(failed),
        }
    }
}
