use super::*;
use crate::commands::rules::replay::tests::{identities, rules};

fn effect(from: &str, to: &str) -> Effect {
    let live = Live {
        identities: Some(identities()),
        quotas: BTreeMap::from([
            (
                "google_service_accounts.acme-identities".to_owned(),
                "82 of 100, full in 9 days".to_owned(),
            ),
            (
                "policy_principals.bucket_acme-mf".to_owned(),
                "310 of 1500".to_owned(),
            ),
            ("service_accounts.cluster".to_owned(), "5000".to_owned()),
        ]),
        pods: BTreeMap::from([(("research".to_owned(), identities()[1].name_any()), 2)]),
        ..Live::default()
    };
    Effect::of(
        (&rules("", ""), &rules(from, to)),
        &ReplayReport::default(),
        &live,
    )
}

fn then(effect: &Effect) -> Vec<(&str, &Then)> {
    let each = effect.identities.iter();
    each.map(|one| (one.user.as_str(), &one.then)).collect()
}

#[test]
fn the_same_rules_change_nothing() {
    let same = effect("", "");
    assert_eq!((same.is_empty(), same.takes_away()), (true, false));
    assert_eq!(same.counts.identities.all, 2);
}

#[test]
fn who_is_offboarded_loses_identity_grants_and_place_in_the_quotas() {
    let effect = effect("offboarded: []", "offboarded: [bob@acme.com]");
    assert_eq!(then(&effect), [("bob@acme.com", &Then::Drains)]);
    assert_eq!(effect.identities[0].pods, 2);
    let removed = "roles/storage.objectUser on folder acme-mf/users/{key}/";
    let grant = |added, grant: &str| ChangedGrant {
        added,
        grant: grant.to_owned(),
        identities: 1,
    };
    assert_eq!(effect.grants, [grant(false, removed)]);
    let after: Vec<_> = effect
        .quotas
        .iter()
        .map(|one| (one.kind, one.after().unwrap()))
        .collect();
    assert_eq!(
        after,
        [
            (GOOGLE_ACCOUNTS, "81 of 100".to_owned()),
            (SERVICE_ACCOUNTS, "4999".to_owned())
        ]
    );
    assert_eq!(
        effect.counts.sentences(),
        ["this edit takes away 1 of 2 identities"]
    );
}

#[test]
fn another_project_is_another_account_with_all_of_its_grants() {
    let effect = effect("project: acme-identities", "project: acme-others");
    let accounts = then(&effect);
    assert_eq!(accounts.len(), 2);
    assert!(
        matches!(accounts[0].1, Then::Account(Some(account)) if account.ends_with("@acme-others.iam.gserviceaccount.com"))
    );
    let grants: Vec<_> = effect
        .grants
        .iter()
        .map(|one| (one.added, one.identities))
        .collect();
    assert_eq!(grants, [(false, 2), (true, 2)]);
    let changes: Vec<_> = effect
        .quotas
        .iter()
        .map(|one| (one.whose.as_str(), one.change))
        .collect();
    assert_eq!(changes, [("acme-identities", -2), ("acme-others", 2)]);
    assert_eq!(effect.quotas[1].after(), None);
}

#[test]
fn a_changed_grant_is_one_line_for_all_identities_of_the_class() {
    let effect = effect("folder: \"users/{key}/\"", "prefix: \"users/{key}/\"");
    assert!(effect.identities.is_empty(), "{effect:?}");
    assert!(effect.takes_away());
    let grants: Vec<_> = effect
        .grants
        .iter()
        .map(|one| (one.added, one.grant.as_str(), one.identities))
        .collect();
    assert_eq!(
        grants,
        [
            (
                false,
                "roles/storage.objectUser on folder acme-mf/users/{key}/",
                2
            ),
            (
                true,
                "roles/storage.objectUser on objects acme-mf/users/{key}/*",
                2
            ),
        ]
    );
    assert_eq!(effect.quotas[0].whose, "bucket/acme-mf");
    assert_eq!(effect.quotas[0].after().unwrap(), "312 of 1500");
}

#[test]
fn a_quota_that_does_not_suffice_says_so() {
    let quota = ChangedQuota {
        kind: GOOGLE_ACCOUNTS,
        whose: "p".to_owned(),
        now: Some("99 of 100, full in 1 hours".to_owned()),
        change: 2,
    };
    assert_eq!(quota.after().unwrap(), "101 of 100: too many");
}
