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
        aim: Aim::Serve,
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
        service_account: ServiceAccount::Absent,
        account_recorded: false,
        google_account: GoogleAccount::Unknown,
        bound: false,
        granted: BTreeSet::new(),
        proofs: 0,
        verified: false,
        confirmed: true,
        recorded: false,
        stale: false,
        leftover: false,
        down: Down::default(),
    }
}

fn everything() -> Observed {
    Observed {
        service_account: ServiceAccount::Right,
        account_recorded: true,
        google_account: GoogleAccount::Visible,
        bound: true,
        granted: BTreeSet::from([folder()]),
        proofs: PROOFS,
        verified: true,
        confirmed: true,
        recorded: true,
        stale: false,
        leftover: true,
        down: Down::default(),
    }
}

#[test]
fn a_new_identity_takes_every_step_in_order() {
    use Change::*;
    let expected = vec![
        CreateServiceAccount,
        FindGoogleAccount,
        SeeGoogleAccount,
        SeeGoogleAccount,
        SeeGoogleAccount,
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
fn each_loss_is_repaired_by_its_own_step() {
    let lost = [
        (
            Observed {
                service_account: ServiceAccount::Absent,
                ..everything()
            },
            vec![Change::CreateServiceAccount],
        ),
        (
            Observed {
                service_account: ServiceAccount::Drifted,
                ..everything()
            },
            vec![Change::RepairServiceAccount],
        ),
        (
            Observed {
                service_account: ServiceAccount::Unowned,
                ..everything()
            },
            vec![Change::OwnServiceAccount],
        ),
        (
            Observed {
                google_account: GoogleAccount::Found(2),
                ..everything()
            },
            vec![Change::SeeGoogleAccount],
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
fn of_a_pinned_account_only_the_binding_is_ours() {
    let mut spec = spec();
    spec.pinned = true;
    let changes = plan(&Desired::of(&spec), &nothing());
    assert!(!changes.contains(&Change::SeeGoogleAccount));
    assert!(!changes.iter().any(|c| matches!(c, Change::Grant(_))));
    assert!(changes.contains(&Change::Bind));
}

#[test]
fn direct_mode_has_no_account_and_no_binding() {
    let mut spec = spec();
    spec.mode = Mode::Direct;
    let changes = plan(&Desired::of(&spec), &nothing());
    let account = [
        Change::FindGoogleAccount,
        Change::SeeGoogleAccount,
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

fn towards(aim: Aim, observed: &Observed) -> Vec<Change> {
    plan(&desired().towards(aim), observed)
}

#[test]
fn who_rests_is_nobody_and_keeps_what_it_needs_to_go_on() {
    use Change::*;
    let rest = towards(Aim::Rest, &everything());
    assert_eq!(rest, [Unbind, DisableGoogleAccount]);
    let mut pinned = desired().towards(Aim::Rest);
    pinned.pinned = true;
    assert_eq!(plan(&pinned, &everything()), [Unbind]);
    let mut direct = desired().towards(Aim::Rest);
    direct.mode = Mode::Direct;
    assert_eq!(plan(&direct, &everything()), [Unbind]);
}

#[test]
fn who_leaves_loses_the_binding_first_and_the_account_last_and_after_the_grace() {
    use Change::*;
    let kept = [Unbind, DisableGoogleAccount, Drain, DeleteServiceAccount];
    assert_eq!(towards(Aim::Leave { delete: false }, &everything()), kept);
    let mut all = kept.to_vec();
    all.extend([Revoke, DeleteGoogleAccount]);
    assert_eq!(towards(Aim::Leave { delete: true }, &everything()), all);
    assert_eq!(towards(Aim::Nothing, &everything()), []);
}

#[test]
fn a_drained_identity_is_deleted_after_its_last_pod_and_nothing_before() {
    use Change::*;
    assert_eq!(towards(Aim::Drain, &everything()), [Drain, DeleteIdentity]);
}

#[test]
fn what_the_rules_dropped_goes_before_the_proof() {
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

/// What a step brings about.
fn did(change: &Change, observed: &mut Observed) {
    match change {
        Change::CreateServiceAccount | Change::RepairServiceAccount | Change::OwnServiceAccount => {
            observed.service_account = ServiceAccount::Right;
            observed.account_recorded = true;
        }
        Change::FindGoogleAccount => observed.google_account = GoogleAccount::Found(0),
        Change::SeeGoogleAccount => {
            observed.google_account = match observed.google_account {
                GoogleAccount::Found(seen) if seen + 1 < SIGHTINGS => {
                    GoogleAccount::Found(seen + 1)
                }
                _ => GoogleAccount::Visible,
            }
        }
        Change::Record => observed.recorded = true,
        Change::Bind => observed.bound = true,
        Change::Grant(resource) => {
            observed.granted.insert(resource.clone());
        }
        Change::Revoke => {
            observed.stale = false;
            observed.down.revoked = true;
        }
        Change::DeleteGoogleAccount => {
            observed.leftover = false;
            observed.down.deleted = true;
        }
        Change::Prove => {
            observed.proofs += 1;
            observed.verified = observed.proofs >= PROOFS;
        }
        Change::ProveAgain => observed.confirmed = true,
        Change::Unbind => observed.down.unbound = true,
        Change::DisableGoogleAccount => observed.down.disabled = true,
        Change::Drain => observed.down.drained = true,
        Change::DeleteServiceAccount => {
            observed.service_account = ServiceAccount::Absent;
            observed.account_recorded = false;
        }
        Change::DeleteIdentity => unreachable!("the last of its plan"),
    }
}

fn observed() -> impl Strategy<Value = Observed> {
    let account = prop_oneof![
        Just(ServiceAccount::Absent),
        Just(ServiceAccount::Drifted),
        Just(ServiceAccount::Unowned),
        Just(ServiceAccount::Right)
    ];
    let google = prop_oneof![
        Just(GoogleAccount::Unknown),
        (0..=SIGHTINGS).prop_map(GoogleAccount::Found),
        Just(GoogleAccount::Visible)
    ];
    let flags = proptest::array::uniform13(any::<bool>());
    (account, google, 0..=PROOFS, flags).prop_map(|(service_account, google_account, proofs, f)| {
        Observed {
            service_account,
            account_recorded: f[0] || service_account != ServiceAccount::Absent,
            google_account,
            bound: f[1],
            granted: f[2].then(folder).into_iter().collect(),
            proofs,
            verified: f[3],
            confirmed: f[12],
            recorded: f[4],
            stale: f[5],
            leftover: f[6],
            down: Down {
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
    let aim = prop_oneof![
        Just(Aim::Serve),
        Just(Aim::Rest),
        Just(Aim::Drain),
        any::<bool>().prop_map(|delete| Aim::Leave { delete }),
        Just(Aim::Nothing)
    ];
    let mode = prop_oneof![Just(Mode::Impersonate), Just(Mode::Direct)];
    (aim, mode, any::<bool>()).prop_map(|(aim, mode, pinned)| {
        let pinned = pinned && mode == Mode::Impersonate;
        let grants = if pinned {
            BTreeMap::new()
        } else {
            desired().grants
        };
        Desired {
            aim,
            mode,
            pinned,
            grants,
        }
    })
}

proptest! {
    #[test]
    fn from_anything_the_plan_comes_to_an_end(desired in any_desired(), from in observed()) {
        let mut now = from;
        for _ in 0..30 {
            match plan(&desired, &now).first() {
                None | Some(Change::DeleteIdentity) => return Ok(()),
                Some(change) => did(change, &mut now),
            }
        }
        prop_assert!(false, "still to do: {:?}", plan(&desired, &now));
    }

    #[test]
    fn of_an_account_that_is_not_ours_only_the_binding_is_ever_touched(desired in any_desired(), from in observed()) {
        let touching = [Change::SeeGoogleAccount, Change::DisableGoogleAccount, Change::DeleteGoogleAccount];
        let changes = plan(&Desired { mode: Mode::Impersonate, pinned: true, ..desired }, &from);
        prop_assert!(!changes.iter().any(|change| touching.contains(change)), "{changes:?}");
    }

    #[test]
    fn nobody_is_deleted_whom_somebody_may_still_act_as(desired in any_desired(), from in observed()) {
        let changes = plan(&desired, &from);
        let at = |change: &Change| changes.iter().position(|c| c == change);
        if desired.aim != Aim::Serve && let Some(deleted) = at(&Change::DeleteGoogleAccount) {
            prop_assert!(from.down.unbound || at(&Change::Unbind).is_some_and(|unbound| unbound < deleted));
            prop_assert!(from.down.disabled || at(&Change::DisableGoogleAccount).is_some_and(|off| off < deleted));
        }
    }
}
