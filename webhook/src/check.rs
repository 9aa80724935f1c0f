//! `namesake-webhook check`: what is open in this installation, and how to close each of it. Run by an admin, with the
//! admin's own rights; nothing is changed.
//!
//! ```text
//! API server ─look─▶ Seen ─report─▶ Report ─print─▶ text or JSON, and the exit code
//! ```
//!
//! `look` alone asks the API server; all else is pure.

mod installed;
mod look;
mod namespaces;
mod print;
pub mod rbac;
mod seen;
mod selector;
mod unproven;
mod webhooks;

use clap::{Args, ValueEnum};
use kube::Client;
use namesake_api::names;
use serde::Serialize;

use rbac::subject::Trusted;
pub use rbac::subject::{Subject, Trust};
use rbac::{accounts, found, rights};
pub use seen::{Account, Look, Place, Seen, TokenSecret, Unseen, Unstamped};

/// How the report is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// One JSON document.
    Json,
}

/// How this installation is checked.
#[derive(Clone, Debug, Default, Args)]
pub struct Check {
    /// Whose rights are meant, and no finding: a user or service account as the API server names it, `group:NAME`, or
    /// `webhook:NAME` for a webhook configuration of others; `*` for any characters. More than once for more.
    #[arg(long, env = names::ENV_CHECK_TRUST, value_delimiter = ',')]
    pub trust: Vec<String>,
    /// Form of the report.
    #[arg(long, short = 'o', env = names::ENV_CHECK_OUTPUT, value_enum, default_value_t)]
    pub output: Output,
}

impl Check {
    /// Looks at the installation whose own namespace this is.
    ///
    /// # Errors
    /// When no API server answers. What the caller may not see is in the report.
    pub async fn run(&self, client: &Client, namespace: &str) -> anyhow::Result<Report> {
        Ok(report(&look::look(client, namespace).await?, &self.trust))
    }

    /// The report as it is printed.
    #[must_use]
    pub fn print(&self, report: &Report) -> String {
        match self.output {
            Output::Text => print::text(report),
            Output::Json => print::json(report),
        }
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Somebody can be somebody else, or Namesake does not check.
    Critical,
    /// One guard stands in the way, or it takes more than this.
    Warning,
}

/// One thing that is open.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Which check found it.
    pub check: &'static str,
    /// Object that makes it so.
    pub place: String,
    /// Whom it is about, if it is about somebody.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subjects: Vec<String>,
    /// What is wrong; of the subjects, if there are any.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

/// Somebody who is expected to have a right that others should not have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Holder {
    /// Why it is expected.
    pub trusted: Trust,
    /// Who.
    pub subject: String,
    /// Which check met it.
    pub check: &'static str,
    /// What gives the right.
    pub place: String,
}

/// What the check says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Version of the API server, if it told.
    pub server_version: Option<String>,
    /// Namespaces that are opted in.
    pub namespaces: Vec<String>,
    /// What is open, worst first.
    pub findings: Vec<Finding>,
    /// What could not be looked at.
    pub not_looked_at: Vec<Unseen>,
    /// Who is expected to have rights that others should not have.
    pub trusted: Vec<Holder>,
    /// What no check of the cluster can see.
    pub cannot_see: Vec<&'static str>,
}

/// What no check of the cluster can see.
const CANNOT_SEE: [&str; 4] = [
    "rights that come from Google's IAM: on GKE, roles/container.developer, container.admin, editor and owner on the project \
     are rights in every namespace, and RBAC does not show them (gcloud projects get-iam-policy PROJECT)",
    "groups: who is in them is the identity provider's to say",
    "whether network policies are enforced, and whether an admin changed the expressions of a policy",
    "who can write what tasks read: code packages, images, buckets (docs/trust.md)",
];

impl Report {
    /// 0: nothing is open. 1: something is. 2: something could not be looked at, so nobody knows.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match (self.not_looked_at.is_empty(), self.findings.is_empty()) {
            (false, _) => 2,
            (true, false) => 1,
            (true, true) => 0,
        }
    }
}

/// What is open in what was seen. `trust`: whose rights the caller means, see [`Check::trust`].
#[must_use]
pub fn report(seen: &Seen, trust: &[String]) -> Report {
    let opted_in = seen.opted_in();
    let admins = |rbac: &rbac::Rbac| rbac.holders(&rights::ADMINISTER).into_subjects();
    let rbac = seen.rbac.as_ref().ok();
    let trusted = Trusted {
        home: &seen.home,
        rules: seen.rules.as_ref().ok(),
        administer: rbac.map(admins).unwrap_or_default(),
        carriers: accounts::carriers(seen),
        opted_in: opted_in.iter().map(|place| place.name.clone()).collect(),
        listed: trust,
    };
    let mut findings = installed::findings(seen);
    let mut holders = Vec::new();
    if let Some(rbac) = rbac {
        let mut found = found::Found::new(&trusted);
        found.everywhere(rbac);
        found.at_home(rbac, installed::guards_home(seen));
        found.where_guarded(rbac, &accounts::homes(seen, rbac, &trusted));
        for place in &opted_in {
            found.opted_in(rbac, &place.name, installed::tokens_denied(seen));
        }
        (findings, holders) = found.into_parts(findings);
        findings.extend(accounts::findings(seen, rbac, &trusted));
    }
    findings.extend(namespaces::findings(seen, &opted_in));
    findings.extend(unproven::findings(seen));
    findings.extend(webhooks::findings(seen, &opted_in, trust));
    findings.sort();
    findings.dedup();
    holders.sort();
    holders.dedup();
    Report {
        server_version: seen.version.as_ref().ok().cloned(),
        namespaces: opted_in
            .into_iter()
            .map(|place| place.name.clone())
            .collect(),
        findings,
        not_looked_at: seen.unseen(),
        trusted: holders,
        cannot_see: CANNOT_SEE.to_vec(),
    }
}

#[cfg(test)]
mod tests;
