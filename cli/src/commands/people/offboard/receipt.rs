//! The receipt of an offboarding: what is gone and what is left, in the cluster and at Google, as the broker recorded it. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use namesake_api::{Grant, Identity, Phase};
use serde_json::json;

use super::place;
use crate::answer::exit_status::ExitStatus;
use crate::answer::text::{plain, quoted};
use crate::answer::{Answer, Case};

/// An identity on the receipt.
struct Entry<'a> {
    identity: &'a Identity,
    place: String,
    gone: Vec<String>,
    left: Vec<String>,
}

/// `unseen`: why these may not be all identities of the user.
pub(super) fn answer(user: &str, mine: &[Identity], unseen: Option<&str>) -> Answer {
    let entries: Vec<_> = mine.iter().map(Entry::of).collect();
    let remains = entries.iter().any(|entry| !entry.left.is_empty());
    let mut text: String = entries.iter().map(Entry::text).collect();
    text += &match (entries.is_empty(), remains, unseen) {
        (true, _, None) => format!("{} has no identity.\n", plain(user)),
        (false, false, None) => format!(
            "\nAll of {} is gone. The names stay reserved. Google keeps deleted accounts for 30 days.\n",
            plain(user)
        ),
        (_, _, Some(why)) => format!("NOT SEEN {}\n", plain(why)),
        (false, true, None) => String::new(),
    };
    let commands: Vec<_> = mine.iter().flat_map(at_google).collect();
    if !commands.is_empty() {
        text +=
            "\nThis is what the broker recorded when Google answered it. What Google has now:\n";
        text.extend(commands.iter().map(|command| format!("  {command}\n")));
    }
    let short = |entry: &Entry<'_>| {
        let left = match entry.left.as_slice() {
            [] => "nothing".to_owned(),
            left => left.join(", "),
        };
        plain(&format!("{} {left}", entry.place)) + "\n"
    };
    let cases = entries.iter().map(|entry| Case {
        name: entry.place.clone(),
        found: entry.left.clone(),
        skipped: None,
    });
    let not_seen = unseen.map(|why| Case {
        name: "seen".to_owned(),
        found: Vec::new(),
        skipped: Some(why.to_owned()),
    });
    Answer {
        text,
        short: entries.iter().map(short).collect(),
        json: json!({
            "user": user, "identities": entries.iter().map(Entry::json).collect::<Vec<_>>(), "atGoogle": commands,
            "notSeen": unseen,
        }),
        cases: cases.chain(not_seen).collect(),
        status: ExitStatus::of(remains, unseen.is_none()),
    }
}

impl<'a> Entry<'a> {
    fn of(identity: &'a Identity) -> Self {
        Self {
            identity,
            place: place(identity).join("/"),
            gone: gone(identity),
            left: left(identity),
        }
    }

    fn dates(&self) -> [(&'static str, Option<String>); 3] {
        let status = self.identity.status.as_ref();
        let text = |time: Option<&Time>| time.map(|time| time.0.to_string());
        [
            (
                "created",
                text(self.identity.metadata.creation_timestamp.as_ref()),
            ),
            (
                "lastUsed",
                text(status.and_then(|status| status.last_used_time.as_ref())),
            ),
            (
                "since",
                text(status.and_then(|status| status.phase_time.as_ref())),
            ),
        ]
    }

    fn text(&self) -> String {
        let [(_, created), (_, used), (_, since)] = self.dates();
        let dated = |word: &str, date: Option<String>| {
            date.map_or_else(String::new, |date| format!("{word} {date}"))
        };
        let mut text = format!(
            "{}: {}{}{}{}\n",
            plain(&self.place),
            self.identity.phase(),
            dated(" since", since),
            dated(", created", created),
            dated(", last used", used)
        );
        for (word, all) in [("gone", &self.gone), ("left", &self.left)] {
            text.extend(all.iter().map(|one| format!("  {word}  {}\n", plain(one))));
        }
        text
    }

    fn json(&self) -> serde_json::Value {
        let [namespace, name] = place(self.identity);
        let mut value = json!({
            "namespace": namespace, "name": name, "phase": self.identity.phase().as_str(), "gone": self.gone, "left": self.left,
        });
        for (key, date) in self.dates() {
            value[key] = date.into();
        }
        value
    }
}

/// Whether the identity is removed, or being removed.
fn is_leaving(identity: &Identity) -> bool {
    matches!(identity.phase(), Phase::Offboarding | Phase::Gone)
}

/// The account at Google that is the identity's own: a pinned one belongs to somebody else, and stays.
fn own_account(identity: &Identity) -> Option<&str> {
    let account = identity.spec.google_service_account.as_deref();
    account.filter(|_| !identity.spec.pinned)
}

/// What an identity had that is removed.
fn gone(identity: &Identity) -> Vec<String> {
    let status = identity.status.clone().unwrap_or_default();
    let mut gone = Vec::new();
    if !is_leaving(identity) {
        return gone;
    }
    if status.service_account_uid.is_none() {
        gone.push("Kubernetes service account".to_owned());
    }
    let account = identity.spec.google_service_account.as_deref();
    let bound = account.filter(|_| status.bindings.is_empty());
    gone.extend(bound.map(|account| format!("binding on {account}")));
    let left = |grant: &&Grant| !status.grants.iter().any(|one| one.grant == **grant);
    gone.extend(identity.spec.grants.iter().filter(left).map(describe));
    let deleted = own_account(identity).filter(|_| identity.phase() == Phase::Gone);
    gone.extend(deleted.map(|account| format!("Google service account {account}")));
    gone
}

/// What is left of an identity.
fn left(identity: &Identity) -> Vec<String> {
    let status = identity.status.clone().unwrap_or_default();
    let phase = identity.phase();
    let mut left = Vec::new();
    if phase != Phase::Gone {
        left.push(format!("phase {phase}"));
        let has_account =
            own_account(identity).filter(|_| status.google_service_account_id.is_some());
        left.extend(has_account.map(|account| match phase {
            Phase::Offboarding => {
                format!("Google service account {account}, disabled until its grace period is over")
            }
            _ => format!("Google service account {account}"),
        }));
    }
    let bindings = status.bindings.iter();
    left.extend(bindings.map(|one| format!("binding on {}", one.google_service_account)));
    left.extend(status.grants.iter().map(|one| describe(&one.grant)));
    let service_account = status.service_account_uid.iter();
    left.extend(service_account.map(|_| "Kubernetes service account".to_owned()));
    left.extend(status.left);
    left
}

fn describe(grant: &Grant) -> String {
    let text = |part: &Option<String>| part.clone().unwrap_or_default();
    let on = match grant {
        Grant {
            folder: Some(folder),
            ..
        } => format!("folder {}/{folder}", text(&grant.bucket)),
        Grant {
            prefix: Some(prefix),
            ..
        } => format!("objects {}/{prefix}*", text(&grant.bucket)),
        Grant {
            bucket: Some(bucket),
            ..
        } => format!("bucket {bucket}"),
        Grant {
            project: Some(project),
            ..
        } => format!("project {project}"),
        _ => text(&grant.service_account),
    };
    format!("grant {} on {on}", grant.role)
}

/// Commands that show whether Google still has the account, and what still names it.
fn at_google(identity: &Identity) -> Vec<String> {
    let Some(account) = &identity.spec.google_service_account else {
        return Vec::new();
    };
    let project = quoted(&identity.spec.project);
    vec![
        format!(
            "gcloud iam service-accounts describe {} --project={project}",
            quoted(account)
        ),
        format!(
            "gcloud asset search-all-iam-policies --scope=projects/{project} --query={}",
            quoted(&format!("policy:{account}"))
        ),
    ]
}
