//! Google service accounts.

use google_cloud_iam_admin_v1::model;

use crate::error::classify;
use crate::transport::names::{account_name, check_name};
use crate::transport::retry::{Counted, Retry};
use crate::{Error, Failure, Gcp, Rate};

/// Most that Google gives on one page.
const PAGE: i32 = 100;

/// A Google service account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccount {
    /// `ID@PROJECT.iam.gserviceaccount.com`. A deleted account's e-mail may be taken by another.
    pub email: String,
    /// 21 digits that no other account ever has.
    pub unique_id: String,
    /// Project that it is in.
    pub project: String,
    /// For people.
    pub display_name: String,
    /// At most 256 bytes; the mark, on ours.
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
    /// Makes an account. `description` must tell ours from others': after a lost answer, an account of this name and
    /// description counts as made by this call.
    ///
    /// # Errors
    /// `AlreadyExists` when it was there before; `NotYetVisible` when an answer was lost and the account cannot be
    /// seen until the limit; `Throttled` at once when Google's wait is longer than the limit.
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
        let mut answer_lost = false;
        loop {
            let request = self.create_once(&what, project, id, display_name, description);
            let counted = Counted {
                rate: Rate::Create,
                whose: project,
            };
            let mut failed = match retry.once(&what, counted, request).await {
                Err(error) => error,
                made => return made,
            };
            answer_lost |= matches!(failed, Error::Unavailable(_));
            if answer_lost && matches!(failed, Error::Unavailable(_) | Error::AlreadyExists(_)) {
                match self.was_made(&mut retry, project, id).await? {
                    Some(found) if found.description == description => return Ok(found),
                    Some(_) => return Err(exists(&what)),
                    // Made, but Google does not show it yet: wait for it.
                    None if matches!(failed, Error::AlreadyExists(_)) => {
                        failed = not_visible(&what);
                    }
                    None => {}
                }
            }
            retry.pause_after(failed).await?;
        }
    }

    /// The account of this e-mail or unique id, if there is one.
    ///
    /// # Errors
    /// Right after creation Google may answer `PermissionDenied` for an account that is there.
    pub async fn get_service_account(
        &self,
        project: &str,
        account: &str,
    ) -> Result<Option<ServiceAccount>, Error> {
        self.get(&mut self.retry(), project, account).await
    }

    /// Every account of a project, in Google's order.
    ///
    /// # Errors
    /// As Google answers.
    pub async fn list_service_accounts(&self, project: &str) -> Result<Vec<ServiceAccount>, Error> {
        let mut all = Vec::new();
        let mut token = Some(String::new());
        while let Some(place) = token {
            let (page, next) = self.service_accounts_page(project, &place).await?;
            all.extend(page);
            token = next;
        }
        Ok(all)
    }

    /// One page of a project's accounts (100 at most): the one that `token` names, the first for an empty one; and the token
    /// of the next, if there is one.
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
        let page = self
            .retry()
            .idempotent(&what, read(project), || async {
                let request = self
                    .iam
                    .list_service_accounts()
                    .set_name(format!("projects/{project}"));
                let sent = request
                    .set_page_size(PAGE)
                    .set_page_token(token)
                    .send()
                    .await;
                sent.map_err(|e| classify::from_gax(&what, &e))
            })
            .await?;
        let accounts = page.accounts.into_iter().map(ServiceAccount::from);
        // A page that names itself as the next would never end.
        let next = Some(page.next_page_token).filter(|next| !next.is_empty() && next != token);
        Ok((accounts.collect(), next))
    }

    /// Disables an account (e-mail or unique id): its tokens are refused until it is enabled. Twice is once.
    ///
    /// # Errors
    /// As Google answers.
    pub async fn disable_service_account(&self, project: &str, account: &str) -> Result<(), Error> {
        let name = account_name(project, account)?;
        let what = format!("disable service account {account}");
        self.retry()
            .idempotent(&what, write(project), || async {
                let sent = self
                    .iam
                    .disable_service_account()
                    .set_name(&name)
                    .send()
                    .await;
                sent.map_err(|e| classify::from_gax(&what, &e))
            })
            .await
    }

    /// Enables an account (e-mail or unique id). Twice is once.
    ///
    /// # Errors
    /// As Google answers.
    pub async fn enable_service_account(&self, project: &str, account: &str) -> Result<(), Error> {
        let name = account_name(project, account)?;
        let what = format!("enable service account {account}");
        self.retry()
            .idempotent(&what, write(project), || async {
                let sent = self
                    .iam
                    .enable_service_account()
                    .set_name(&name)
                    .send()
                    .await;
                sent.map_err(|e| classify::from_gax(&what, &e))
            })
            .await
    }

    /// Deletes an account; one that is not there is deleted. Name it by its unique id: an e-mail may have passed on
    /// to another account.
    ///
    /// # Errors
    /// As Google answers.
    pub async fn delete_service_account(&self, project: &str, account: &str) -> Result<(), Error> {
        let name = account_name(project, account)?;
        let what = format!("delete service account {account}");
        let done = self
            .retry()
            .idempotent(&what, write(project), || async {
                let sent = self
                    .iam
                    .delete_service_account()
                    .set_name(&name)
                    .send()
                    .await;
                sent.map_err(|e| classify::from_gax(&what, &e))
            })
            .await;
        match done {
            Err(Error::NotFound(_)) => Ok(()),
            other => other,
        }
    }

    /// Brings back an account that was deleted less than 30 days ago.
    ///
    /// # Errors
    /// As Google answers; `NotFound` when it is gone for good, `Invalid` or `AlreadyExists` when its e-mail is taken.
    pub async fn undelete_service_account(
        &self,
        project: &str,
        unique_id: &str,
    ) -> Result<ServiceAccount, Error> {
        let name = account_name(project, unique_id)?;
        let what = format!("undelete service account {unique_id} of project {project}");
        let mut retry = self.retry();
        let answer = retry
            .idempotent(&what, write(project), || async {
                let sent = self
                    .iam
                    .undelete_service_account()
                    .set_name(&name)
                    .send()
                    .await;
                sent.map_err(|e| classify::from_gax(&what, &e))
            })
            .await;
        let missing = match answer {
            Ok(response) => match response.restored_account {
                Some(account) => return Ok(account.into()),
                None => not_visible(&what),
            },
            // After a lost answer the second attempt finds nothing to bring back.
            Err(error) => error,
        };
        match self.get(&mut retry, project, unique_id).await {
            Ok(Some(account)) => Ok(account),
            _ => Err(missing),
        }
    }

    async fn create_once(
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
        let made = request
            .send()
            .await
            .map_err(|e| classify::from_gax(what, &e))?;
        Ok(made.into())
    }

    async fn was_made(
        &self,
        retry: &mut Retry,
        project: &str,
        id: &str,
    ) -> Result<Option<ServiceAccount>, Error> {
        match self.get(retry, project, &email(project, id)).await {
            // A new account can be forbidden before it is visible.
            Err(Error::PermissionDenied(_)) => Ok(None),
            other => other,
        }
    }

    async fn get(
        &self,
        retry: &mut Retry,
        project: &str,
        account: &str,
    ) -> Result<Option<ServiceAccount>, Error> {
        let name = account_name(project, account)?;
        let what = format!("read service account {account}");
        let found = retry
            .idempotent(&what, read(project), || async {
                let sent = self.iam.get_service_account().set_name(&name).send().await;
                sent.map_err(|e| classify::from_gax(&what, &e))
            })
            .await;
        match found {
            Ok(account) => Ok(Some(account.into())),
            Err(Error::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn read(project: &str) -> Counted<'_> {
    Counted {
        rate: Rate::Read,
        whose: project,
    }
}

fn write(project: &str) -> Counted<'_> {
    Counted {
        rate: Rate::Write,
        whose: project,
    }
}

// The e-mail that a new account gets; a project of a domain, `example.com:p`, turns round.
fn email(project: &str, id: &str) -> String {
    match project.split_once(':') {
        Some((domain, name)) => format!("{id}@{name}.{domain}.iam.gserviceaccount.com"),
        None => format!("{id}@{project}.iam.gserviceaccount.com"),
    }
}

fn exists(what: &str) -> Error {
    Error::AlreadyExists(Failure {
        what: what.to_owned(),
        message: "an account of this name with another description exists".to_owned(),
    })
}

fn not_visible(what: &str) -> Error {
    Error::NotYetVisible(Failure {
        what: what.to_owned(),
        message: "it was made, but Google does not show it yet".to_owned(),
    })
}
