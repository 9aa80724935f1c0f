use proptest::prelude::*;

use super::*;
use crate::rules::tests::fixtures::{everything, example, requester, rules};

/// The user that a requester is, or the reason why it is not one; `claimed` is the value of the annotation.
fn user_of(rules: &Rules, username: &str, claimed: Option<&str>) -> Result<String, Reason> {
    let annotation = |key: &str| {
        claimed
            .filter(|_| key == "metaflow/user")
            .map(str::to_owned)
    };
    let user = rules.user(&requester(username), annotation);
    user.map(|user| user.to_string())
        .map_err(|refusal| refusal.reason)
}

#[test]
fn requesters_become_users_as_the_rules_say() {
    let rules = everything();
    for (username, user) in [
        ("alice@acme.com", "alice@acme.com"),
        ("ALICE@Acme.com", "alice@acme.com"),
        ("müller@acme.com", "müller@acme.com"),
        ("system:serviceaccount:hub:jupyter-alice", "alice@acme.com"),
        ("system:serviceaccount:hub:jupyter-a-b", "a-b@acme.com"),
        (
            "system:serviceaccount:nightly:bot-7",
            "7.nightly@bots.acme.com",
        ),
        ("oidc:Bob", "Bob"),
        ("oidc:Bob@Elsewhere.example", "bob@elsewhere.example"),
    ] {
        assert_eq!(
            user_of(&rules, username, None),
            Ok(user.to_owned()),
            "{username}"
        );
    }
}

#[test]
fn requesters_that_are_not_users_are_refused() {
    let rules = everything();
    let long = format!("{}@acme.com", "a".repeat(300));
    for (username, reason) in [
        ("", Reason::EmptyRequester),
        ("alice@evil.com", Reason::UnknownRequester),
        ("alice@acme.com.evil.com", Reason::UnknownRequester),
        (
            "system:serviceaccount:kube-system:job-controller",
            Reason::UnknownRequester,
        ),
        (&long, Reason::IllegalUser),
        ("\u{1f600}@acme.com", Reason::IllegalUser),
        ("Müller@evil.com", Reason::IllegalUser),
        ("аlice@acme.com", Reason::IllegalUser),
        ("../bob@acme.com", Reason::IllegalUser),
        ("mallory@evil.com@acme.com", Reason::IllegalUser),
        ("alice @acme.com", Reason::IllegalUser),
        ("alice.@acme.com", Reason::IllegalUser),
        ("@acme.com", Reason::IllegalUser),
        ("*@acme.com", Reason::IllegalUser),
        ("system:serviceaccount:hub:jupyter-", Reason::IllegalUser),
        (
            "system:serviceaccount:hub:jupyter-bob@evil.com",
            Reason::IllegalUser,
        ),
        ("oidc:../bob", Reason::IllegalUser),
    ] {
        assert_eq!(user_of(&rules, username, None), Err(reason), "{username}");
    }
}

#[test]
fn what_a_star_matched_is_not_filled_in_again() {
    let text = include_str!("../../../testdata/everything.yaml")
        .replace("\"{2}.{1}@bots.acme.com\"", "\"{1}.{2}@bots.acme.com\"");
    let sneaky = "system:serviceaccount:{2}:bot-bob";
    assert_eq!(
        user_of(&rules(&text), sneaky, None),
        Ok("{2}.bob@bots.acme.com".to_owned())
    );
}

#[test]
fn a_claim_counts_only_within_may_claim() {
    let rules = everything();
    let ci = "system:serviceaccount:ci:runner";
    assert_eq!(
        user_of(&rules, ci, Some("Alice@acme.com")),
        Ok("alice@acme.com".to_owned())
    );
    assert_eq!(
        user_of(&rules, ci, Some("müller@acme.com")),
        Ok("müller@acme.com".to_owned())
    );
    assert_eq!(
        user_of(&rules, ci, Some("alice@evil.com")),
        Err(Reason::ClaimNotAllowed)
    );
    assert_eq!(
        user_of(&rules, ci, Some("мallory@acme.com")),
        Err(Reason::IllegalUser)
    );
    assert_eq!(user_of(&rules, ci, Some("")), Err(Reason::MissingClaim));
    assert_eq!(user_of(&rules, ci, None), Err(Reason::MissingClaim));
}

#[test]
fn a_claim_of_another_requester_is_not_read() {
    let alice = requester("alice@acme.com");
    let user = example().user(&alice, |key| panic!("{key} was read"));
    assert_eq!(
        user.map(|user| user.to_string()),
        Ok("alice@acme.com".to_owned())
    );
}

#[test]
fn only_unknown_requesters_are_handled_by_no_match() {
    for (rules, is_kept) in [(everything(), true), (example(), false)] {
        let decision_of = |username: &str| {
            rules.decision_without_user(rules.user(&requester(username), |_| None).unwrap_err())
        };
        assert_eq!(decision_of("alice@evil.com") == Decision::Keep, is_kept);
        for username in ["", "../bob@acme.com", "system:serviceaccount:ci:runner"] {
            assert!(
                matches!(decision_of(username), Decision::Deny(_)),
                "{username}"
            );
        }
    }
}

#[test]
fn a_refusal_names_the_requester_and_what_to_do() {
    let message = |username: &str| {
        example()
            .user(&requester(username), |_| None)
            .unwrap_err()
            .message
    };
    assert_eq!(
        message("eve@evil.com"),
        "No entry of users in the rules of stack prod matches the requester \"eve@evil.com\". Sign in with another account, or \
         ask your admin to add an entry."
    );
    assert_eq!(
        message("a\u{7}b@acme.com"),
        "\"a\\u{7}b@acme.com\" cannot be a user: the character '\\u{7}' is not allowed. Sign in with another account, or \
         ask your admin to map this one to a user."
    );
    assert!(message(&"x".repeat(1_000_000)).len() < 400);
}

#[test]
fn a_carrier_is_not_a_user_whatever_the_rules_match() {
    let text = include_str!("../../../testdata/example.yaml").replace("\"*@acme.com\"}", "\"*\"}");
    let rules = rules(&text);
    assert!(user_of(&rules, "system:serviceaccount:any:thing", None).is_ok());
    let job_controller = "system:serviceaccount:kube-system:job-controller";
    assert_eq!(
        user_of(&rules, job_controller, None),
        Err(Reason::UnknownRequester)
    );
}

#[test]
fn an_impersonated_service_account_is_not_a_user() {
    let impersonated = |username: &str| {
        let requester = Requester {
            has_credential_id: false,
            ..requester(username)
        };
        let user = everything().user(&requester, |_| Some("alice@acme.com".to_owned()));
        user.map_err(|refusal| refusal.reason)
    };
    for account in [
        "system:serviceaccount:hub:jupyter-alice",
        "system:serviceaccount:ci:runner",
    ] {
        assert_eq!(
            impersonated(account),
            Err(Reason::Impersonated),
            "{account}"
        );
    }
    assert!(
        impersonated("alice@acme.com").is_ok(),
        "tokens of people have a credential id on some clusters only"
    );
}

proptest! {
    #[test]
    fn every_user_is_canonical_whatever_the_requester(
        begin in prop_oneof![Just(""), Just("oidc:"), Just("system:serviceaccount:hub:jupyter-"), Just("system:serviceaccount:ci:runner")],
        rest in any::<String>(),
        claimed in any::<Option<String>>(),
    ) {
        if let Ok(user) = user_of(&everything(), &format!("{begin}{rest}"), claimed.as_deref()) {
            prop_assert!(User::exact(&user).is_ok());
        }
    }
}
