//! What the programs report in ConfigMaps: permissions at Google, quotas, parents without a proven requester. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use namesake_api::UnprovenReport;

use super::seen;
use crate::answer::text::{count, some};
use crate::check::Read;
use crate::commands::quota::{Quota, is_stale, quotas, reported_at, stale_text, undated_text};
use crate::doctor::checks::{Check, Outcome};

/// Judges the broker's report, if it is a recent one.
pub(super) fn of_broker(
    report: &Read<Option<ConfigMap>>,
    now: Timestamp,
    judge: impl FnOnce(&BTreeMap<String, String>) -> Outcome,
) -> Outcome {
    seen(report, |map| {
        let map = map.as_ref();
        let Some((map, data)) = map.and_then(|map| Some((map, map.data.as_ref()?))) else {
            return Outcome::NotYet(not_reported());
        };
        match reported_at(map) {
            None => Outcome::Unseen(undated_text()),
            Some(at) if is_stale(at, now) => Outcome::NotYet(stale_text(at, now)),
            Some(_) => judge(data),
        }
    })
}

pub(super) fn not_reported() -> String {
    "the broker has not reported it: it does within a minute after it begins to lead, with rules in force".to_owned()
}

pub(super) fn quota(home: &str, data: &BTreeMap<String, String>) -> Outcome {
    let all = quotas(data);
    if all.is_empty() {
        return Outcome::NotYet(not_reported());
    }
    let short = all.iter().filter(|quota| quota.is_short());
    let findings = short.map(|Quota { kind, whose, text }| {
        Check::Quota.finding(home, format!("{kind} of {whose}"), text.clone())
    });
    Outcome::of(findings.collect(), count(all.len(), "quota", "quotas"))
}

pub(super) fn unproven(home: &str, map: Option<&ConfigMap>) -> Outcome {
    let place = format!("ConfigMap {home}/namesake-unproven");
    let finding = |what| Outcome::Found(vec![Check::Unproven.finding(home, &place, what)]);
    let Some(data) = map.and_then(|map| map.data.as_ref()) else {
        return finding("the webhook has not written its report".to_owned());
    };
    match UnprovenReport::from_data(data) {
        Ok(report) if report.count == 0 => {
            Outcome::Fine("every parent has a proven requester".to_owned())
        }
        Ok(report) => {
            let names = report.parents.iter();
            let names: Vec<_> = names
                .map(|one| format!("{}: {}/{}", one.namespace, one.kind, one.name))
                .collect();
            let objects = count(report.count, "object", "objects");
            finding(format!(
                "{objects} without a proven requester: {}",
                some(&names)
            ))
        }
        Err(error) => finding(error),
    }
}
