//! `who`: which pods ran as an account, whose they were, and what the account did at Google. Joins the audit logs of the API server and
//! of Google, which it reads from files; without files it prints the queries that bring them.

mod account;
mod google;
mod kubernetes;
mod lines;
mod queries;
mod report;

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args as Flags;
use jiff::Timestamp;
use namesake_service::parse_duration;

use crate::answer::Answer;
use crate::answer::failure::Failure;
use crate::cluster::connect::Session;
use crate::cluster::flags::Global;
use crate::cluster::identities;
use crate::console::Progress;

use account::Account;
use report::Logs;

/// Options of `who`.
#[derive(Clone, Debug, Flags)]
pub struct Who {
    /// A Kubernetes service account (mf-… or NAMESPACE/NAME), or the e-mail address of a Google service account
    pub account: String,
    /// Only what happened in this time until now, such as 24h
    #[arg(long, default_value = "24h", value_parser = parse_duration)]
    pub since: Duration,
    /// Audit log of the API server: its own lines of JSON, or entries of Cloud Logging
    #[arg(long, value_name = "FILE")]
    pub kubernetes_audit: Option<PathBuf>,
    /// Google's audit log: entries of Cloud Logging, as lines of JSON or as gcloud prints them with --format=json
    #[arg(long, value_name = "FILE")]
    pub google_audit: Option<PathBuf>,
}

pub(crate) async fn run(global: &Global, options: &Who) -> Result<Answer, Failure> {
    let account = Account::parse(&options.account).map_err(Failure::Usage)?;
    let (account, unknown) = complete(global, account).await;
    let since = Timestamp::now().checked_sub(options.since);
    let since = since.map_err(|_| Failure::Usage("--since is too long ago".to_owned()))?;
    let since = Timestamp::from_second(since.as_second()).unwrap_or(since);
    if options.kubernetes_audit.is_none() && options.google_audit.is_none() {
        return Ok(queries::answer(&account, since, unknown));
    }
    let mut logs = Logs::default();
    if let Some(path) = &options.kubernetes_audit {
        let (log, mut progress) = open(path)?;
        let read = kubernetes::read(log, |bytes| progress.add(bytes), &account, since);
        logs.kubernetes = Some(read.map_err(unreadable(path))?);
    }
    if let Some(path) = &options.google_audit {
        let (log, mut progress) = open(path)?;
        let read = google::read(log, |bytes| progress.add(bytes), &account, since);
        logs.google = Some(read.map_err(unreadable(path))?);
    }
    Ok(report::answer(&account, &logs, since, unknown.as_deref()))
}

/// Looks up in the cluster what the name of an account alone does not say, or says why that is not possible.
async fn complete(global: &Global, account: Account) -> (Account, Option<String>) {
    let listed = async {
        let session = Session::open(global).await?;
        identities::list(&session).await
    };
    // Boxed: it is large, and this future is part of that of every command.
    match Box::pin(listed).await {
        Ok(all) => match all.iter().find(|identity| account.is_of(identity)) {
            Some(identity) => (account.with(identity), None),
            None => (account, Some("it has no Identity".to_owned())),
        },
        Err(failure) => (account, Some(failure.to_string())),
    }
}

fn open(path: &Path) -> Result<(BufReader<File>, Progress), Failure> {
    let file = File::open(path).map_err(unreadable(path))?;
    let size = file.metadata().map_err(unreadable(path))?;
    let progress = Progress::of_bytes(size.is_file().then_some(size.len()));
    Ok((BufReader::with_capacity(1 << 20, file), progress))
}

fn unreadable(path: &Path) -> impl Fn(std::io::Error) -> Failure {
    move |error| Failure::Usage(format!("failed to read {}: {error}", path.display()))
}
