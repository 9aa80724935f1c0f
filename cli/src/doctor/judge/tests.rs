mod broken;
mod healthy;

use kube::ResourceExt as _;
use namesake_api::names;

use super::*;
use crate::answer::exit_status::ExitStatus;
use crate::answer::golden;
use crate::check::Unreadable;
use crate::cluster::identities::tests::NOW;
use crate::doctor::report;
use broken::{BROKEN, Break, HIDDEN};
use healthy::{healthy, unreadable};

fn judged(facts: &Facts) -> Vec<Checked> {
    checked(facts, &Check::all(false), &[], NOW.parse().unwrap())
}

/// The words of the checks that found something, each with the first finding.
fn found(facts: &Facts) -> Vec<(&'static str, Finding)> {
    let all = judged(facts).into_iter();
    all.filter_map(|one| Some((one.check.word(), one.outcome.findings().first()?.clone())))
        .collect()
}

/// The first of [`BROKEN`] that the check of this word must find, and whose finding contains this text.
fn break_for(word: &str, text: &str) -> Break {
    let mut all = BROKEN.iter();
    let found = all.find(|(_, check, finding)| *check == word && finding.contains(text));
    found.unwrap().0
}

#[test]
fn an_installation_as_shipped_is_fine() {
    assert_eq!(found(&healthy()), []);
    let answer = report::answer(&judged(&healthy()));
    assert_eq!(answer.status, ExitStatus::Fine, "{}", answer.text);
    golden::check_as("doctor", "doctor", &answer);
}

#[test]
fn each_broken_link_is_found_by_its_check_with_a_command() {
    for (break_it, word, part) in BROKEN {
        let mut facts = healthy();
        break_it(&mut facts);
        let found = found(&facts);
        let hit = found.iter().find(|(check, _)| *check == word);
        let (_, finding) = hit.unwrap_or_else(|| panic!("{word}: {found:?}"));
        assert!(finding.what.contains(part), "{word}: {finding:?}");
        assert!(!finding.command.is_empty(), "{word}");
    }
}

#[test]
fn what_nobody_has_reported_lately_or_may_not_be_read_is_not_fine() {
    for (hide, words, part) in HIDDEN {
        let mut facts = healthy();
        hide(&mut facts);
        let all = judged(&facts).into_iter();
        let unseen =
            all.filter_map(|one| Some((one.check.word(), one.outcome.unseen()?.to_owned())));
        let unseen: Vec<_> = unseen.collect();
        for word in words {
            let why = unseen.iter().find(|(one, _)| one == word);
            let (_, why) = why.unwrap_or_else(|| panic!("{word}: {unseen:?}"));
            assert!(why.contains(part), "{word}: {why}");
        }
    }
}

#[test]
fn a_check_that_found_something_also_says_what_it_could_not_see() {
    let mut facts = healthy();
    facts.snapshot.network_policies = Ok(Vec::new());
    facts.snapshot.accounts = Err(unreadable("the service accounts"));
    facts.snapshot.token_secrets = Err(unreadable("the names of Secrets with tokens"));
    let exposure = checked(&facts, &[Check::Exposure], &[], NOW.parse().unwrap());
    let answer = report::answer(&exposure);
    assert_eq!(answer.status, ExitStatus::Incomplete);
    let not_seen = "the service accounts: no right, the names of Secrets with tokens: no right";
    for (format, parts) in [
        (&answer.text, ["1 critical, 0 warnings: network", not_seen]),
        (&answer.short, ["found exposure: ", not_seen]),
        (&answer.text, ["1 found something", "1 not seen"]),
    ] {
        for part in parts {
            assert!(format.contains(part), "{part}: {format}");
        }
    }
    assert_eq!(answer.json["checks"][0]["state"], "found");
    assert_eq!(answer.json["checks"][0]["notSeen"], not_seen);
    let [found, skipped] = answer.cases.as_slice() else {
        panic!("{:?}", answer.cases);
    };
    assert_eq!((found.found.len(), &found.skipped), (1, &None));
    assert_eq!(skipped.skipped.as_deref(), Some(not_seen));
}

#[test]
fn of_a_release_of_helm_the_commands_are_those_of_helm() {
    let by_helm = |facts: &mut Facts| {
        let installation = facts.snapshot.installation.as_mut().unwrap();
        let release = (names::HELM_RELEASE_ANNOTATION.to_owned(), "gold".to_owned());
        let validating = installation.validating.as_mut().unwrap();
        validating.annotations_mut().extend([release]);
    };
    let upgrade =
        "helm upgrade gold charts/namesake --namespace=namesake-system --reset-then-reuse-values";
    for word in [
        "webhooks",
        "policies",
        "broker-replicas",
        "versions",
        "metrics",
    ] {
        let mut facts = healthy();
        break_for(word, "")(&mut facts);
        let command = |facts: &Facts| {
            let mut found = found(facts).into_iter();
            let (_, finding) = found.find(|(check, _)| *check == word).unwrap();
            finding.command
        };
        let manifests = command(&facts);
        assert!(manifests.starts_with("kubectl apply"), "{manifests}");
        by_helm(&mut facts);
        let helm = command(&facts);
        assert!(helm.starts_with(upgrade), "{word}: {helm}");
    }
}

#[test]
fn an_authority_is_reported_three_months_before_it_expires() {
    let facts = healthy();
    let at = |now: &str| checked(&facts, &[Check::CaBundle], &[], now.parse().unwrap());
    let is_fine = |all: &[Checked]| matches!(all[0].outcome, Outcome::Fine(_));
    assert!(is_fine(&at(NOW)));
    assert!(!is_fine(&at("2036-11-20T00:00:00Z")));
}

#[test]
fn several_broken_links_are_all_reported_and_what_is_not_seen_is_named() {
    let mut facts = healthy();
    for (word, text) in [
        ("webhook-replicas", "rules are not loaded"),
        ("leader", ""),
        ("namespaces", ""),
    ] {
        break_for(word, text)(&mut facts);
    }
    facts.quota = Err(Unreadable {
        what: "the report of the broker",
        why: "User \"carol\" cannot get resource \"configmaps\"".to_owned(),
    });
    let answer = report::answer(&judged(&facts));
    assert_eq!(answer.status, ExitStatus::Incomplete);
    assert!(
        answer
            .short
            .contains("found leader: Lease namesake-system/namesake-broker: no broker holds it"),
        "{}",
        answer.short
    );
    golden::check_as("doctor-broken", "doctor", &answer);
    let skipped = answer
        .cases
        .iter()
        .find(|case| case.name == "quota")
        .unwrap();
    assert!(skipped.skipped.is_some());
    assert_eq!(answer.json["checks"][0]["state"], "ok");
}
