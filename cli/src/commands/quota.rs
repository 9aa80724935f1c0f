//! `quota`: what the broker reports about quotas.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;
use namesake_api::names;
use serde_json::{Value, json};

use crate::answer::exit_status::ExitStatus;
use crate::answer::failure::Failure;
use crate::answer::text::{plain, table};
use crate::answer::{Answer, Case};
use crate::cluster::connect::Session;
use crate::cluster::identities::age;

/// An older report counts as none. The broker writes one every ten minutes, but may have to count many accounts first.
const STALE: SignedDuration = SignedDuration::from_hours(2);
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

/// Whether a report of this time counts as none.
pub(crate) fn is_stale(reported_at: Timestamp, now: Timestamp) -> bool {
    reported_at < now - STALE
}

/// Why a report of this time counts as none.
pub(crate) fn stale_text(reported_at: Timestamp, now: Timestamp) -> String {
    let age = age(reported_at, now);
    format!("the broker has not reported for {age}, since {reported_at}")
}

/// Why a report without a time counts as none.
pub(crate) fn undated_text() -> String {
    format!(
        "the report has no annotation {}: the broker is of an earlier release",
        names::REPORTED_AT_ANNOTATION
    )
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
    let at = reported_at(&map);
    let quotas = quotas(&map.data.unwrap_or_default());
    Ok(answer(&quotas, at, Timestamp::now()))
}

/// Why nobody knows how much is used now.
fn not_seen(quotas: &[Quota], reported_at: Option<Timestamp>, now: Timestamp) -> Option<String> {
    match (quotas, reported_at) {
        ([], _) => Some(
            "the broker has reported no quota yet: it does within a minute after its start"
                .to_owned(),
        ),
        (_, None) => Some(undated_text()),
        (_, Some(at)) => is_stale(at, now).then(|| stale_text(at, now)),
    }
}

fn answer(quotas: &[Quota], reported_at: Option<Timestamp>, now: Timestamp) -> Answer {
    let not_seen = not_seen(quotas, reported_at, now);
    Answer {
        text: text(quotas, reported_at, now, not_seen.as_deref()),
        short: short(quotas, reported_at, not_seen.as_deref()),
        json: json(quotas, reported_at),
        cases: cases(quotas, not_seen.as_deref()),
        status: ExitStatus::of(quotas.iter().any(Quota::is_short), not_seen.is_none()),
    }
}

fn text(
    quotas: &[Quota],
    reported_at: Option<Timestamp>,
    now: Timestamp,
    not_seen: Option<&str>,
) -> String {
    let rows: Vec<_> = quotas
        .iter()
        .map(|one| [one.kind.clone(), one.whose.clone(), one.text.clone()])
        .collect();
    let mut text = match rows.as_slice() {
        [] => String::new(),
        rows => table(["KIND", "WHOSE", "USED"], rows) + "\n",
    };
    if let Some(at) = reported_at.filter(|_| !quotas.is_empty()) {
        text += &format!("The broker reported this {} ago.\n", age(at, now));
    }
    let not_seen = not_seen.map(|why| format!("NOT SEEN how much is used now: {}\n", plain(why)));
    text + &not_seen.unwrap_or_default()
}

fn short(quotas: &[Quota], reported_at: Option<Timestamp>, not_seen: Option<&str>) -> String {
    let lines = quotas.iter().map(|one| {
        let line = format!("{}.{}: {}", one.kind, one.whose, one.text);
        plain(&line) + "\n"
    });
    let at = reported_at.map(|at| format!("reported at {at}\n"));
    let not_seen = not_seen.map(|why| format!("not seen: {}\n", plain(why)));
    lines.chain(at).chain(not_seen).collect()
}

fn json(quotas: &[Quota], reported_at: Option<Timestamp>) -> Value {
    let at = reported_at.map(|at| at.to_string());
    let quotas = quotas.iter().map(|one| {
        json!({
            "kind": one.kind, "whose": one.whose, "used": one.text, "short": one.is_short(), "reportedAt": at,
        })
    });
    quotas.collect::<Vec<_>>().into()
}

fn cases(quotas: &[Quota], not_seen: Option<&str>) -> Vec<Case> {
    let cases = quotas.iter().map(|one| Case {
        name: format!("{} {}", one.kind, one.whose),
        found: if one.is_short() {
            vec![one.text.clone()]
        } else {
            Vec::new()
        },
        skipped: None,
    });
    let not_seen = not_seen.map(|why| Case {
        name: "how much is used now".to_owned(),
        found: Vec::new(),
        skipped: Some(why.to_owned()),
    });
    cases.chain(not_seen).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::golden;
    use crate::cluster::identities::tests::NOW;

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

    fn answered(quotas: &[Quota], reported_at: Option<&str>) -> Answer {
        let at = reported_at.map(|at| at.parse().unwrap());
        answer(quotas, at, NOW.parse().unwrap())
    }

    #[test]
    fn a_quota_of_which_four_fifths_are_used_is_short() {
        let short: Vec<_> = report().iter().map(Quota::is_short).collect();
        assert_eq!(short, [true, false, false]);
        assert_eq!(answered(&report(), Some(NOW)).status, ExitStatus::Found);
        let enough = answered(&report()[1..], Some(NOW));
        assert_eq!(enough.status, ExitStatus::Fine);
        let none = answered(&[], None);
        assert!(none.text.contains("no quota yet"));
        assert_eq!(none.status, ExitStatus::Incomplete);
    }

    #[test]
    fn an_old_report_and_one_without_a_time_do_not_say_how_much_is_used_now() {
        let old = answered(&report()[1..], Some("2026-11-08T12:00:00Z"));
        assert_eq!(old.status, ExitStatus::Incomplete);
        let why = "the broker has not reported for 21d, since 2026-11-08T12:00:00Z";
        assert!(old.text.contains("The broker reported this 21d ago."));
        assert!(
            old.text
                .contains(&format!("NOT SEEN how much is used now: {why}"))
        );
        assert!(
            old.short.contains(&format!("not seen: {why}")),
            "{}",
            old.short
        );
        assert_eq!(old.json[0]["reportedAt"], "2026-11-08T12:00:00Z");
        assert_eq!(old.cases.last().unwrap().skipped.as_deref(), Some(why));
        let undated = answered(&report(), None);
        assert_eq!(undated.status, ExitStatus::Incomplete);
        assert!(
            undated.text.contains("an earlier release"),
            "{}",
            undated.text
        );
    }

    #[test]
    fn the_table_is_as_in_the_documentation() {
        golden::check("quota", &answered(&report(), Some("2026-11-29T11:57:00Z")));
    }
}
