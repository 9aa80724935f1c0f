//! `quota`: what the broker reports about quotas.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use namesake_api::names;
use serde_json::json;

use crate::answer::exit_status::ExitStatus;
use crate::answer::failure::Failure;
use crate::answer::text::{plain, table};
use crate::answer::{Answer, Case};
use crate::cluster::connect::Session;

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

/// The quotas in the data of the ConfigMap.
pub(crate) fn quotas(data: &BTreeMap<String, String>) -> Vec<Quota> {
    let quotas = entries(data).filter(|(kind, ..)| *kind != names::QUOTA_RIGHTS_KIND);
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
    Ok(answer(&quotas(
        &map.and_then(|map| map.data).unwrap_or_default(),
    )))
}

fn answer(quotas: &[Quota]) -> Answer {
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
        _ => table(["KIND", "WHOSE", "USED"], &rows),
    };
    Answer {
        text,
        short: lines.collect(),
        json: json.into(),
        cases: cases.collect(),
        status: ExitStatus::of(quotas.iter().any(Quota::is_short), true),
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
        assert_eq!(answer(&report()).status, ExitStatus::Found);
        assert_eq!(answer(&report()[1..]).status, ExitStatus::Fine);
        assert!(answer(&[]).text.contains("no quota yet"));
    }

    #[test]
    fn the_table_is_as_in_the_documentation() {
        golden::check("quota", &answer(&report()));
    }
}
