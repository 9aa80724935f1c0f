//! The explanation of an Identity, and of a user. Pure.

use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::{Value, json};

use super::facts::{IdentityFacts, UserFacts};
use super::story::{self, Story};
use crate::answer::text::count;
use crate::cluster::identities::is_not_ready;

/// Waiting pods of an identity that are printed.
const MAX_WAITING: usize = 3;

/// `unseen`: what could not be seen, and why.
pub(super) fn of_identity(facts: &IdentityFacts, unseen: &[String], now: Timestamp) -> Story {
    let identity = &facts.identity;
    let namespace = identity.namespace().unwrap_or_default();
    let mut story = Story::new(
        &format!("Identity {namespace}/{}", identity.name_any()),
        unseen,
    );
    let spec = &identity.spec;
    let user = match spec.user.as_str() {
        "" => "none: its class is not per user",
        user => user,
    };
    story.line("user", user);
    let values = spec
        .values
        .iter()
        .map(|(key, value)| format!("{key} {value}"));
    let values: Vec<_> = values.collect();
    story.line(
        "class",
        format!("{}, for {}", spec.class, values.join(", ")),
    );
    for (name, member) in members(facts, now) {
        story.value(&name, member);
    }
    account_and_state(&mut story, facts, now);
    story
}

pub(super) fn of_user(facts: &UserFacts, now: Timestamp) -> Story {
    let mut story = Story::new(&format!("User {}", facts.name), &facts.unseen);
    if let Some(text) = &facts.by_rules {
        story.line("rules", text.as_str());
    }
    let here = count(facts.identities.len(), "identity", "identities");
    story.line("has", format!("{here} in {}", facts.place));
    for one in &facts.identities {
        let namespace = one.identity.namespace().unwrap_or_default();
        let class = &one.identity.spec.class;
        story.line(
            "",
            format!("{namespace}/{}, class {class}", one.identity.name_any()),
        );
        account_and_state(&mut story, one, now);
    }
    if let Some(trace) = &facts.trace {
        story.trace(trace);
    }
    let identities = facts.identities.iter();
    let identities = identities.map(|one| Value::Object(members(one, now)));
    story.value("user", facts.name.as_str());
    story.value("rules", facts.by_rules.clone());
    story.value("identities", identities.collect::<Vec<_>>());
    story
}

fn account_and_state(story: &mut Story, facts: &IdentityFacts, now: Timestamp) {
    let identity = &facts.identity;
    story.line("account", story::account(identity));
    let state = story::state(identity, now);
    match is_not_ready(identity) {
        true => story.found("identity", state),
        false => story.line("identity", state),
    }
    let mut word = "waits";
    for (pod, wait) in facts.waiting.iter().take(MAX_WAITING) {
        story.line(word, format!("pod {pod} {}", story::waits(wait, now)));
        word = "";
    }
    let more = facts.waiting.len().saturating_sub(MAX_WAITING);
    if more > 0 {
        story.line("", format!("and {} more", count(more, "pod", "pods")));
    }
}

fn members(facts: &IdentityFacts, now: Timestamp) -> serde_json::Map<String, Value> {
    let identity = &facts.identity;
    let waiting = facts.waiting.iter();
    let waiting = waiting.map(|(pod, wait)| json!({"pod": pod, "waits": story::wait_value(wait)}));
    let members = [
        ("namespace", json!(identity.namespace())),
        ("name", json!(identity.name_any())),
        ("user", json!(identity.spec.user)),
        ("class", json!(identity.spec.class)),
        ("google", json!(identity.spec.google_service_account)),
        ("ready", json!(identity.is_ready())),
        ("state", json!(story::state(identity, now))),
        ("waiting", waiting.collect::<Vec<_>>().into()),
    ];
    members
        .map(|(key, value)| (key.to_owned(), value))
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::facts::Wait;
    use super::*;
    use crate::answer::exit_status::ExitStatus;
    use crate::answer::golden;
    use crate::cluster::identities::tests::{NOW, identity};

    fn facts(user: &str, phase: &str, ready: &str, reason: &str) -> IdentityFacts {
        let message = "Google applies the binding; lately half of such pods waited 3 min, and 19 of 20 at most 6 min (NS2011)";
        let wait = Wait {
            reason: reason.to_owned(),
            message: message.to_owned(),
            since: "2026-11-29T11:57:00Z".parse().ok(),
        };
        let pods = if ready == "True" { 0 } else { 5 };
        IdentityFacts {
            identity: Box::new(identity(user, phase, ready, reason)),
            waiting: (1..=pods)
                .map(|at| (format!("t-{at}"), wait.clone()))
                .collect(),
        }
    }

    #[test]
    fn an_identity_that_is_not_ready_says_who_waits_and_how_long_it_takes() {
        let now = NOW.parse().unwrap();
        let facts = facts("bob", "Verifying", "False", "Propagating");
        let answer = of_identity(&facts, &[], now).answer();
        golden::check_as(
            "explain-identity",
            "explain identity mf-bob-aaaaaaaaaaaaaa -n research",
            &answer,
        );
        assert_eq!(answer.status, ExitStatus::Found);
        assert_eq!(answer.json["waiting"].as_array().map(Vec::len), Some(5));
    }

    #[test]
    fn a_user_without_the_right_to_read_the_rules_still_sees_the_identities() {
        let now = NOW.parse().unwrap();
        let facts = UserFacts {
            name: "alice@acme.com".to_owned(),
            by_rules: None,
            identities: vec![facts("alice", "InUse", "True", "Ready")],
            place: "namespace research".to_owned(),
            trace: None,
            unseen: vec![
                "the rules: not allowed to read ConfigMap namesake-system/namesake-rules"
                    .to_owned(),
            ],
        };
        let answer = of_user(&facts, now).answer();
        golden::check_as(
            "explain-user",
            "explain alice@acme.com -n research",
            &answer,
        );
        assert_eq!(answer.status, ExitStatus::Incomplete);
        let gone = UserFacts {
            unseen: Vec::new(),
            by_rules: Some("alice@acme.com is offboarded in the rules".to_owned()),
            identities: vec![super::tests::facts("alice", "Gone", "False", "Offboarded")],
            ..facts
        };
        assert_eq!(of_user(&gone, now).answer().status, ExitStatus::Fine);
    }
}
