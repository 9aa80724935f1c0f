use super::*;
use crate::{
    Claims, Decision, GrantTarget, PodAttributes,
    rules::tests::fixtures::{everything, example, groups, pod_attributes, user},
};

fn per_user(name: &str) -> BTreeMap<Per, String> {
    BTreeMap::from([(Per::User, name.to_owned())])
}

/// What the webhook requests for alice's pod in namespace `research`.
fn alice(values: &BTreeMap<Per, String>) -> RequestedIdentity<'_> {
    RequestedIdentity {
        namespace: "research",
        class: "research",
        user: "alice@acme.com",
        groups: &[],
        values,
    }
}

#[test]
fn the_broker_derives_the_name_that_the_webhook_chose() {
    let (rules, alice) = (everything(), user("alice@acme.com"));
    let release = groups(&rules, &["release@acme.com"]);
    let claims = Claims {
        flow: Some("F"),
        step: Some("start"),
        project: Some("churn"),
        labels: &|_| None,
    };
    for namespace in ["prod", "research"] {
        let Decision::Identity(choice) = rules.decide(&PodAttributes {
            namespace,
            claims,
            ..pod_attributes(&alice, &release)
        }) else {
            panic!("{namespace}");
        };
        let groups: Vec<String> = release.members().map(str::to_owned).collect();
        let requested = RequestedIdentity {
            namespace,
            class: &choice.class,
            user: "alice@acme.com",
            groups: &groups,
            values: &choice.values,
        };
        let spec = rules.derive_identity(&requested).unwrap();
        assert_eq!((spec.name, spec.values), (choice.name, choice.values));
    }
}

#[test]
fn everything_is_derived_from_the_rules() {
    let values = per_user("alice@acme.com");
    let requested = RequestedIdentity {
        namespace: "research",
        class: "research",
        user: "alice@acme.com",
        groups: &[],
        values: &values,
    };
    let spec = example().derive_identity(&requested).unwrap();
    assert_eq!(spec.key, "alice-4k72lwgc2tsmxd");
    assert_eq!(spec.user, Some(user("alice@acme.com")));
    assert_eq!(
        spec.google_service_account.as_deref(),
        Some("mf-alice-4k72lwgc2tsmxd@acme-identities.iam.gserviceaccount.com")
    );
    assert_eq!(
        (spec.mode, spec.project.as_str(), spec.pinned),
        (Mode::Impersonate, "acme-identities", false)
    );
    let on = GrantTarget::Folder {
        bucket: "acme-mf".to_owned(),
        folder: "users/alice-4k72lwgc2tsmxd/".to_owned(),
    };
    assert_eq!(
        spec.grants,
        [Grant {
            role: "roles/storage.objectUser".to_owned(),
            on
        }]
    );
}

#[test]
fn a_pinned_user_keeps_their_account_in_personal_classes_only() {
    let rules = everything();
    let values = per_user("bob@acme.com");
    let requested = RequestedIdentity {
        namespace: "research",
        class: "personal",
        user: "bob@acme.com",
        groups: &[],
        values: &values,
    };
    let spec = rules.derive_identity(&requested).unwrap();
    assert!(spec.pinned);
    assert_eq!(
        spec.google_service_account.as_deref(),
        Some("bob-ml@acme-data.iam.gserviceaccount.com")
    );
    assert_eq!(spec.project, "acme-data");
    assert_eq!(
        (spec.role_bindings, spec.image_pull_secrets),
        (
            vec!["metaflow-task".to_owned()],
            vec!["registry".to_owned()]
        )
    );
    let values = BTreeMap::from([
        (Per::User, "bob@acme.com".to_owned()),
        (Per::Project, "churn".to_owned()),
    ]);
    let spec = rules
        .derive_identity(&RequestedIdentity {
            class: "project",
            values: &values,
            ..requested
        })
        .unwrap();
    assert!(
        !spec.pinned
            && spec
                .google_service_account
                .is_some_and(|email| email.starts_with("mf-bob-"))
    );
}

#[test]
fn a_direct_identity_has_no_google_account_and_a_shared_one_no_user() {
    let values = [
        (Per::Project, "churn"),
        (Per::Flow, "F"),
        (Per::Step, "start"),
    ]
    .map(|(per, value)| (per, value.to_owned()));
    let (groups, values) = (["release@acme.com".to_owned()], values.into());
    let requested = RequestedIdentity {
        namespace: "prod",
        class: "pipeline",
        user: "alice@acme.com",
        groups: &groups,
        values: &values,
    };
    let spec = everything().derive_identity(&requested).unwrap();
    assert_eq!(
        (spec.mode, spec.google_service_account, spec.user),
        (Mode::Direct, None, None)
    );
}

type Change = fn(&mut RequestedIdentity<'_>);

#[test]
fn what_the_rules_do_not_give_is_refused() {
    let changes: [(Reason, Change); 8] = [
        (Reason::IllegalUser, |requested| {
            requested.user = "Alice@acme.com";
        }),
        (Reason::IllegalUser, |requested| requested.user = ""),
        (Reason::IllegalUser, |requested| {
            requested.user = "müller@acme.com";
        }),
        (Reason::Offboarded, |requested| {
            requested.user = "mallory@acme.com";
        }),
        (Reason::NotEntitled, |requested| {
            requested.user = "eve@evil.com";
        }),
        (Reason::NotEntitled, |requested| {
            requested.namespace = "other";
        }),
        (Reason::UnknownClass, |requested| requested.class = "admin"),
        (Reason::WrongValues, |requested| {
            requested.user = "bob@acme.com";
        }),
    ];
    let values = per_user("alice@acme.com");
    for (reason, change) in changes {
        let mut requested = alice(&values);
        assert!(example().derive_identity(&requested).is_ok());
        change(&mut requested);
        assert_eq!(
            example()
                .derive_identity(&requested)
                .map_err(|refusal| refusal.reason),
            Err(reason)
        );
    }
}

#[test]
fn values_are_for_exactly_the_keys_of_per() {
    let refusal = |rules: &Rules, class: &str, per: Per, value: &str| {
        let mut values = per_user("alice@acme.com");
        values.insert(per, value.to_owned());
        rules
            .derive_identity(&RequestedIdentity {
                class,
                ..alice(&values)
            })
            .unwrap_err()
    };
    assert_eq!(
        refusal(&example(), "research", Per::Flow, "F").reason,
        Reason::WrongValues
    );
    assert_eq!(
        refusal(&everything(), "project", Per::Flow, "F").reason,
        Reason::WrongValues
    );
    assert_eq!(
        refusal(&everything(), "project", Per::Project, "a/b").message,
        "The project \"a/b\" cannot have an identity: the character '/' is not allowed. Rename it."
    );
}

#[test]
fn membership_of_a_group_is_enough() {
    let rules = example();
    let (values, groups) = (
        per_user("carol@partner.example"),
        ["research@acme.com".to_owned()],
    );
    let requested = RequestedIdentity {
        namespace: "research",
        class: "research",
        user: "carol@partner.example",
        groups: &groups,
        values: &values,
    };
    assert!(rules.derive_identity(&requested).is_ok());
    assert!(
        rules
            .derive_identity(&RequestedIdentity {
                groups: &[],
                ..requested
            })
            .is_err()
    );
}

#[test]
fn an_existing_identity_is_derived_again_without_proof_of_groups() {
    let rules = everything();
    let values = per_user("alice@acme.com");
    let asked = rules
        .derive_identity(&RequestedIdentity {
            class: "personal",
            ..alice(&values)
        })
        .unwrap();
    assert_eq!(
        rules
            .rederive_identity("research", "personal", &values)
            .unwrap(),
        asked
    );
    let values = BTreeMap::from([
        (Per::Project, "churn".to_owned()),
        (Per::Flow, "F".to_owned()),
        (Per::Step, "start".to_owned()),
    ]);
    let again = rules
        .rederive_identity("prod", "pipeline", &values)
        .unwrap();
    assert_eq!((again.user, again.mode), (None, Mode::Direct));
}

#[test]
fn what_the_rules_no_longer_give_is_not_derived_again() {
    let rules = everything();
    let refused = |namespace, class, user| {
        let refused = rules
            .rederive_identity(namespace, class, &per_user(user))
            .unwrap_err();
        refused.reason
    };
    assert_eq!(
        refused("research", "gone", "alice@acme.com"),
        Reason::UnknownClass
    );
    assert_eq!(
        refused("research", "personal", "eve@elsewhere.com"),
        Reason::NotEntitled
    );
    assert_eq!(
        refused("research", "project", "alice@acme.com"),
        Reason::WrongValues
    );
    let values = BTreeMap::from([
        (Per::Project, "churn".to_owned()),
        (Per::Flow, "F".to_owned()),
        (Per::Step, "start".to_owned()),
    ]);
    let elsewhere = rules
        .rederive_identity("research", "pipeline", &values)
        .unwrap_err();
    assert_eq!(elsewhere.reason, Reason::NotEntitled);
}
