use proptest::prelude::*;

use super::observed::Teardown;
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
        google_account: GoogleAccountState::Unknown,
        bound: false,
        granted: BTreeSet::new(),
        proofs: 0,
        verified: false,
        confirmed: true,
        recorded: false,
        stale: false,
        has_google_account: false,
        teardown: Teardown::default(),
    }
}

fn everything() -> Observed {
    Observed {
        service_account: ServiceAccountState::Right,
        account_recorded: true,
        google_account: GoogleAccountState::Visible,
        bound: true,
        granted: BTreeSet::from([folder()]),
        proofs: PROOFS,
        verified: true,
        confirmed: true,
        recorded: true,
        stale: false,
        has_google_account: true,
        teardown: Teardown::default(),
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
        Prove,
        Prove,
        Prove,
    ];
    assert_eq!(plan(&desired(), &nothing()), expected);
}

#[test]
fn an_identity_that_works_needs_nothing() {
    assert_eq!(plan(&desired(), &everything()), vec![]);
}

#[test]
fn each_loss_is_repaired_by_one_step() {
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
                google_account: GoogleAccountState::Found(2),
                ..everything()
            },
            vec![Change::ConfirmGoogleAccount],
        ),
        (
            Observed {
                bound: false,
                ..everything()
            },
            vec![Change::Bind],
        ),
        (
            Observed {
                granted: BTreeSet::new(),
                ..everything()
            },
            vec![Change::Grant(folder())],
        ),
        (
            Observed {
                verified: false,
                proofs: 2,
                ..everything()
            },
            vec![Change::Prove],
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
fn dropped_grants_are_revoked_before_the_proof() {
    let changed = Observed {
        stale: true,
        recorded: false,
        verified: false,
        proofs: 2,
        ..everything()
    };
    let changes = plan(&desired(), &changed);
    assert_eq!(changes, [Change::Record, Change::Revoke, Change::Prove]);
}

/// Applies what a step achieves.
fn apply(change: &Change, observed: &mut Observed) {
    match change {
        Change::CreateServiceAccount
        | Change::RepairServiceAccount
        | Change::SetServiceAccountOwner => {
            observed.service_account = ServiceAccountState::Right;
            observed.account_recorded = true;
        }
        Change::EnsureGoogleAccount => observed.google_account = GoogleAccountState::Found(0),
        Change::ConfirmGoogleAccount => {
            observed.google_account = match observed.google_account {
                GoogleAccountState::Found(seen) if seen + 1 < SIGHTINGS => {
                    GoogleAccountState::Found(seen + 1)
                }
                _ => GoogleAccountState::Visible,
            }
        }
        Change::Record => observed.recorded = true,
        Change::Bind => observed.bound = true,
        Change::Grant(resource) => {
            observed.granted.insert(resource.clone());
        }
        Change::Revoke => {
            observed.stale = false;
            observed.teardown.revoked = true;
        }
        Change::DeleteGoogleAccount => {
            observed.has_google_account = false;
            observed.teardown.deleted = true;
        }
        Change::Prove => {
            observed.proofs += 1;
            observed.verified = observed.proofs >= PROOFS;
        }
        Change::ProveAgain => observed.confirmed = true,
        Change::Unbind => observed.teardown.unbound = true,
        Change::DisableGoogleAccount => observed.teardown.disabled = true,
        Change::Drain => observed.teardown.drained = true,
        Change::DeleteServiceAccount => {
            observed.service_account = ServiceAccountState::Absent;
            observed.account_recorded = false;
        }
        Change::DeleteIdentity => unreachable!("the last of its plan"),
    }
}

fn observed() -> impl Strategy<Value = Observed> {
    let account = prop_oneof![
        Just(ServiceAccountState::Absent),
        Just(ServiceAccountState::Drifted),
        Just(ServiceAccountState::Unowned),
        Just(ServiceAccountState::Right)
    ];
    let google = prop_oneof![
        Just(GoogleAccountState::Unknown),
        (0..=SIGHTINGS).prop_map(GoogleAccountState::Found),
        Just(GoogleAccountState::Visible)
    ];
    let flags = proptest::array::uniform13(any::<bool>());
    (account, google, 0..=PROOFS, flags).prop_map(|(service_account, google_account, proofs, f)| {
        Observed {
            service_account,
            account_recorded: f[0] || service_account != ServiceAccountState::Absent,
            google_account,
            bound: f[1],
            granted: f[2].then(folder).into_iter().collect(),
            proofs,
            verified: f[3],
            confirmed: f[12],
            recorded: f[4],
            stale: f[5],
            has_google_account: f[6],
            teardown: Teardown {
                unbound: f[7],
                disabled: f[8],
                drained: f[9],
                revoked: f[10],
                deleted: f[11],
            },
        }
    })
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
            prop_assert!(from.teardown.unbound || at(&Change::Unbind).is_some_and(|unbound| unbound < deleted));
            prop_assert!(from.teardown.disabled || at(&Change::DisableGoogleAccount).is_some_and(|off| off < deleted));
        }
    }
}
