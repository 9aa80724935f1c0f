use proptest::prelude::*;

use super::*;

fn folder() -> Resource {
    Resource::ManagedFolder {
        bucket: "acme-mf".into(),
        folder: format!("users/{}/", spec().key),
    }
}

fn desired() -> Desired {
    Desired {
        goal: Goal::Serve,
        mode: Mode::Impersonate,
        pinned: false,
        grants: BTreeMap::from([(
            folder(),
            BTreeSet::from(["roles/storage.objectUser".into()]),
        )]),
    }
}

fn nothing() -> Observed {
    Observed {
        service_account: ServiceAccountState::Absent,
        account_recorded: false,
        visible: false,
        written: false,
        verified: false,
        checking: false,
        recorded: false,
        stale: false,
        has_google_account: false,
        done: Vec::new(),
    }
}

fn everything() -> Observed {
    Observed {
        service_account: ServiceAccountState::Right,
        account_recorded: true,
        visible: true,
        written: true,
        verified: true,
        checking: false,
        recorded: true,
        stale: false,
        has_google_account: true,
        done: Vec::new(),
    }
}

#[test]
fn a_new_identity_takes_every_step_in_order() {
    use Change::*;
    let expected = vec![
        CreateServiceAccount,
        EnsureGoogleAccount,
        ConfirmGoogleAccount,
        ConfirmGoogleAccount,
        ConfirmGoogleAccount,
        Record,
        Bind,
        Grant(folder()),
        Verify,
        Verify,
        Verify,
    ];
    assert_eq!(plan(&desired(), &nothing()), expected);
}

#[test]
fn an_identity_that_works_needs_nothing() {
    assert_eq!(plan(&desired(), &everything()), vec![]);
}

#[test]
fn each_loss_is_repaired_by_one_step() {
    let confirmed = vec![Change::ConfirmGoogleAccount; 2];
    let lost = [
        (
            Observed {
                service_account: ServiceAccountState::Absent,
                ..everything()
            },
            vec![Change::CreateServiceAccount],
        ),
        (
            Observed {
                service_account: ServiceAccountState::Drifted,
                ..everything()
            },
            vec![Change::RepairServiceAccount],
        ),
        (
            Observed {
                service_account: ServiceAccountState::Unowned,
                ..everything()
            },
            vec![Change::SetServiceAccountOwner],
        ),
        (
            Observed {
                visible: false,
                done: [vec![Change::EnsureGoogleAccount], confirmed].concat(),
                ..everything()
            },
            vec![Change::ConfirmGoogleAccount],
        ),
        (
            Observed {
                written: false,
                done: vec![Change::Grant(folder())],
                ..everything()
            },
            vec![Change::Bind],
        ),
        (
            Observed {
                written: false,
                done: vec![Change::Bind],
                ..everything()
            },
            vec![Change::Grant(folder())],
        ),
        (
            Observed {
                verified: false,
                done: vec![Change::Verify; 2],
                ..everything()
            },
            vec![Change::Verify],
        ),
    ];
    for (observed, expected) in lost {
        assert_eq!(plan(&desired(), &observed), expected, "{observed:?}");
    }
}

#[test]
fn for_a_pinned_account_only_the_binding_is_planned() {
    let mut spec = spec();
    spec.pinned = true;
    let changes = plan(&Desired::of(&spec), &nothing());
    assert!(!changes.contains(&Change::ConfirmGoogleAccount));
    assert!(!changes.iter().any(|c| matches!(c, Change::Grant(_))));
    assert!(changes.contains(&Change::Bind));
}

#[test]
fn mode_direct_has_no_google_account_and_no_binding() {
    let mut spec = spec();
    spec.mode = Mode::Direct;
    let changes = plan(&Desired::of(&spec), &nothing());
    let account = [
        Change::EnsureGoogleAccount,
        Change::ConfirmGoogleAccount,
        Change::Bind,
    ];
    assert!(!changes.iter().any(|c| account.contains(c)));
    assert!(changes.contains(&Change::Grant(folder())));
}

#[test]
fn grants_on_one_resource_are_one_step() {
    let mut spec = spec();
    let mut second = spec.grants[0].clone();
    second.role = "roles/storage.admin".into();
    spec.grants.push(second);
    let desired = Desired::of(&spec);
    assert_eq!(desired.grants.len(), 1);
    assert_eq!(desired.grants[&folder()].len(), 2);
}

fn spec() -> IdentitySpec {
    crate::fixtures::identity().spec
}

fn plan_for(goal: Goal, observed: &Observed) -> Vec<Change> {
    plan(&desired().with_goal(goal), observed)
}

#[test]
fn a_suspended_identity_keeps_what_it_needs_to_serve_again() {
    use Change::*;
    let rest = plan_for(Goal::Suspend, &everything());
    assert_eq!(rest, [Unbind, DisableGoogleAccount]);
    let mut pinned = desired().with_goal(Goal::Suspend);
    pinned.pinned = true;
    assert_eq!(plan(&pinned, &everything()), [Unbind]);
    let mut direct = desired().with_goal(Goal::Suspend);
    direct.mode = Mode::Direct;
    assert_eq!(plan(&direct, &everything()), [Unbind]);
}

#[test]
fn an_offboarded_identity_loses_the_binding_first_and_the_account_last() {
    use Change::*;
    let kept = [Unbind, DisableGoogleAccount, Drain, DeleteServiceAccount];
    assert_eq!(
        plan_for(Goal::Offboard { delete: false }, &everything()),
        kept
    );
    let mut all = kept.to_vec();
    all.extend([Revoke, DeleteGoogleAccount]);
    assert_eq!(
        plan_for(Goal::Offboard { delete: true }, &everything()),
        all
    );
    assert_eq!(plan_for(Goal::Gone, &everything()), []);
}

#[test]
fn a_drained_identity_is_deleted_after_its_last_pod() {
    use Change::*;
    assert_eq!(
        plan_for(Goal::Drain, &everything()),
        [Drain, DeleteIdentity]
    );
}

#[test]
fn dropped_grants_are_revoked_before_the_verification() {
    let changed = Observed {
        stale: true,
        recorded: false,
        verified: false,
        done: vec![Change::Verify; 2],
        ..everything()
    };
    let changes = plan(&desired(), &changed);
    assert_eq!(changes, [Change::Record, Change::Revoke, Change::Verify]);
}

/// Applies what a step achieves.
fn apply(change: &Change, observed: &mut Observed) {
    observed.done.push(change.clone());
    match change {
        Change::CreateServiceAccount
        | Change::RepairServiceAccount
        | Change::SetServiceAccountOwner => {
            observed.service_account = ServiceAccountState::Right;
            observed.account_recorded = true;
        }
        Change::ConfirmGoogleAccount => {
            observed.visible |= observed.times(change) >= SIGHTINGS;
        }
        Change::Record => observed.recorded = true,
        Change::Revoke => observed.stale = false,
        Change::DeleteGoogleAccount => observed.has_google_account = false,
        Change::Verify => observed.verified = observed.times(change) >= VERIFICATIONS,
        Change::DeleteServiceAccount => {
            observed.service_account = ServiceAccountState::Absent;
            observed.account_recorded = false;
        }
        Change::DeleteIdentity => unreachable!("the last of its plan"),
        _ => {}
    }
}

fn observed() -> impl Strategy<Value = Observed> {
    let account = prop_oneof![
        Just(ServiceAccountState::Absent),
        Just(ServiceAccountState::Drifted),
        Just(ServiceAccountState::Unowned),
        Just(ServiceAccountState::Right)
    ];
    let once = [
        Change::EnsureGoogleAccount,
        Change::Bind,
        Change::Grant(folder()),
        Change::VerifyAgain,
        Change::Unbind,
        Change::DisableGoogleAccount,
        Change::Drain,
        Change::Revoke,
        Change::DeleteGoogleAccount,
    ];
    let once = prop::sample::subsequence(once.to_vec(), 0..=once.len());
    let flags = proptest::array::uniform8(any::<bool>());
    (account, once, 0..=SIGHTINGS, 0..=VERIFICATIONS, flags).prop_map(
        |(service_account, mut done, sightings, verifications, f)| {
            done.extend((0..sightings).map(|_| Change::ConfirmGoogleAccount));
            done.extend((0..verifications).map(|_| Change::Verify));
            Observed {
                service_account,
                account_recorded: f[0] || service_account != ServiceAccountState::Absent,
                visible: f[1],
                written: f[2],
                verified: f[3],
                checking: f[7],
                recorded: f[4],
                stale: f[5],
                has_google_account: f[6],
                done,
            }
        },
    )
}

fn any_desired() -> impl Strategy<Value = Desired> {
    let goal = prop_oneof![
        Just(Goal::Serve),
        Just(Goal::Suspend),
        Just(Goal::Drain),
        any::<bool>().prop_map(|delete| Goal::Offboard { delete }),
        Just(Goal::Gone)
    ];
    let mode = prop_oneof![Just(Mode::Impersonate), Just(Mode::Direct)];
    (goal, mode, any::<bool>()).prop_map(|(goal, mode, pinned)| {
        let pinned = pinned && mode == Mode::Impersonate;
        let grants = if pinned {
            BTreeMap::new()
        } else {
            desired().grants
        };
        Desired {
            goal,
            mode,
            pinned,
            grants,
        }
    })
}

proptest! {
    #[test]
    fn every_plan_ends(desired in any_desired(), from in observed()) {
        let mut now = from;
        for _ in 0..30 {
            match plan(&desired, &now).first() {
                None | Some(Change::DeleteIdentity) => return Ok(()),
                Some(change) => apply(change, &mut now),
            }
        }
        prop_assert!(false, "still to do: {:?}", plan(&desired, &now));
    }

    #[test]
    fn a_pinned_account_is_never_changed(desired in any_desired(), from in observed()) {
        let touching = [Change::ConfirmGoogleAccount, Change::DisableGoogleAccount, Change::DeleteGoogleAccount];
        let changes = plan(&Desired { mode: Mode::Impersonate, pinned: true, ..desired }, &from);
        prop_assert!(!changes.iter().any(|change| touching.contains(change)), "{changes:?}");
    }

    #[test]
    fn no_account_is_deleted_while_somebody_may_act_as_it(desired in any_desired(), from in observed()) {
        let changes = plan(&desired, &from);
        let at = |change: &Change| changes.iter().position(|c| c == change);
        if desired.goal != Goal::Serve && let Some(deleted) = at(&Change::DeleteGoogleAccount) {
            prop_assert!(from.has_done(&Change::Unbind) || at(&Change::Unbind).is_some_and(|unbound| unbound < deleted));
            prop_assert!(from.has_done(&Change::DisableGoogleAccount) || at(&Change::DisableGoogleAccount).is_some_and(|off| off < deleted));
        }
    }
}
