//! Both logs together. Pure.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp, Unit};
use serde_json::{Value, json};

use super::account::Account;
use super::google::GoogleLog;
use super::kubernetes::KubernetesLog;
use super::lines::Counts;
use super::queries::DATA_ACCESS;
use crate::answer::exit_status::ExitStatus;
use crate::answer::text::{count, plain, some, table};
use crate::answer::{Answer, Case};

/// The logs that were read.
#[derive(Clone, Debug, Default)]
pub(super) struct Logs {
    pub(super) kubernetes: Option<KubernetesLog>,
    pub(super) google: Option<GoogleLog>,
}

/// `unknown` is why the cluster did not say more about the account.
pub(super) fn answer(
    account: &Account,
    logs: &Logs,
    since: Timestamp,
    unknown: Option<&str>,
) -> Answer {
    let found = through_others(logs);
    let mut unseen = unseen(account, logs);
    unseen.extend(unknown_account(account, logs, unknown));
    let since = time(since);
    let mut text = format!("{}, since {since}\n", account.describe());
    text += &summary(logs);
    text += &pods(logs);
    text += &actions(logs);
    let note = |word: &str, all: &[String]| -> String {
        let each = all.iter().map(|one| format!("{word} {}\n", plain(one)));
        each.collect()
    };
    let notes = note("FOUND", &found) + &note("NOT SEEN", &unseen);
    if !notes.is_empty() {
        text += &format!("\n{notes}");
    }
    let users: Vec<_> = users(logs).into_iter().collect();
    Answer {
        text,
        short: short(logs),
        json: json!({
            "account": account.describe(), "since": since, "users": users, "pods": pod_values(logs),
            "actions": action_values(logs), "found": found, "notSeen": unseen,
        }),
        status: ExitStatus::of(!found.is_empty(), unseen.is_empty()),
        cases: vec![Case {
            name: account.describe(),
            skipped: unseen.first().filter(|_| found.is_empty()).cloned(),
            found,
        }],
    }
}

fn time(time: Timestamp) -> String {
    let rounded = time.round(Unit::Second);
    rounded.unwrap_or(time).to_string()
}

fn users(logs: &Logs) -> BTreeSet<&str> {
    let pods = logs.kubernetes.iter().flat_map(|log| &log.pods);
    pods.map(|pod| pod.user.as_str())
        .filter(|user| !user.is_empty())
        .collect()
}

fn summary(logs: &Logs) -> String {
    let mut parts = Vec::new();
    if let Some(log) = &logs.kubernetes {
        let users = users(logs);
        let of = if users.is_empty() {
            String::new()
        } else {
            format!(" of {}", some(&users))
        };
        parts.push(format!(
            "{}{of}",
            count(log.pods.len() + log.more, "pod", "pods")
        ));
    }
    if let Some(log) = &logs.google {
        let of = |is: &dyn Fn(&str) -> bool| -> u64 {
            let all = log.actions.iter().filter(|(action, _)| is(&action.result));
            all.map(|(_, times)| times.count).sum()
        };
        let (all, refused) = (of(&|_| true) + log.more, of(&|result| result == "refused"));
        let actions = if all == 1 { "action" } else { "actions" };
        parts.push(format!("{all} {actions} at Google, {refused} refused"));
    }
    parts.join("; ") + "\n"
}

fn pods(logs: &Logs) -> String {
    let Some(log) = logs.kubernetes.as_ref().filter(|log| !log.pods.is_empty()) else {
        return String::new();
    };
    let rows: Vec<_> = log
        .pods
        .iter()
        .map(|pod| {
            let user = if pod.user.is_empty() {
                &pod.requester
            } else {
                &pod.user
            };
            [
                time(pod.time),
                pod.namespace.clone(),
                pod.name.clone(),
                user.clone(),
                pod.owner.clone(),
                pod.rule.clone(),
                pod.decision.clone(),
            ]
        })
        .collect();
    let head = [
        "CREATED",
        "NAMESPACE",
        "POD",
        "FOR",
        "OWNER",
        "RULE (CLASS)",
        "DECISION",
    ];
    let more = match log.more {
        0 => String::new(),
        more => format!("and {more} more pods\n"),
    };
    format!("\n{}{more}", table(head, &rows))
}

fn actions(logs: &Logs) -> String {
    let Some(log) = logs.google.as_ref().filter(|log| !log.actions.is_empty()) else {
        return String::new();
    };
    let mut all: Vec<_> = log.actions.iter().collect();
    all.sort_by_key(|(_, times)| times.first);
    let rows: Vec<_> = all
        .iter()
        .map(|(action, times)| {
            [
                time(times.first),
                time(times.last),
                times.count.to_string(),
                action.method.clone(),
                action.resource.clone(),
                action.result.clone(),
            ]
        })
        .collect();
    let head = ["FIRST", "LAST", "TIMES", "ACTION", "RESOURCE", "RESULT"];
    let more = match log.more {
        0 => String::new(),
        more => format!("and {more} more actions, on other resources\n"),
    };
    format!("\n{}{more}", table(head, &rows))
}

// Whoever acted as the account, and is not a pod with it.
fn through_others(logs: &Logs) -> Vec<String> {
    let actions = logs.google.iter().flat_map(|log| &log.actions);
    let through = actions.filter_map(|(action, times)| {
        let who = action.through.as_ref()?;
        Some(format!(
            "{who} acted as the account, and is not its Kubernetes service account: {} ({} times) on {}",
            action.method, times.count, action.resource
        ))
    });
    through.collect()
}

fn unseen(account: &Account, logs: &Logs) -> Vec<String> {
    let mut unseen = Vec::new();
    let mut broken = |name: &str, counts: &Counts| {
        if counts.broken > 0 {
            let first = counts.first_broken.unwrap_or_default();
            unseen.push(format!(
                "{} of the {name} log that cannot be read, the first is entry {first}",
                count(
                    usize::try_from(counts.broken).unwrap_or(usize::MAX),
                    "entry",
                    "entries"
                )
            ));
        }
        unseen.extend(counts.read_up_to.map(|last| {
            format!(
                "everything of the {name} log after entry {last}: the list is broken there, or the next entry is too long"
            )
        }));
    };
    if let Some(log) = &logs.kubernetes {
        broken("Kubernetes", &log.counts);
    }
    if let Some(log) = &logs.google {
        broken("Google", &log.counts);
    }
    match &logs.kubernetes {
        None => unseen.push("which pods ran: there is no --kubernetes-audit".to_owned()),
        Some(_) if account.name.is_none() => unseen.push(
            "which Kubernetes account acts as it: give that account, or a kubeconfig of its cluster".to_owned(),
        ),
        Some(log) if log.decided == 0 => unseen.push(
            "which pods ran: no event of the Kubernetes log has Namesake's annotations: it is of another cluster or time, or the audit \
             policy has no level for pods"
                .to_owned(),
        ),
        Some(_) => {}
    }
    match &logs.google {
        None => {
            unseen.push("what the account did at Google: there is no --google-audit".to_owned());
        }
        Some(log) if log.data_access == 0 => {
            unseen.push(format!(
                "access to data: the Google log has no entry about it. {DATA_ACCESS}"
            ));
        }
        Some(_) => {}
    }
    unseen.extend(before_first_pod(logs));
    unseen
}

// A pinned Google account does not have the name of the Kubernetes account, so without the Identity its actions are not
// recognized.
fn unknown_account(account: &Account, logs: &Logs, unknown: Option<&str>) -> Option<String> {
    let why = unknown.filter(|_| account.email.is_none() && logs.google.is_some())?;
    Some(format!(
        "which Google account it is: {why}; give its e-mail address, or a kubeconfig of its cluster"
    ))
}

// Actions that no pod of the log can have done.
fn before_first_pod(logs: &Logs) -> Option<String> {
    let first = logs.kubernetes.as_ref()?.pods.first()?.time;
    // Clocks differ a little.
    let first = first.checked_sub(SignedDuration::from_secs(60)).ok()?;
    let actions = &logs.google.as_ref()?.actions;
    let earlier = actions.values().filter(|times| times.first < first).count();
    (earlier > 0).then(|| {
        format!(
            "which pods did {earlier} of the actions: they began before the first pod here was created; --since, and the logs, have to \
             begin earlier"
        )
    })
}

fn short(logs: &Logs) -> String {
    let pods = logs.kubernetes.iter().flat_map(|log| &log.pods);
    let pods = pods.map(|pod| {
        format!(
            "{} pod {}/{} {}",
            time(pod.time),
            pod.namespace,
            pod.name,
            pod.user
        )
    });
    let actions = logs.google.iter().flat_map(|log| &log.actions);
    let actions = actions.map(|(action, times)| {
        format!(
            "{} {} {} {}",
            time(times.first),
            action.method,
            action.resource,
            action.result
        )
    });
    let mut lines: Vec<_> = pods
        .chain(actions)
        .map(|line| plain(&line) + "\n")
        .collect();
    lines.sort();
    lines.concat()
}

fn pod_values(logs: &Logs) -> Value {
    let pods = logs.kubernetes.iter().flat_map(|log| &log.pods);
    let pods = pods.map(|pod| {
        json!({
            "created": pod.time.to_string(), "namespace": pod.namespace, "name": pod.name, "user": pod.user,
            "requester": pod.requester, "owner": pod.owner, "rule": pod.rule, "decision": pod.decision,
        })
    });
    pods.collect::<Vec<_>>().into()
}

fn action_values(logs: &Logs) -> Value {
    let actions = logs.google.iter().flat_map(|log| &log.actions);
    let actions = actions.map(|(action, times)| {
        json!({
            "method": action.method, "resource": action.resource, "result": action.result, "through": action.through,
            "times": times.count, "first": times.first.to_string(), "last": times.last.to_string(),
        })
    });
    actions.collect::<Vec<_>>().into()
}

#[cfg(test)]
mod tests;
