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
        google_account: GoogleAccount::Unknown,
        bound: false,
        granted: BTreeSet::new(),
        proofs: 0,
        verified: false,
        recorded: false,
        stale: false,
        leftover: false,
        down: Down::default(),
    }
}

fn everything() -> Observed {
    Observed {
        service_account: ServiceAccount::Right,
        google_account: GoogleAccount::Visible,
        bound: true,
        granted: BTreeSet::from([folder()]),
        proofs: PROOFS,
        verified: true,
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
