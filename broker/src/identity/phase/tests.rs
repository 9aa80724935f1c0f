use Phase::*;
use proptest::prelude::*;

use super::*;

const ALL: [Phase; 9] = [
    Provisioning,
    Verifying,
    InUse,
    Idle,
    Suspended,
    Draining,
    Offboarding,
    Returning,
    Gone,
];

const FINE: Facts = Facts {
    user_status: UserStatus::Active,
    suspended: false,
    wanted: true,
    last_use: LastUse::Recent,
    recently_offboarded: false,
};

/// Phase before, phase by the conditions, facts, phase after.
type Transition = (Phase, Phase, Facts, Phase);

fn assert_all(table: &[Transition]) {
    for &(from, progress, facts, to) in table {
        assert_eq!(
            next(from, progress, &facts),
            to,
            "{from}, {progress}, {facts:?}"
        );
    }
}

const SUSPENDED: Facts = Facts {
    suspended: true,
    ..FINE
};
const DROPPED: Facts = Facts {
    wanted: false,
    ..FINE
};
const IDLE: Facts = Facts {
    last_use: LastUse::Idle,
    ..FINE
};
const UNUSED: Facts = Facts {
    last_use: LastUse::Expired,
    ..FINE
};
const OFFBOARDED: Facts = Facts {
    user_status: UserStatus::Offboarded,
    ..FINE
};
const RETURNED: Facts = Facts {
    user_status: UserStatus::Returned,
    ..FINE
};

#[test]
fn an_identity_is_created_used_suspended_and_drained() {
    assert_all(&[
        (Provisioning, Provisioning, FINE, Provisioning),
        (Provisioning, Verifying, FINE, Verifying),
        (Verifying, InUse, FINE, InUse),
        (InUse, Provisioning, FINE, Provisioning),
        (InUse, InUse, IDLE, Idle),
        (Provisioning, Provisioning, IDLE, Provisioning),
        (Idle, InUse, FINE, InUse),
        (Idle, InUse, UNUSED, Draining),
        (Verifying, Verifying, UNUSED, Draining),
        (Draining, InUse, FINE, InUse),
        (InUse, InUse, DROPPED, Draining),
        (InUse, InUse, SUSPENDED, Suspended),
        (Draining, InUse, SUSPENDED, Suspended),
        (Suspended, Provisioning, FINE, Provisioning),
    ]);
}

#[test]
fn an_offboarded_user_returns_only_by_an_entry_in_the_rules() {
    let unused = Facts {
        last_use: LastUse::Expired,
        ..RETURNED
    };
    let suspended = Facts {
        suspended: true,
        ..RETURNED
    };
    assert_all(&[
        (InUse, InUse, OFFBOARDED, Offboarding),
        (Suspended, Provisioning, OFFBOARDED, Offboarding),
        (Draining, InUse, OFFBOARDED, Offboarding),
        (InUse, InUse, RETURNED, InUse),
        (Offboarding, Provisioning, FINE, Offboarding),
        (Offboarding, Provisioning, RETURNED, Returning),
        (Gone, Provisioning, FINE, Gone),
        (Gone, Provisioning, OFFBOARDED, Gone),
        (Gone, Provisioning, SUSPENDED, Gone),
        (Gone, Provisioning, RETURNED, Returning),
        (Gone, Provisioning, unused, Returning),
        (Offboarding, Provisioning, suspended, Suspended),
        (Returning, Provisioning, RETURNED, Returning),
        (Returning, Verifying, FINE, Returning),
        (Returning, InUse, RETURNED, InUse),
        (Returning, Provisioning, OFFBOARDED, Offboarding),
    ]);
}

#[test]
fn removing_an_entry_under_offboarded_at_once_undoes_it() {
    let undone = Facts {
        recently_offboarded: true,
        ..FINE
    };
    let dropped = Facts {
        recently_offboarded: true,
        ..DROPPED
    };
    let listed = Facts {
        recently_offboarded: true,
        ..OFFBOARDED
    };
    assert_all(&[
        (Offboarding, Provisioning, undone, Returning),
        (Offboarding, Provisioning, listed, Offboarding),
        (Offboarding, Provisioning, dropped, Draining),
        (Gone, Provisioning, undone, Gone),
    ]);
}

#[test]
fn offboarding_can_be_undone_for_a_bounded_time() {
    let at = |second| Timestamp::from_second(second).unwrap();
    let undo = Duration::from_secs(600);
    let mut identity = crate::fixtures::identity();
    let status = identity.status.get_or_insert_default();
    status.phase = Some(Offboarding);
    assert!(
        !recently_offboarded(&identity, undo, at(1)),
        "the status does not say since when"
    );
    identity.status.get_or_insert_default().phase_time = Some(Time(at(1)));
    assert!(recently_offboarded(&identity, undo, at(600)));
    assert!(!recently_offboarded(&identity, undo, at(601)));
    assert!(!recently_offboarded(&identity, Duration::ZERO, at(1)));
    identity.status.get_or_insert_default().phase = Some(Gone);
    assert!(!recently_offboarded(&identity, undo, at(2)));
}

fn facts() -> impl Strategy<Value = Facts> {
    let user_status = prop_oneof![
        Just(UserStatus::Active),
        Just(UserStatus::Offboarded),
        Just(UserStatus::Returned)
    ];
    let used = prop_oneof![
        Just(LastUse::Recent),
        Just(LastUse::Idle),
        Just(LastUse::Expired)
    ];
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    (user_status, flags, used).prop_map(
        |(user_status, (suspended, wanted, recently_offboarded), last_use)| Facts {
            user_status,
            suspended,
            wanted,
            last_use,
            recently_offboarded,
        },
    )
}

fn progress_phase() -> impl Strategy<Value = Phase> {
    prop_oneof![Just(Provisioning), Just(Verifying), Just(InUse)]
}

proptest! {
    #[test]
    fn the_phase_becomes_stable_while_nothing_changes(from in prop::sample::select(&ALL[..]), progress in progress_phase(), facts in facts()) {
        let after = |phase| next(phase, progress, &facts);
        let stable = after(after(from));
        prop_assert_eq!(after(stable), stable);
    }

    #[test]
    fn an_offboarded_user_is_served_again_only_by_an_entry_or_because_offboarding_was_undone_at_once(
        gone in any::<bool>(),
        progress in progress_phase(),
        changes in prop::collection::vec(facts(), 1..20),
    ) {
        let mut phase = if gone { Gone } else { Offboarding };
        for facts in changes {
            let to = next(phase, progress, &facts);
            let offboarded = matches!(phase, Offboarding | Gone);
            let undone = phase == Offboarding && facts.recently_offboarded && facts.user_status == UserStatus::Active;
            prop_assert!(!offboarded || !to.accepts_new_pods() || undone || facts.user_status == UserStatus::Returned);
            phase = to;
        }
    }
}

#[test]
fn the_time_of_a_phase_is_when_it_was_entered() {
    let at = |second| Timestamp::from_second(second).unwrap();
    let mut status = IdentityStatus::default();
    enter(&mut status, Suspended, at(1));
    enter(&mut status, Suspended, at(2));
    assert_eq!(status.phase_time, Some(Time(at(1))));
    // Conditions do not end a suspension.
    follow_conditions(&mut status, None, at(3));
    assert_eq!(status.phase, Some(Suspended));
    enter(&mut status, Provisioning, at(4));
    assert_eq!(status.phase_time, Some(Time(at(4))));
}

#[test]
fn pods_and_creation_count_as_use() {
    let at = |second| Timestamp::from_second(second).unwrap();
    let day = Duration::from_hours(24);
    let mut identity = crate::fixtures::identity();
    identity.metadata.creation_timestamp = Some(Time(at(0)));
    let rules = crate::fixtures::rules_with("  idleAfter: 90d\n");
    let life = rules.lifecycle("research");
    let after = |identity: &Identity, hours: i64| last_use(identity, life, day, at(hours * 3600));
    assert_eq!(after(&identity, 24), LastUse::Recent);
    assert_eq!(after(&identity, 25), LastUse::Idle);
    assert_eq!(after(&identity, 90 * 24), LastUse::Idle);
    assert_eq!(after(&identity, 90 * 24 + 1), LastUse::Expired);
    identity.status.get_or_insert_default().last_used_time = Some(Time(at(89 * 24 * 3600)));
    assert_eq!(after(&identity, 90 * 24 + 1), LastUse::Idle);
    let for_ever = last_use(&identity, None, day, at(i64::from(u32::MAX)));
    assert_eq!(for_ever, LastUse::Idle);
}

#[test]
fn a_phase_that_does_not_serve_has_a_refusal() {
    for phase in ALL {
        assert_eq!(
            refusal(phase).is_none(),
            phase.accepts_new_pods(),
            "{phase}"
        );
    }
}

/// An identity that was created at 1000 s and whose `Ready` was last changed then.
fn identity_not_ready_since(second: Option<i64>) -> Identity {
    let at = |second| Timestamp::from_second(second).unwrap();
    let mut identity = crate::fixtures::identity();
    identity.metadata.creation_timestamp = Some(Time(at(1_000)));
    let mut status = IdentityStatus::default();
    if let Some(second) = second {
        let finding = Finding::fails(READY, Reason::Created, "not yet");
        crate::identity::conditions::record(
            &mut status,
            None,
            identity.spec.mode,
            &[finding],
            at(second),
        );
    }
    identity.status = Some(status);
    identity
}

#[test]
fn only_the_first_time_that_an_identity_works_counts_as_provisioning() {
    let took = |since| {
        let now = Timestamp::from_second(1_240).unwrap();
        first_provisioning(&identity_not_ready_since(since), now)
    };
    assert_eq!(took(None), Some(Duration::from_secs(240)));
    assert_eq!(took(Some(1_030)), Some(Duration::from_secs(240)));
    // It worked, and stopped working an hour later.
    assert_eq!(took(Some(4_600)), None);
}
