use std::io::Cursor;

use namesake_api::Identity;
use namesake_core::{Per, Source};
use serde_json::{Value, json};

use super::*;
use crate::answer::exit_status::ExitStatus;
use crate::answer::golden;

const RULES: &str = "apiVersion: namesake.dev/v1alpha1
kind: MappingRules
stack: prod
cluster: projects/acme/locations/us-central1/clusters/ml
users:
- {requester: \"*@acme.com\"}
identities:
- name: research
  for: {users: [\"*@acme.com\"], namespaces: [research]}
  per: [user]
  mode: impersonate
  project: acme-identities
  grants: [{role: roles/storage.objectUser, bucket: acme-mf, folder: \"users/{key}/\"}]
rules:
- {name: everyone, match: {user: \"*@acme.com\"}, identity: research}
noMatch: deny
offboarded: []
";

pub(super) fn rules(from: &str, to: &str) -> Rules {
    assert!(RULES.contains(from), "{from}");
    let text = match from {
        "" => RULES.to_owned(),
        from => RULES.replace(from, to),
    };
    let file = "rules.yaml";
    Rules::parse(&[Source { file, text: &text }]).unwrap()
}

/// The identities of alice and bob.
pub(super) fn identities() -> Vec<Identity> {
    let each = ["alice", "bob"].map(|user| {
        let mut identity =
            crate::cluster::identities::tests::identity(user, "InUse", "True", "Ready");
        let values = [(Per::User, format!("{user}@acme.com"))].into();
        let derived = rules("", "")
            .rederive_identity("research", "research", &values)
            .unwrap();
        identity.metadata.name = Some(derived.name.to_string());
        identity.status.as_mut().unwrap().service_account_uid = Some("u".to_owned());
        identity
    });
    each.to_vec()
}

fn event(user: &str) -> Value {
    json!({"kind": "Event", "stage": "ResponseComplete", "verb": "create", "requestURI": "/apis/batch/v1/namespaces/research/jobs",
        "user": {"username": format!("{user}@acme.com")},
        "objectRef": {"resource": "jobs", "namespace": "research", "apiGroup": "batch"},
        "requestObject": {"spec": {"template": {"metadata": {}}}},
        "annotations": {"mutate.namesake.dev/outcome": "stamped"}})
}

fn answer(new: &Rules, lines: Option<&[String]>, unseen: &[String], is_markdown: bool) -> Answer {
    let old = rules("", "");
    let mut decider = Decider::new(&old, new, false);
    let mut live = Live::default();
    if let Some(lines) = lines {
        decider.read(Cursor::new(lines.join("\n")), |_| {}).unwrap();
    } else {
        live.identities = Some(identities());
        let quota = (
            "google_service_accounts.acme-identities",
            "82 of 100, full in 9 days",
        );
        live.quotas = [(quota.0.to_owned(), quota.1.to_owned())].into();
        let bob = live.identities.iter().flatten().nth(1).unwrap();
        live.pods = [(
            ("research".to_owned(), bob.metadata.name.clone().unwrap()),
            2,
        )]
        .into();
        for user in ["alice@acme.com", "bob@acme.com"] {
            let user = namesake_core::User::exact(user).unwrap();
            let place = ("research", namesake_core::Launcher::CronJob);
            let effect =
                decider.add_object((&user, &namesake_core::Groups::default()), place, b"{}");
            live.parents.add(effect);
        }
    }
    let report = decider.finish();
    let effect = Effect::of((&old, new), &report, &live);
    let decided = Decided {
        what: if lines.is_some() {
            "the log"
        } else {
            "what exists"
        },
        old: old.revision(),
        new: new.revision(),
        is_log: lines.is_some(),
        report: &report,
        effect: &effect,
        unseen,
    };
    decided.answer(is_markdown)
}

#[test]
fn what_an_edit_takes_away_is_shown_by_user_identity_grant_and_quota() {
    let new = rules("offboarded: []", "offboarded: [bob@acme.com]");
    let found = answer(&new, None, &[], false);
    assert_eq!(found.status, ExitStatus::Found);
    golden::check_as("replay", "replay --rules new.yaml", &found);
    let markdown = answer(&new, None, &[], true);
    golden::check_as(
        "replay-markdown",
        "replay --rules new.yaml -o markdown",
        &markdown,
    );
    assert_eq!(found.short.lines().count(), 2, "{}", found.short);
    assert_eq!(found.json["identities"][0]["then"], "drains");
}

#[test]
fn an_edit_that_changes_nothing_is_fine_and_half_the_rights_are_incomplete() {
    let same = answer(&rules("", ""), None, &[], false);
    assert_eq!(same.status, ExitStatus::Fine);
    assert!(
        same.text.contains("changes nothing in what exists"),
        "{}",
        same.text
    );
    let unseen = ["not allowed to list pods".to_owned()];
    let half = answer(&rules("", ""), None, &unseen, false);
    assert_eq!(half.status, ExitStatus::Incomplete);
    assert!(
        half.text.contains("not seen: not allowed to list pods"),
        "{}",
        half.text
    );
}

#[test]
fn a_log_says_what_was_not_decided_and_why() {
    let mut other = event("carol");
    other["annotations"]["mutate.namesake.dev/class"] = json!("research");
    other["annotations"]["mutate.namesake.dev/user"] = json!("carol@acme.com");
    other["annotations"]["mutate.namesake.dev/service-account"] = json!("mf-carol-aaaaaaaaaaaaaa");
    let mut elsewhere = event("bob");
    elsewhere["annotations"] = json!({});
    let mut lines = [event("alice"), event("bob"), event("bob"), other, elsewhere]
        .map(|one| one.to_string())
        .to_vec();
    lines.insert(1, "{\"kind\": \"Event\", \"sta".to_owned());
    let new = rules("offboarded: []", "offboarded: [bob@acme.com]");
    let found = answer(&new, Some(&lines), &[], false);
    golden::check_as(
        "replay-log",
        "replay --rules new.yaml --audit-log audit.log",
        &found,
    );
    // A broken entry and a name of another cluster: what was found counts less than what was not seen.
    assert_eq!(found.status, ExitStatus::Incomplete);
    let skipped = found.cases.iter().filter(|case| case.skipped.is_some());
    assert_eq!(skipped.count(), 2);
    assert_eq!(found.json["notSeen"].as_array().map(Vec::len), Some(2));
    assert!(found.short.contains("not seen: 1 entry"), "{}", found.short);
}

#[test]
fn a_log_that_is_not_read_whole_is_incomplete_also_if_nothing_changes() {
    let good = event("alice").to_string();
    let mut nobody = event("alice");
    nobody["user"] = json!({});
    let whole = answer(&rules("", ""), Some(&[format!("[{good}]")]), &[], false);
    assert_eq!(whole.status, ExitStatus::Fine, "{}", whole.text);
    for (log, part) in [
        (format!("[{good}, {{\"kind\": "), "everything after entry 1"),
        (format!("{good}\nnot json"), "the first is entry 2"),
        (format!("{good}\n{nobody}"), "does not name who sent"),
    ] {
        let half = answer(&rules("", ""), Some(&[log]), &[], false);
        assert_eq!(half.status, ExitStatus::Incomplete, "{part}");
        assert!(half.text.contains(part), "{part}: {}", half.text);
        let end = "The edit changes nothing in the log, as far as it was seen.\n";
        assert!(half.text.ends_with(end), "{}", half.text);
    }
}

#[test]
fn a_log_of_which_nothing_is_decided_is_a_usage_error() {
    for lines in [
        vec![],
        vec!["PK\u{3}\u{4}".to_owned()],
        vec![json!({"kind": "Event", "stage": "ResponseComplete", "verb": "get"}).to_string()],
    ] {
        let nothing = answer(&rules("", ""), Some(&lines), &[], false);
        assert_eq!(nothing.status, ExitStatus::Usage);
        assert!(
            nothing.text.contains("is it an audit log"),
            "{}",
            nothing.text
        );
        assert_eq!(nothing.cases[0].found.len(), 1, "a failure in JUnit's XML");
    }
}

#[test]
fn nothing_in_a_name_has_a_meaning_in_markdown() {
    assert_eq!(print::cell_of("a|b`c\u{1b}"), "`a\\|b'c\\u{1b}`");
    assert_eq!(print::cell_of(""), "");
}

#[test]
fn rules_of_another_stack_or_cluster_cannot_be_compared() {
    for (from, to) in [
        ("stack: prod", "stack: dev"),
        ("clusters/ml", "clusters/other"),
    ] {
        let failure = check_comparable(&rules("", ""), &rules(from, to)).unwrap_err();
        assert_eq!(failure.status(), ExitStatus::Usage, "{failure}");
    }
}
