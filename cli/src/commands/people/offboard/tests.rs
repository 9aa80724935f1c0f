use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;

use super::*;
use crate::answer::golden;
use crate::cluster::connect;
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
    let remains = Remains {
        objects: match direction {
            Direction::Offboard => vec!["CronJob research/nightly".to_owned()],
            Direction::Return => Vec::new(),
        },
        unseen: Vec::new(),
    };
    let rules = (&files, &edited);
    plan("namesake-system", BOB, direction, (mine, &remains), rules)
}

#[test]
fn the_plan_of_an_offboarding_shows_each_identity_and_the_edit() {
    let mine = [identity("bob", "InUse", "True", "Ready")];
    let plan = planned("offboarded: [carol@acme.com]\n", Direction::Offboard, &mine);
    assert_eq!(plan.cases.len(), 2, "the identity and the rules");
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
    golden::check_as("return", "return bob@acme.com", &plan);
    let there = planned("returned: [bob@acme.com]\n", Direction::Return, &mine);
    assert!(
        there.text.contains("nothing to do") && there.short.is_empty(),
        "{}",
        there.text
    );
}

#[test]
fn rules_that_are_not_valid_or_not_in_a_known_form_are_not_edited() {
    for (more, status) in [
        ("nonsense: 1\n", ExitStatus::Incomplete),
        ("offboarded: [\n  carol@acme.com]\n", ExitStatus::Usage),
    ] {
        let failure = edited(&files(more), BOB, Direction::Offboard).unwrap_err();
        assert_eq!(failure.status(), status, "{failure}");
    }
    let test = "tests: [{as: bob@acme.com, in: research, expect: keep}]\n";
    let failure = edited(&files(test), BOB, Direction::Offboard).unwrap_err();
    assert!(
        failure.to_string().contains("would be refused"),
        "{failure}"
    );
    let failure = edited(&files(""), "not a user", Direction::Offboard).unwrap_err();
    assert_eq!(failure.status(), ExitStatus::Usage, "{failure}");
}

#[test]
fn a_plan_without_the_right_to_list_what_remains_is_incomplete() {
    let files = files("");
    let remains = Remains {
        objects: Vec::new(),
        unseen: vec!["not allowed to list jobs".to_owned()],
    };
    let rules = (&files, &None);
    let plan = plan(
        "namesake-system",
        BOB,
        Direction::Offboard,
        (&[], &remains),
        rules,
    );
    assert_eq!(plan.status, ExitStatus::Incomplete);
    assert!(
        plan.text.contains("NOT SEEN not allowed to list jobs"),
        "{}",
        plan.text
    );
}

#[test]
fn a_receipt_names_what_is_gone_and_what_is_left_and_says_when_all_is_gone() {
    let grant = json!({"role": "roles/storage.objectUser", "bucket": "acme-mf", "folder": "users/bob-aaaaaaaaaaaaaa/"});
    let reader = json!({"role": "roles/bigquery.user", "project": "acme"});
    let bob = |phase: &str| {
        let mut bob = identity("bob", phase, "False", "Offboarded");
        bob.spec.grants = [&grant, &reader]
            .map(|one| serde_json::from_value(one.clone()).unwrap())
            .to_vec();
        bob.metadata.creation_timestamp = Some(time("2026-06-01T08:00:00Z"));
        let status = bob.status.as_mut().unwrap();
        status.phase_time = Some(time("2026-11-29T11:57:00Z"));
        status.last_used_time = Some(time("2026-11-27T16:20:00Z"));
        bob
    };
    let mut mine = [bob("Offboarding")];
    let status = mine[0].status.as_mut().unwrap();
    status.left = vec!["CronJob nightly".to_owned()];
    status.service_account_uid = Some("1".to_owned());
    status.google_service_account_id = Some("2".to_owned());
    let written = json!({"grant": grant, "member": "serviceAccount:x"});
    status.grants = vec![serde_json::from_value(written).unwrap()];
    let left = receipt::answer(BOB, &mine, None);
    assert_eq!(left.status, ExitStatus::Found);
    golden::check_as("offboard-receipt", "offboard bob@acme.com --receipt", &left);
    let gone = receipt::answer(BOB, &[bob("Gone")], None);
    assert_eq!(gone.status, ExitStatus::Fine);
    for part in [
        "All of bob@acme.com is gone",
        "gone  Google service account mf-bob-aaaaaaaaaaaaaa@acme-identities",
        "gone  grant roles/bigquery.user on project acme",
        "gone  Kubernetes service account",
        "created 2026-06-01T08:00:00Z",
    ] {
        assert!(gone.text.contains(part), "{part}: {}", gone.text);
    }
    assert_eq!(gone.json["identities"][0]["since"], "2026-11-29T11:57:00Z");
    assert!(
        receipt::answer(BOB, &[], None)
            .text
            .contains("has no identity")
    );
    // Nothing of somebody who works is gone, and a pinned account is not theirs.
    let working = receipt::answer(BOB, &[bob("InUse")], None);
    assert!(!working.text.contains("gone  "), "{}", working.text);
    let mut pinned = bob("Gone");
    pinned.spec.pinned = true;
    let pinned = receipt::answer(BOB, &[pinned], None);
    assert!(
        !pinned.text.contains("gone  Google service account"),
        "{}",
        pinned.text
    );
}

/// A session with `-n research` on an API server where bob is gone in research and works in try, and perhaps only research may be
/// read.
fn in_research(may_list_all: bool) -> Session {
    let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
        let is_research = request.uri().path().contains("/namespaces/research/");
        let gone = identity("bob", "Gone", "False", "Offboarded");
        let mut works = identity("bob", "InUse", "True", "Ready");
        works.metadata.namespace = Some("try".to_owned());
        let (status, body) = match (is_research, may_list_all) {
            (true, _) => (200, json!({"metadata": {}, "items": [gone]})),
            (false, true) => (200, json!({"metadata": {}, "items": [gone, works]})),
            (false, false) => (
                403,
                json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "no", "code": 403}),
            ),
        };
        let body = kube::client::Body::from(body.to_string().into_bytes());
        let answer = http::Response::builder().status(status).body(body);
        async move { answer }
    });
    Session {
        namespace: Some("research".to_owned()),
        ..connect::tests::session(kube::Client::new(service, "default"))
    }
}

#[tokio::test]
async fn a_receipt_is_about_all_namespaces_or_says_which_it_did_not_see() {
    let options = Offboard {
        user: BOB.to_owned(),
        receipt: true,
    };
    let all = run(&in_research(true), &options).await.unwrap();
    assert!(all.text.contains("try/mf-bob"), "{}", all.text);
    assert_eq!(all.status, ExitStatus::Found);
    let one = run(&in_research(false), &options).await.unwrap();
    assert_eq!(one.status, ExitStatus::Incomplete);
    assert!(!one.text.contains("is gone"), "{}", one.text);
    let part = "NOT SEEN identities outside namespace research: ";
    assert!(one.text.contains(part), "{}", one.text);
    assert!(one.cases.last().unwrap().skipped.is_some());
}

fn time(text: &str) -> Time {
    Time(text.parse().unwrap())
}
