//! Replays a report of `acceptance/` (docs/acceptance.md): the same requests in the same order, and where the answers differ from
//! those that Google gave. Each difference names the row of the report, and the rows of the README that it is about.

use std::collections::BTreeMap;

use serde_json::Value;

use self::conversation::Conversation;
use self::report::{Exchange, Report};

mod compare;
mod conversation;
mod issuer;
mod pods;
mod report;

/// The roles in its projects that an owner needs to record a report (docs/acceptance.md).
pub const OWNER_ROLES: [&str; 5] = [
    "roles/owner",
    "roles/iam.serviceAccountAdmin",
    "roles/iam.roleAdmin",
    "roles/storage.admin",
    "roles/resourcemanager.projectIamAdmin",
];

/// A row whose recorded answer or fact is not the emulator's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disagreement {
    /// The row of the report.
    pub row: String,
    /// The first words of the README's rows that it is about.
    pub claims: Vec<String>,
    /// The request, or the name of the fact.
    pub what: String,
    /// What Google answered and what the emulator answers, each with its place.
    pub differences: Vec<String>,
}

impl std::fmt::Display for Disagreement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}: {}", self.row, self.what)?;
        for difference in &self.differences {
            writeln!(f, "    {difference}")?;
        }
        for claim in &self.claims {
            writeln!(f, "  about the row {claim:?}")?;
        }
        Ok(())
    }
}

/// Why a report cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// It is not a report, or of another format.
    #[error("the report cannot be read: {0}")]
    Report(String),
    /// The emulator does not start.
    #[error("the emulator of the replay does not start: {0}")]
    Start(String),
}

/// Sends the report's requests to an emulator of its own, and returns where the answers differ.
///
/// # Errors
/// [`ReplayError`].
pub async fn replay(report: &str) -> Result<Vec<Disagreement>, ReplayError> {
    let report = Report::parse(report).map_err(ReplayError::Report)?;
    let mut conversation = Conversation::start(&report.world)
        .await
        .map_err(ReplayError::Start)?;
    let claims: BTreeMap<&str, &[String]> = report
        .rows
        .iter()
        .map(|row| (row.id.as_str(), row.claims.as_slice()))
        .collect();
    let disagreement = |row: &str, what: String, differences: Vec<String>| Disagreement {
        row: row.to_owned(),
        claims: claims
            .get(row)
            .map(|them| them.to_vec())
            .unwrap_or_default(),
        what,
        differences,
    };
    let mut all = Vec::new();
    for exchange in &report.exchanges {
        let differences = conversation.repeat(exchange).await;
        if !differences.is_empty() {
            all.push(disagreement(&exchange.row, request(exchange), differences));
        }
    }
    for row in &report.rows {
        for fact in row.facts.iter().filter(|fact| fact.agrees == Some(false)) {
            let assumed = fact.assumed.clone().unwrap_or(Value::Null);
            let difference = format!("Google: {}, assumed: {assumed}", fact.value);
            all.push(disagreement(&row.id, fact.name.clone(), vec![difference]));
        }
    }
    Ok(all)
}

fn request(exchange: &Exchange) -> String {
    let Exchange {
        caller,
        method,
        path,
        ..
    } = exchange;
    format!("{method} {path} as {caller}")
}
