use proptest::prelude::*;

use super::*;
use crate::{Edit, MemberBinding};

const ROLE: &str = "roles/storage.objectUser";
const ALICE: &str = "serviceAccount:mf-alice@acme.iam.gserviceaccount.com";

// A policy with everything that is not ours: an unknown field, a condition, unusual spelling, audit settings.
fn foreign() -> Value {
    json!({
        "version": 3, "etag": "BwX0", "auditConfigs": [{"service": "allServices"}], "novelty": {"a": [1]},
        "bindings": [
            {"role": ROLE, "members": ["user:Bob@Acme.com", "allUsers"], "bindingId": "7"},
            {"role": ROLE, "members": ["group:g@acme.com"], "condition": {
                "title": "until", "description": "d", "expression": "request.time < timestamp('2027-01-01T00:00:00Z')"}},
            {"role": "roles/x", "members": ["deleted:user:x@acme.com?uid=1"]},
        ],
    })
}

fn policy() -> Policy {
    Policy::parse(foreign()).unwrap()
}

fn condition() -> Condition {
    Condition {
        title: "folder".to_owned(),
        expression: "resource.name.startsWith('x')".to_owned(),
    }
}

#[test]
fn add_changes_nothing_else_and_remove_restores_the_policy() {
    let mut changed = policy();
    changed.add(ROLE, ALICE, None);
    changed.add("roles/new", ALICE, None);
    changed.add(ROLE, ALICE, Some(&condition()));
    assert_eq!(
        changed.to_json()["bindings"],
        json!([
            {"role": ROLE, "members": ["user:Bob@Acme.com", "allUsers", ALICE], "bindingId": "7"},
            foreign()["bindings"][1],
            foreign()["bindings"][2],
            {"role": "roles/new", "members": [ALICE]},
            {"role": ROLE, "members": [ALICE], "condition": {
                "title": "folder", "expression": "resource.name.startsWith('x')"}},
        ])
    );
    changed.remove(ROLE, ALICE, None);
    changed.remove("roles/new", ALICE, None);
    assert!(changed.has(ROLE, ALICE, Some(&condition())));
    changed.remove(ROLE, ALICE, Some(&condition()));
    assert_eq!(changed.to_json(), foreign());
}

#[test]
fn adding_a_member_twice_changes_nothing() {
    let mut once = policy();
    once.add(ROLE, ALICE, None);
    let mut twice = once.clone();
    twice.add(ROLE, ALICE, None);
    assert_eq!(once, twice);
}

#[test]
fn removing_an_absent_member_changes_nothing() {
    let mut changed = policy();
    changed.remove(ROLE, ALICE, None);
    changed.remove("roles/none", "user:Bob@Acme.com", None);
    changed.remove(ROLE, "group:g@acme.com", None);
    changed.remove_member("user:nobody@acme.com");
    assert_eq!(changed, policy());
    let mut empty = Policy::parse(json!({"etag": "ACAB"})).unwrap();
    empty.remove_member(ALICE);
    assert_eq!(empty, Policy::parse(json!({"etag": "ACAB"})).unwrap());
}

#[test]
fn a_member_under_a_condition_is_not_a_member_without_it() {
    let policy = policy();
    assert!(!policy.has(ROLE, "group:g@acme.com", None));
    assert!(policy.members(ROLE).any(|m| m == "group:g@acme.com"));
    let bindings = policy.bindings.iter();
    let of_group = bindings.filter(|b| members(b).any(|member| member == "group:g@acme.com"));
    let roles: Vec<_> = of_group
        .map(|b| (b["role"].as_str().unwrap(), condition_of(b).is_some()))
        .collect();
    assert_eq!(roles, [(ROLE, true)]);
}

#[test]
fn only_the_entry_of_our_deleted_account_is_removed() {
    let ours = format!("deleted:{ALICE}?uid=123");
    let similar = "deleted:serviceAccount:mf-alice2@acme.iam.gserviceaccount.com?uid=1";
    let with = |first: &str| {
        let json = json!({"etag": "e", "bindings": [{"role": ROLE, "members": [first, similar]}]});
        Policy::parse(json).unwrap()
    };
    let mut changed = with(&ours);
    changed.add(ROLE, ALICE, None);
    assert_eq!(changed.members(ROLE).collect::<Vec<_>>(), [similar, ALICE]);
    changed.remove_member(ALICE);
    assert_eq!(changed.members(ROLE).collect::<Vec<_>>(), [similar]);
}

#[test]
fn the_first_binding_of_an_unset_policy_is_written_with_its_etag() {
    let mut policy = Policy::parse(json!({"etag": "ACAB"})).unwrap();
    policy.add(ROLE, ALICE, None);
    assert_eq!(
        policy.to_json(),
        json!({"etag": "ACAB", "version": 3, "bindings": [{"role": ROLE, "members": [ALICE]}]})
    );
    policy.remove(ROLE, ALICE, None);
    assert_eq!(policy.to_json()["bindings"], json!([]));
}

#[test]
fn members_are_counted_at_each_occurrence() {
    assert_eq!(policy().member_count(), 4);
    assert!(policy().bytes() > 300);
}

#[test]
fn answers_that_are_not_a_policy_are_rejected() {
    for json in [
        json!(null),
        json!([]),
        json!({"bindings": {}}),
        json!({"bindings": ["x"]}),
        json!({"bindings": [{"role": "r", "members": "m"}]}),
    ] {
        assert_eq!(Policy::parse(json.clone()), None, "{json}");
    }
}

// As Google answers: no binding is empty. Few different values, so that roles, members and conditions often coincide.
fn any_binding() -> impl Strategy<Value = Value> {
    let member = prop_oneof![
        Just(ALICE),
        Just("user:b@x"),
        Just("deleted:user:b@x?uid=1"),
        Just("allUsers")
    ];
    let condition = prop_oneof![
        Just(json!(null)),
        Just(
            json!({"title": "folder", "expression": "resource.name.startsWith('x')", "description": "d"})
        ),
    ];
    let role = prop_oneof![Just(ROLE), Just("roles/x")];
    (role, prop::collection::vec(member, 1..4), condition).prop_map(|(role, members, condition)| {
        let mut binding = json!({"role": role, "members": members, "novelty": 1});
        if !condition.is_null() {
            binding["condition"] = condition;
        }
        binding
    })
}

proptest! {
    #[test]
    fn for_any_policy_a_change_affects_one_member_under_one_condition(
        bindings in prop::collection::vec(any_binding(), 0..5),
        limited in any::<bool>(),
    ) {
        let condition = limited.then(condition);
        let before = Policy::parse(json!({"etag": "e", "bindings": bindings})).unwrap();
        let mut after = before.clone();
        after.add(ROLE, ALICE, condition.as_ref());
        prop_assert!(after.has(ROLE, ALICE, condition.as_ref()));
        prop_assert_eq!(others(&after, condition.as_ref()), others(&before, condition.as_ref()));
        after.remove(ROLE, ALICE, condition.as_ref());
        prop_assert!(!after.has(ROLE, ALICE, condition.as_ref()));
        prop_assert_eq!(others(&after, condition.as_ref()), others(&before, condition.as_ref()));
        if !before.has(ROLE, ALICE, condition.as_ref()) {
            prop_assert_eq!(after, before);
        }
    }
}

// Every member with its role and condition, except the one that the test changes.
fn others(policy: &Policy, condition: Option<&Condition>) -> Vec<String> {
    let mut all = Vec::new();
    for binding in &policy.bindings {
        let ours = matches(binding, ROLE, condition);
        let present = members(binding).filter(|m| !(ours && *m == ALICE));
        all.extend(present.map(|m| format!("{m} {} {}", binding["role"], binding["condition"])));
    }
    all
}

// The changes that a broker makes.
fn any_edit() -> impl Strategy<Value = Edit> {
    let member = prop_oneof![Just(ALICE), Just(KSA)];
    let role = prop_oneof![Just(ROLE), Just("roles/x"), Just("roles/new")];
    (role, member, any::<bool>(), 0..3).prop_map(|(role, member, limited, kind)| {
        let binding = MemberBinding {
            condition: limited.then(condition),
            ..MemberBinding::new(role, member)
        };
        match kind {
            0 => Edit::RemoveMember(member.to_owned()),
            1 => Edit::Remove(binding),
            _ => Edit::Add(binding),
        }
    })
}

const KSA: &str = "serviceAccount:acme.svc.id.goog[research/mf-alice]";

proptest! {
    #[test]
    fn for_any_changes_in_any_order_everything_that_is_not_ours_stays_byte_for_byte(
        bindings in prop::collection::vec(any_binding(), 0..6),
        edits in prop::collection::vec(any_edit(), 0..12),
    ) {
        let json = json!({"version": 3, "etag": "e", "auditConfigs": [{"service": "x"}], "novelty": {"a": 1}, "bindings": bindings});
        let before = Policy::parse(json).unwrap();
        let mut after = before.clone();
        for edit in &edits {
            edit.apply(&mut after);
        }
        prop_assert_eq!(foreign_part(&after).to_string(), foreign_part(&before).to_string());
    }
}

// The policy without our members, and without bindings that have no other.
fn foreign_part(policy: &Policy) -> Value {
    let mut json = policy.to_json();
    let bindings = json["bindings"].as_array_mut().unwrap();
    bindings.retain_mut(|binding| {
        let members = binding["members"].as_array_mut().unwrap();
        members.retain(|m| *m != ALICE && *m != KSA);
        !members.is_empty()
    });
    json
}
