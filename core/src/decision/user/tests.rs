use proptest::prelude::*;

use super::*;
use crate::Launcher;
use crate::rules::tests::fixtures::{everything, example, rules};

fn requester(username: &str) -> Requester {
    Requester {
        username: username.to_owned(),
        groups: Vec::new(),
        has_credential_id: true,
    }
}

/// The user that a requester is, or the reason why it is not one; `claimed` is the value of the annotation.
fn user_of(rules: &Rules, username: &str, claimed: Option<&str>) -> Result<String, Reason> {
    let annotation = |key: &str| {
        claimed
            .filter(|_| key == "metaflow/user")
            .map(str::to_owned)
    };
    let user = rules.user(&requester(username), annotation);
    user.map(String::from).map_err(|refusal| refusal.reason)
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
    assert_eq!(user.map(String::from), Ok("alice@acme.com".to_owned()));
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
fn a_carrier_that_is_impersonated_is_not_one() {
    let rules = everything();
    let job_controller = requester("system:serviceaccount:kube-system:job-controller");
    let impersonated = Requester {
        has_credential_id: false,
        ..job_controller.clone()
    };
    let jobset = requester("system:serviceaccount:jobset-system:jobset-controller-manager");
    assert!(rules.is_carrier(&job_controller, Launcher::Job));
    assert!(!rules.is_carrier(&job_controller, Launcher::CronJob));
    assert!(!rules.is_carrier(&impersonated, Launcher::Job));
    assert!(rules.is_carrier(&jobset, Launcher::JobSet));
    assert!(!rules.is_carrier(&jobset, Launcher::Job));
    assert!(!example().is_carrier(&jobset, Launcher::JobSet));
    assert!(!rules.is_carrier(&requester("alice@acme.com"), Launcher::Job));
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

#[test]
fn admins_and_updaters_are_those_that_are_named() {
    let in_group = |group: &str| Requester {
        groups: vec![group.to_owned()],
        ..requester("eve@acme.com")
    };
    assert!(example().is_admin(&in_group("system:masters")));
    assert!(!example().is_admin(&in_group("platform@acme.com")));
    let rules = everything();
    assert!(rules.is_admin(&in_group("platform@acme.com")));
    assert!(rules.is_admin_group("platform@acme.com") && !rules.is_admin_group("system:masters"));
    assert!(rules.is_admin(&requester("Root@acme.com")));
    assert!(!rules.is_admin(&in_group("system:masters")));
    assert!(!rules.is_admin(&requester("")));
    let kueue = requester("system:serviceaccount:kueue-system:kueue-controller-manager");
    assert!(rules.is_updater(&kueue));
    let impersonated = Requester {
        has_credential_id: false,
        ..kueue
    };
    assert!(!rules.is_updater(&impersonated));
    assert!(
        !rules.is_updater(&requester("alice@acme.com")) && !example().is_updater(&requester(""))
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

#[test]
fn the_carriers_are_the_built_in_ones_and_those_that_the_rules_name() {
    let rules = everything();
    let carriers: Vec<_> = rules.carriers().collect();
    assert_eq!(
        carriers[..2],
        [
            "system:serviceaccount:kube-system:job-controller",
            "system:serviceaccount:kube-system:cronjob-controller"
        ]
    );
    assert!(carriers.len() > 2, "{carriers:?}");
    for carrier in carriers {
        let any = [
            Launcher::Job,
            Launcher::CronJob,
            Launcher::JobSet,
            Launcher::Workflow,
        ];
        let of_any = |kind: &Launcher| rules.is_carrier(&requester(carrier), *kind);
        assert!(any.iter().any(of_any), "{carrier}");
    }
}
