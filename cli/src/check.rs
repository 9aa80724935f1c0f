//! `check`: finds security gaps of an installation, and prints how to close them. Run by an admin, with the admin's own rights;
//! changes nothing.
//!
//! ```text
//! API server ─read─▶ Snapshot ─report─▶ Report ─print─▶ text or JSON, and the exit code
//! ```
//!
//! Only `read` calls the API server; everything else is pure.

mod installed;
mod namespaces;
mod print;
pub mod rbac;
mod read;
mod snapshot;
mod unproven;
mod webhooks;

use clap::Args;
use kube::Client;
use namesake_api::names;
use namesake_core::Reason;
use serde::Serialize;

use crate::answer::Answer;
use crate::answer::exit_status::ExitStatus;
use crate::answer::failure::Failure;
use crate::cluster::connect::Session;
use crate::console::Reading;
use rbac::findings::RightsReport;
use rbac::subject::Trusted;
pub use rbac::subject::{Subject, Trust};
use rbac::{accounts, rights};
pub(crate) use read::{Part, Readable, if_wanted, list, read as read_snapshot, unreadable};
pub use snapshot::{Account, NamespaceLabels, Read, Snapshot, TokenSecret, Unreadable, Unstamped};

/// Options of the check.
#[derive(Clone, Debug, Default, Args)]
pub struct Check {
    /// Subject whose rights are intended and are not reported: a user or service account as the API server names it, `group:NAME`,
    /// or `webhook:NAME` for a webhook configuration; `*` matches any characters. Can be given several times.
    #[arg(long, env = names::ENV_CHECK_TRUST, value_delimiter = ',')]
    pub trust: Vec<String>,
}

impl Check {
    /// Checks the installation in this namespace.
    ///
    /// # Errors
    /// When no API server answers. What the caller is not allowed to read is in the report.
    pub async fn run(&self, client: &Client, namespace: &str) -> anyhow::Result<Report> {
        let reading = Reading::new();
        let read = read::read(client, namespace, (&reading, &Part::ALL));
        let snapshot = Box::pin(reading.all(read)).await?;
        Ok(report(&snapshot, &self.trust))
    }
}

pub(crate) async fn run(session: &Session, options: &Check) -> Result<Answer, Failure> {
    let report = options.run(&session.client, &session.home).await;
    let report = report.map_err(|error| Failure::NoApiServer(format!("{error:#}")))?;
    Ok(print::answer(&report))
}

/// What is wrong with a version of the API server that lacks what the guards need.
pub(crate) fn old_version(version: &str) -> Option<String> {
    installed::old(version).map(|finding| finding.what)
}

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Somebody can act as another user, or Namesake does not check.
    Critical,
    /// One more guard prevents it, or it takes more than this.
    Warning,
}

/// One security gap.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The severity.
    pub severity: Severity,
    /// The check that found it: the word of its [`Reason`].
    pub check: &'static str,
    /// The code of the check, as in docs/reasons.md.
    pub code: &'static str,
    /// The object that causes it.
    pub place: String,
    /// The subjects that it is about, if any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subjects: Vec<String>,
    /// The problem; a phrase about the subjects, if there are any.
    pub what: String,
    /// The remedy.
    pub remedy: String,
}

impl Finding {
    /// A gap that is not about certain subjects, and lets somebody act as another user.
    fn critical(check: Reason, place: String, what: impl Into<String>, remedy: String) -> Self {
        let warning = Self::warning(check, place, what, remedy);
        let severity = Severity::Critical;
        Self {
            severity,
            ..warning
        }
    }

    /// A gap that is not about certain subjects, and takes more than this.
    fn warning(check: Reason, place: String, what: impl Into<String>, remedy: String) -> Self {
        Self {
            severity: Severity::Warning,
            check: check.as_str(),
            code: check.code(),
            place,
            subjects: Vec::new(),
            what: what.into(),
            remedy,
        }
    }
}

/// A subject that is expected to have a right which others should not have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Holder {
    /// Why it is expected.
    pub trusted: Trust,
    /// The subject.
    pub subject: String,
    /// The check that found it.
    pub check: &'static str,
    /// The binding that grants the right.
    pub place: String,
}

/// The result of the check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Version of the API server, if it could be read.
    pub server_version: Option<String>,
    /// Namespaces that are opted in to this stack, or to none that is installed.
    pub namespaces: Vec<String>,
    /// Gaps, the most serious first.
    pub findings: Vec<Finding>,
    /// The parts of the cluster that could not be read.
    pub not_looked_at: Vec<Unreadable>,
    /// Subjects that are expected to have rights which others should not have.
    pub trusted: Vec<Holder>,
    /// Risks that no check of the cluster can see.
    pub cannot_see: Vec<&'static str>,
}

/// Risks that no check of the cluster can see.
const CANNOT_SEE: [&str; 5] = [
    "rights that come from Google's IAM: on GKE, roles/container.developer, container.admin, editor and owner on the project \
     are rights in every namespace, and RBAC does not show them (gcloud projects get-iam-policy PROJECT)",
    "other clusters of the same workload pool: to Google, an account there with namespace and name of one here is the same account \
     (gcloud container clusters list --project=PROJECT; docs/operate.md, \"Several stacks\")",
    "groups: only the identity provider knows their members",
    "whether network policies are enforced, and whether an admin changed the expressions of a policy",
    "who can write what tasks read: code packages, images, buckets (docs/trust.md)",
];

impl Report {
    /// Whether there are gaps, and whether something could not be read.
    #[must_use]
    pub fn status(&self) -> ExitStatus {
        ExitStatus::of(!self.findings.is_empty(), self.not_looked_at.is_empty())
    }
}

/// The gaps of an installation. `trust`: subjects whose rights are intended, see [`Check::trust`].
#[must_use]
pub fn report(snapshot: &Snapshot, trust: &[String]) -> Report {
    let opted_in = snapshot.opted_in();
    let admins = |rbac: &rbac::Rbac| rbac.holders(&rights::ADMINISTER).into_subjects();
    let rbac = snapshot.rbac.as_ref().ok();
    let trusted = Trusted {
        home: &snapshot.home,
        other_homes: snapshot.other_homes(),
        rules: snapshot.rules.as_ref().ok(),
        administer: rbac.map(admins).unwrap_or_default(),
        carriers: accounts::carriers(snapshot),
        opted_in: opted_in.iter().map(|place| place.name.clone()).collect(),
        listed: trust,
    };
    let mut findings = installed::findings(snapshot);
    let mut holders = Vec::new();
    if let Some(rbac) = rbac {
        let mut found = RightsReport::new(&trusted);
        found.everywhere(rbac);
        found.at_home(rbac, installed::guards_home(snapshot));
        found.where_guarded(rbac, &accounts::homes(snapshot, rbac, &trusted));
        for place in &opted_in {
            found.opted_in(rbac, &place.name, installed::tokens_denied(snapshot));
        }
        (findings, holders) = found.into_parts(findings);
        findings.extend(accounts::findings(snapshot, rbac, &trusted));
    }
    findings.extend(namespaces::findings(snapshot, &opted_in));
    findings.extend(unproven::findings(snapshot));
    findings.extend(webhooks::findings(snapshot, &opted_in, trust));
    findings.sort();
    findings.dedup();
    holders.sort();
    holders.dedup();
    Report {
        server_version: snapshot.version.as_ref().ok().cloned(),
        namespaces: opted_in
            .into_iter()
            .map(|place| place.name.clone())
            .collect(),
        findings,
        not_looked_at: snapshot.unreadable(),
        trusted: holders,
        cannot_see: CANNOT_SEE.to_vec(),
    }
}

/// The installation as shipped, in which nothing is open.
#[cfg(test)]
pub(crate) fn shipped_snapshot() -> Snapshot {
    tests::installed(&[])
}

#[cfg(test)]
mod tests;
