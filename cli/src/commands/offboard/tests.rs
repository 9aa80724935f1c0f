use super::*;
use crate::answer::golden;
use crate::cluster::identities::tests::identity;

const BOB: &str = "bob@acme.com";

fn files(more: &str) -> RulesFiles {
    let text = format!(
        "apiVersion: namesake.dev/v1alpha1\nkind: MappingRules\nstack: prod\n\
         cluster: projects/acme/locations/us-central1/clusters/ml\nusers:\n- {{requester: \"*@acme.com\"}}\nnoMatch: keep\n{more}"
    );
    RulesFiles::from([("rules.yaml".to_owned(), text)])
}

fn planned(more: &str, direction: Direction, mine: &[Identity]) -> Answer {
    let files = files(more);
    let edited = edited(&files, BOB, direction).unwrap();
    plan("namesake-system", BOB, direction, mine, &files, &edited)
}

#[test]
fn the_plan_of_an_offboarding_shows_each_identity_and_the_edit() {
    let mine = [identity("bob", "InUse", "True", "Ready")];
    let plan = planned("offboarded: [carol@acme.com]\n", Direction::Offboard, &mine);
    golden::check_as("offboard", "offboard bob@acme.com", &plan);
    let patch: serde_json::Value = serde_json::from_str(&plan.short).unwrap();
    let rules = patch["data"]["rules.yaml"].as_str().unwrap();
    assert!(
        rules.ends_with("offboarded: [carol@acme.com, bob@acme.com]\n"),
        "{rules}"
    );
}

#[test]
fn a_return_removes_the_user_from_offboarded_and_adds_them_to_returned() {
    let mine = [identity("bob", "Gone", "False", "Offboarded")];
    let plan = planned("offboarded:\n- bob@acme.com\n", Direction::Return, &mine);
    assert!(plan.text.contains("is restored"), "{}", plan.text);
    assert!(
        plan.text.contains("+returned: [bob@acme.com]"),
        "{}",
        plan.text
    );
    let there = planned("returned: [bob@acme.com]\n", Direction::Return, &mine);
    assert!(
        there.text.contains("nothing to do") && there.short.is_empty(),
        "{}",
        there.text
    );
}

#[test]
fn rules_that_are_not_valid_or_not_in_a_known_form_are_not_edited() {
    for more in ["nonsense: 1\n", "offboarded: [\n  carol@acme.com]\n"] {
        let failure = edited(&files(more), BOB, Direction::Offboard).unwrap_err();
        assert_eq!(failure.status(), ExitStatus::Usage, "{failure}");
    }
    let failure = edited(&files(""), "not a user", Direction::Offboard).unwrap_err();
    assert_eq!(failure.status(), ExitStatus::Usage, "{failure}");
}

#[test]
fn a_receipt_names_what_is_left_and_says_when_all_is_gone() {
    let mut mine = [identity("bob", "Offboarding", "False", "Offboarded")];
    let status = mine[0].status.as_mut().unwrap();
    status.left = vec!["CronJob nightly".to_owned()];
    status.service_account_uid = Some("1".to_owned());
    let left = receipt(BOB, &mine);
    assert_eq!(left.status, ExitStatus::Found);
    golden::check_as("offboard-receipt", "offboard bob@acme.com --receipt", &left);
    let gone = receipt(BOB, &[identity("bob", "Gone", "False", "Offboarded")]);
    assert_eq!(gone.status, ExitStatus::Fine);
    assert!(
        gone.text.contains("All of bob@acme.com is gone"),
        "{}",
        gone.text
    );
    assert!(receipt(BOB, &[]).text.contains("has no identity"));
}
