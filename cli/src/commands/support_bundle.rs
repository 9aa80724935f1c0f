//! `support-bundle`: what a maintainer needs to see, without who people are. Reads no Secret.

mod names;
mod redact;

use clap::Args as Flags;
use futures::future::join_all;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Pod};
use kube::ResourceExt;
use kube::api::{ListParams, LogParams};
use namesake_api::names::{
    ACCEPTED_RULES_CONFIG_MAP, QUOTA_CONFIG_MAP, RULES_CONFIG_MAP, UNPROVEN_CONFIG_MAP,
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::answer::exit_status::ExitStatus;
use crate::answer::failure::Failure;
use crate::answer::{Answer, Case};
use crate::cluster::connect::Session;
use crate::cluster::flags::Global;
use crate::cluster::identities;
use crate::console::Progress;
use crate::doctor;
use redact::Redaction;

/// Lines of the log of each pod.
const LOG_LINES: i64 = 500;
/// Label of the pods of a stack.
const PART_OF: &str = "app.kubernetes.io/part-of=namesake";

/// Parts that are ConfigMaps, and their names.
const CONFIG_MAPS: [(&str, &str); 4] = [
    ("rules", RULES_CONFIG_MAP),
    ("acceptedRules", ACCEPTED_RULES_CONFIG_MAP),
    ("quota", QUOTA_CONFIG_MAP),
    ("unproven", UNPROVEN_CONFIG_MAP),
];
/// Member of a part that could not be read.
const NOT_READ: &str = "notRead";

/// Options of `support-bundle`.
#[derive(Clone, Debug, Default, Flags)]
pub struct SupportBundle {
    /// Keep the names of people, groups, accounts and projects
    #[arg(long)]
    pub with_names: bool,
}

pub(crate) async fn run(global: &Global, options: &SupportBundle) -> Result<Answer, Failure> {
    let session = Session::open(global).await?;
    let identities = read(identities::list(&session).await);
    let report = doctor::all_checks(&session).await?;
    let mut bundle = json!({
        "program": env!("CARGO_PKG_VERSION"),
        "time": Timestamp::now(),
        "doctor": report.json,
        "identities": identities,
    });
    let mut progress = Progress::of("parts", Some(7));
    for (part, name) in CONFIG_MAPS {
        bundle[part] = config_map(&session, name).await;
        progress.add(1);
    }
    bundle["deployments"] = list::<Deployment>(&session).await;
    progress.add(1);
    bundle["events"] = list::<Event>(&session).await;
    progress.add(1);
    bundle["logs"] = logs(&session).await;
    drop(progress);
    without_managed_fields(&mut bundle);
    if !options.with_names {
        bundle = Redaction::of(names::names(&bundle)).apply(bundle);
    }
    let text = serde_json::to_string_pretty(&bundle).unwrap_or_default();
    let cases = cases(&bundle);
    let is_complete = cases.iter().all(|case| case.skipped.is_none());
    Ok(Answer {
        json: bundle,
        cases,
        ..Answer::text(text, ExitStatus::of(false, is_complete))
    })
}

/// Each part, and why it could not be read.
fn cases(bundle: &Value) -> Vec<Case> {
    let parts = bundle.as_object().into_iter().flatten();
    let each = parts.map(|(name, part)| Case {
        name: name.clone(),
        found: Vec::new(),
        skipped: not_read(part).map(str::to_owned),
    });
    each.collect()
}

/// Why a part, or the first of what is in it, could not be read.
fn not_read(part: &Value) -> Option<&str> {
    match part {
        Value::Object(map) => match map.get(NOT_READ) {
            Some(why) => why.as_str(),
            None => map.values().find_map(not_read),
        },
        Value::Array(all) => all.iter().find_map(not_read),
        _ => None,
    }
}

/// A part of the bundle, or why it could not be read.
fn read<T: Serialize>(part: Result<T, Failure>) -> Value {
    match part {
        Ok(part) => serde_json::to_value(part).unwrap_or_default(),
        Err(failure) => json!({NOT_READ: failure.to_string()}),
    }
}

async fn config_map(session: &Session, name: &str) -> Value {
    let map = session.at_home::<ConfigMap>().get_opt(name).await;
    read(map.map_err(Failure::to(format!("read ConfigMap {name}"))))
}

async fn list<K>(session: &Session) -> Value
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + Serialize
        + serde::de::DeserializeOwned,
{
    let listed = session.at_home::<K>().list(&ListParams::default()).await;
    let what = format!("list {}", K::plural(&()));
    read(listed.map(|list| list.items).map_err(Failure::to(what)))
}

/// The end of the log of each of our pods, by pod.
async fn logs(session: &Session) -> Value {
    let pods = session.at_home::<Pod>();
    let listed = pods
        .list_metadata(&ListParams::default().labels(PART_OF))
        .await;
    let listed = match listed.map_err(Failure::to("list pods")) {
        Ok(listed) => listed.items,
        Err(failure) => return json!({NOT_READ: failure.to_string()}),
    };
    let params = LogParams {
        tail_lines: Some(LOG_LINES),
        ..LogParams::default()
    };
    let each = listed.iter().map(|pod| async {
        let name = pod.name_any();
        let log = pods.logs(&name, &params).await;
        let lines = log.map(|log| log.lines().map(str::to_owned).collect::<Vec<_>>());
        (name, read(lines.map_err(Failure::to("read the log"))))
    });
    join_all(each)
        .await
        .into_iter()
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Who wrote which field is long, and says nothing here.
fn without_managed_fields(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.remove("managedFields");
            map.values_mut().for_each(without_managed_fields);
        }
        Value::Array(all) => all.iter_mut().for_each(without_managed_fields),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_is_a_case_and_what_could_not_be_read_is_skipped_with_the_reason() {
        let bundle = json!({"rules": {NOT_READ: "not allowed"}, "logs": {"a": [], "b": {NOT_READ: "gone"}}, "events": []});
        let cases = cases(&bundle);
        let skipped: Vec<_> = cases
            .iter()
            .map(|case| (case.name.as_str(), case.skipped.as_deref()))
            .collect();
        assert_eq!(
            skipped,
            [
                ("events", None),
                ("logs", Some("gone")),
                ("rules", Some("not allowed"))
            ]
        );
    }
}
