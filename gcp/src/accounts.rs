//! Google service accounts: reading them here, creating them and the rest of their lifecycle in modules of their own.

mod create;
mod lifecycle;

use std::future::Future;

use google_cloud_gax::error::Error as GaxError;
use google_cloud_iam_admin_v1::model;

use crate::error::classify;
use crate::transport::names::{account_name, check_name};
use crate::transport::rates::Quota;
use crate::transport::retry::Retry;
use crate::{Error, Gcp, Rate};

/// The largest page that Google returns.
const PAGE_SIZE: i32 = 100;

/// A Google service account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccount {
    /// `ID@PROJECT.iam.gserviceaccount.com`. After the account is deleted, another one may get this e-mail.
    pub email: String,
    /// 21 digits that no other account ever has.
    pub unique_id: String,
    /// Id of its project.
    pub project: String,
    /// Name for people.
    pub display_name: String,
    /// At most 256 bytes; on our accounts, the mark.
    pub description: String,
    /// Whether it is disabled.
    pub disabled: bool,
}

impl From<model::ServiceAccount> for ServiceAccount {
    fn from(account: model::ServiceAccount) -> Self {
        Self {
            email: account.email,
            unique_id: account.unique_id,
            project: account.project_id,
            display_name: account.display_name,
            description: account.description,
            disabled: account.disabled,
        }
    }
}

impl Gcp {
    /// The account with this e-mail or unique id, if it exists.
    ///
    /// # Errors
    /// Right after creation Google may answer `PermissionDenied` for an account that exists.
    pub async fn get_service_account(
        &self,
        project: &str,
        account: &str,
    ) -> Result<Option<ServiceAccount>, Error> {
        self.get(&mut self.retry(), project, account).await
    }

    /// One page of a project's accounts, 100 at most, and the token of the next page. An empty `token` names the first
    /// page.
    ///
    /// # Errors
    /// As Google answers.
    pub async fn service_accounts_page(
        &self,
        project: &str,
        token: &str,
    ) -> Result<(Vec<ServiceAccount>, Option<String>), Error> {
        check_name("project", project)?;
        let what = format!("list service accounts of project {project}");
        let mut retry = self.retry();
        let page = call_iam(&mut retry, &what, Rate::Read.of(project), || {
            self.iam
                .list_service_accounts()
                .set_name(format!("projects/{project}"))
                .set_page_size(PAGE_SIZE)
                .set_page_token(token)
                .send()
        })
        .await?;
        let accounts = page.accounts.into_iter().map(ServiceAccount::from);
        // A page that names itself as the next one would never end.
        let next = Some(page.next_page_token).filter(|next| !next.is_empty() && next != token);
        Ok((accounts.collect(), next))
    }

    async fn get(
        &self,
        retry: &mut Retry,
        project: &str,
        account: &str,
    ) -> Result<Option<ServiceAccount>, Error> {
        let name = account_name(project, account)?;
        let what = format!("read service account {account}");
        let request = || self.iam.get_service_account().set_name(&name).send();
        match call_iam(retry, &what, Rate::Read.of(project), request).await {
            Ok(account) => Ok(Some(account.into())),
            Err(Error::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Repeats an idempotent request of the official crate until it succeeds or a retry does not help.
async fn call_iam<T, F>(
    retry: &mut Retry,
    what: &str,
    quota: Quota<'_>,
    request: impl Fn() -> F,
) -> Result<T, Error>
where
    F: Future<Output = Result<T, GaxError>>,
{
    let send = || async {
        let sent = request().await;
        sent.map_err(|error| classify::from_gax(what, &error))
    };
    retry.idempotent(what, quota, send).await
}
