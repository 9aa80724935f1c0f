//! The rules of a soak test as a model, and its people.

use std::{collections::BTreeSet, fmt::Write as _};

use super::plan::{Book, Class, PEOPLE};

/// The person for whom the rules pin a GSA, at times.
pub(super) const PINNED: usize = 0;
/// The pinned GSA.
pub(super) const PINNED_ACCOUNT: &str = "soak-pinned";

/// A person's name.
pub(super) fn person(who: usize) -> String {
    format!("soak{who}@acme.com")
}

/// All people.
pub(super) fn people() -> impl Iterator<Item = usize> {
    0..PEOPLE
}

impl Class {
    /// Its name in the rules.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Research => "research",
            Self::Notes => "notes",
            Self::Brief => "brief",
        }
    }
}

impl Book {
    /// The rules in YAML.
    pub(super) fn rules(&self) -> String {
        let wider = if self.wider {
            "\n      - {role: roles/storage.objectViewer, bucket: acme-mf}"
        } else {
            ""
        };
        let notes = if self.without_notes { "" } else { NOTES_CLASS };
        let notes_rule = if self.without_notes { "" } else { NOTES_RULE };
        let mut text = format!(
            "{HEAD}{wider}{BRIEF_CLASS}{notes}\nrules:{BRIEF_RULE}{notes_rule}\n  - {{name: everyone, match: {{user: \"*@acme.com\"}}, identity: research}}\nnoMatch: keep\n"
        );
        if self.pinned {
            let _ = writeln!(
                text,
                "pins:\n  {}: {PINNED_ACCOUNT}@acme-identities.iam.gserviceaccount.com",
                person(PINNED)
            );
        }
        for (key, list) in [
            ("offboarded", &self.offboarded),
            ("returned", &self.returned),
        ] {
            let _ = writeln!(text, "{key}: [{}]", names(list));
        }
        text
    }
}

fn names(list: &BTreeSet<usize>) -> String {
    let names: Vec<_> = list.iter().map(|who| person(*who)).collect();
    names.join(", ")
}

const HEAD: &str = r#"apiVersion: namesake.dev/v1alpha1
kind: MappingRules
stack: prod
cluster: projects/acme/locations/us-central1/clusters/ml
users:
  - {requester: "*@acme.com"}
identities:
  - name: research
    for: {users: ["*@acme.com"]}
    per: [user]
    mode: impersonate
    project: acme-identities
    foreignMembers: remove
    grants:
      - {role: roles/storage.objectUser, bucket: acme-mf, folder: "users/{key}/"}"#;
const BRIEF_CLASS: &str = r#"
  - name: brief
    for: {users: ["*@acme.com"]}
    per: [user]
    mode: impersonate
    project: acme-identities
    idleAfter: 1m
    grants:
      - {role: roles/storage.objectUser, bucket: acme-mf, folder: "brief/{key}/"}"#;
const BRIEF_RULE: &str = r#"
  - {name: brief, match: {user: "*@acme.com", labels: {class: brief}}, identity: brief}"#;
const NOTES_CLASS: &str = r#"
  - name: notes
    for: {users: ["*@acme.com"]}
    per: [user]
    mode: direct
    project: acme-identities
    grants:
      - {role: roles/storage.objectViewer, bucket: acme-mf, folder: "notes/{key}/"}"#;
const NOTES_RULE: &str = r#"
  - {name: notes, match: {user: "*@acme.com", labels: {class: notes}}, identity: notes}"#;
