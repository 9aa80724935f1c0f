//! `quota`: what the broker reports about quotas.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;
use namesake_api::names;
use serde_json::json;

use crate::answer::exit_status::ExitStatus;
use crate::answer::failure::Failure;
use crate::answer::text::{plain, table};
use crate::answer::{Answer, Case};
use crate::cluster::connect::Session;
use crate::cluster::identities::age;

/// Usage in per cent from which on a quota counts as found.
const WARNING_PERCENT: u64 = 80;

/// A quota of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Quota {
    /// Its kind, as `google_service_accounts`.
    pub(crate) kind: String,
    /// A project, a policy or the cluster.
    pub(crate) whose: String,
    /// The broker's text, as `82 of 100, full in 9 days`.
    pub(crate) text: String,
}

impl Quota {
    /// Whether an admin should act.
    pub(crate) fn is_short(&self) -> bool {
        let mut words = self.text.split([' ', ',']);
        let mut number = || words.by_ref().find_map(|word| word.parse::<u64>().ok());
        match (number(), number()) {
            (Some(used), Some(limit)) if self.text.contains(" of ") => {
                used.saturating_mul(100) >= limit.saturating_mul(WARNING_PERCENT)
            }
            _ => false,
        }
    }
}

/// When the broker wrote its report, if the report says it.
pub(crate) fn reported_at(map: &ConfigMap) -> Option<Timestamp> {
    let at = map.annotations().get(names::REPORTED_AT_ANNOTATION)?;
    at.parse().ok()
}

/// The quotas in the data of the ConfigMap.
pub(crate) fn quotas(data: &BTreeMap<String, String>) -> Vec<Quota> {
    let others = [names::QUOTA_RIGHTS_KIND, names::QUOTA_GARBAGE_KIND];
    let quotas = entries(data).filter(|(kind, ..)| !others.contains(kind));
    let each = quotas.map(|(kind, whose, text)| Quota {
        kind: kind.to_owned(),
        whose: whose.to_owned(),
        text: text.to_owned(),
    });
    each.collect()
}

/// What the broker reports of its permissions at Google: of which resource, and what it lacks there.
pub(crate) fn rights(data: &BTreeMap<String, String>) -> Vec<(&str, &str)> {
    let rights = entries(data).filter(|(kind, ..)| *kind == names::QUOTA_RIGHTS_KIND);
    rights.map(|(_, whose, text)| (whose, text)).collect()
}

/// The Google service accounts that belong to no Identity, as the broker reports them; `None` if it has not listed them.
pub(crate) fn garbage(data: &BTreeMap<String, String>) -> Option<Vec<&str>> {
    let mut projects = entries(data)
        .filter(|(kind, ..)| *kind == names::QUOTA_GARBAGE_KIND)
        .peekable();
    projects.peek()?;
    let emails = projects.flat_map(|(_, _, text)| text.lines());
    Some(emails.filter(|email| *email != names::NO_GARBAGE).collect())
}

/// Kind, resource and text of each entry.
fn entries(data: &BTreeMap<String, String>) -> impl Iterator<Item = (&str, &str, &str)> {
    data.iter().map(|(key, text)| {
        let (kind, whose) = key.split_once('.').unwrap_or((key, ""));
        (kind, whose, text.as_str())
    })
}

pub(crate) async fn run(session: &Session) -> Result<Answer, Failure> {
    let name = names::QUOTA_CONFIG_MAP;
    let map = session.at_home::<ConfigMap>().get_opt(name).await;
    let map = map.map_err(Failure::to(format!(
        "read ConfigMap {}/{name}",
        session.home
    )))?;
    let map = map.unwrap_or_default();
    let age = reported_at(&map).map(|at| age(at, Timestamp::now()));
    let quotas = quotas(&map.data.unwrap_or_default());
    Ok(answer(&quotas, age.as_deref()))
}

// `age`: how old the report is.
fn answer(quotas: &[Quota], age: Option<&str>) -> Answer {
    let rows: Vec<_> = quotas
        .iter()
        .map(|one| [one.kind.clone(), one.whose.clone(), one.text.clone()])
        .collect();
    let lines = quotas.iter().map(|one| {
        let line = format!("{}.{}: {}", one.kind, one.whose, one.text);
        plain(&line) + "\n"
    });
    let cases = quotas.iter().map(|one| Case {
        name: format!("{} {}", one.kind, one.whose),
        found: if one.is_short() {
            vec![one.text.clone()]
        } else {
            Vec::new()
        },
        skipped: None,
    });
    let json: Vec<_> = quotas
        .iter()
        .map(|one| json!({"kind": one.kind, "whose": one.whose, "used": one.text, "short": one.is_short()}))
        .collect();
    let text = match quotas {
        [] => "the broker has reported no quota yet: it does within a minute after its start\n"
            .to_owned(),
        _ => {
            let age = age.map_or_else(
                || "at an unknown time: it is of an earlier release".to_owned(),
                |age| format!("{age} ago"),
            );
            let table = table(["KIND", "WHOSE", "USED"], &rows);
            format!("{table}\nThe broker reported this {age}.\n")
        }
    };
    Answer {
        text,
        short: lines.collect(),
        json: json.into(),
        cases: cases.collect(),
        status: ExitStatus::of(quotas.iter().any(Quota::is_short), !quotas.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::golden;

    fn report() -> Vec<Quota> {
        let data = [
            (
                "google_service_accounts.acme-identities",
                "82 of 100, full in 9 days",
            ),
            ("policy_principals.bucket_acme-mf", "310 of 1500"),
            ("service_accounts.cluster", "5000"),
        ];
        quotas(
            &data
                .map(|(key, text)| (key.to_owned(), text.to_owned()))
                .into(),
        )
    }

    #[test]
    fn a_quota_of_which_four_fifths_are_used_is_short() {
        let short: Vec<_> = report().iter().map(Quota::is_short).collect();
        assert_eq!(short, [true, false, false]);
        assert_eq!(answer(&report(), None).status, ExitStatus::Found);
        assert_eq!(answer(&report()[1..], None).status, ExitStatus::Fine);
        let none = answer(&[], None);
        assert!(none.text.contains("no quota yet"));
        assert_eq!(none.status, ExitStatus::Incomplete);
    }

    #[test]
    fn the_table_is_as_in_the_documentation() {
        golden::check("quota", &answer(&report(), Some("3m")));
    }
}
