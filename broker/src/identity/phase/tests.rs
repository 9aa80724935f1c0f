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
    standing: UserStatus::Active,
    suspended: false,
    wanted: true,
    used: Use::Recent,
    just_left: false,
};

/// From, how far by conditions, what is so, to.
type Move = (Phase, Phase, Facts, Phase);

fn all_go(table: &[Move]) {
    for &(from, working, facts, to) in table {
        assert_eq!(
            next(from, working, &facts),
            to,
            "{from}, {working}, {facts:?}"
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
    used: Use::Idle,
    ..FINE
};
const UNUSED: Facts = Facts {
    used: Use::TooLong,
    ..FINE
};
const OFFBOARDED: Facts = Facts {
    standing: UserStatus::Offboarded,
    ..FINE
};
const RETURNED: Facts = Facts {
    standing: UserStatus::Returned,
    ..FINE
};

#[test]
fn an_identity_is_made_used_suspended_and_drained() {
    all_go(&[
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
fn who_leaves_is_taken_down_and_comes_back_by_the_entry_alone() {
    let unused = Facts {
        used: Use::TooLong,
        ..RETURNED
    };
    let suspended = Facts {
        suspended: true,
        ..RETURNED
    };
    all_go(&[
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
fn an_entry_under_offboarded_that_is_taken_back_at_once_is_undone() {
    let undone = Facts {
        just_left: true,
        ..FINE
    };
    let dropped = Facts {
        just_left: true,
        ..DROPPED
    };
    let listed = Facts {
        just_left: true,
        ..OFFBOARDED
    };
    all_go(&[
        (Offboarding, Provisioning, undone, Returning),
        (Offboarding, Provisioning, listed, Offboarding),
        (Offboarding, Provisioning, dropped, Draining),
        (Gone, Provisioning, undone, Gone),
    ]);
}

#[test]
fn leaving_can_be_undone_for_a_bounded_time_that_is_recorded() {
    let at = |second| Timestamp::from_second(second).unwrap();
    let undo = Duration::from_secs(600);
    let mut identity = crate::fixtures::identity();
    let status = identity.status.get_or_insert_default();
    status.phase = Some(Offboarding);
    assert!(
        !just_left(&identity, undo, at(1)),
        "nobody knows since when"
    );
    identity.status.get_or_insert_default().phase_time = Some(Time(at(1)));
    assert!(just_left(&identity, undo, at(600)));
    assert!(!just_left(&identity, undo, at(601)));
    assert!(!just_left(&identity, Duration::ZERO, at(1)));
    identity.status.get_or_insert_default().phase = Some(Gone);
    assert!(!just_left(&identity, undo, at(2)));
}

fn facts() -> impl Strategy<Value = Facts> {
    let standing = prop_oneof![
        Just(UserStatus::Active),
        Just(UserStatus::Offboarded),
        Just(UserStatus::Returned)
    ];
    let used = prop_oneof![Just(Use::Recent), Just(Use::Idle), Just(Use::TooLong)];
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    (standing, flags, used).prop_map(|(standing, (suspended, wanted, just_left), used)| Facts {
        standing,
        suspended,
        wanted,
        used,
        just_left,
    })
}

fn working_phase() -> impl Strategy<Value = Phase> {
    prop_oneof![Just(Provisioning), Just(Verifying), Just(InUse)]
}

proptest! {
    #[test]
    fn an_identity_comes_to_rest_while_nothing_changes(from in prop::sample::select(&ALL[..]), working in working_phase(), facts in facts()) {
        let go = |phase| next(phase, working, &facts);
        let rest = go(go(from));
        prop_assert_eq!(go(rest), rest);
    }

    #[test]
    fn who_has_left_serves_again_only_by_the_explicit_entry_or_because_leaving_was_undone_at_once(
        gone in any::<bool>(),
        working in working_phase(),
        way in prop::collection::vec(facts(), 1..20),
    ) {
        let mut phase = if gone { Gone } else { Offboarding };
        for facts in way {
            let to = next(phase, working, &facts);
            let left = matches!(phase, Offboarding | Gone);
            let undone = phase == Offboarding && facts.just_left && facts.standing == UserStatus::Active;
            prop_assert!(!left || !to.accepts_new_pods() || undone || facts.standing == UserStatus::Returned);
            phase = to;
        }
    }
}

#[test]
fn the_time_of_a_phase_is_when_it_began() {
    let at = |second| Timestamp::from_second(second).unwrap();
    let mut status = IdentityStatus::default();
    enter(&mut status, Suspended, at(1));
    enter(&mut status, Suspended, at(2));
    assert_eq!(status.phase_time, Some(Time(at(1))));
    // Conditions do not bring back what was suspended.
    follow(&mut status, None, at(3));
    assert_eq!(status.phase, Some(Suspended));
    enter(&mut status, Provisioning, at(4));
    assert_eq!(status.phase_time, Some(Time(at(4))));
}

#[test]
fn an_identity_is_used_by_its_pods_and_by_being_made() {
    let at = |second| Timestamp::from_second(second).unwrap();
    let day = SignedDuration::from_hours(24);
    let mut identity = crate::fixtures::identity();
    identity.metadata.creation_timestamp = Some(Time(at(0)));
    let rules = crate::fixtures::rules_with("  idleAfter: 90d\n");
    let life = rules.lifecycle("research");
    let after = |identity: &Identity, hours: i64| used(identity, life, day, at(hours * 3600));
    assert_eq!(after(&identity, 24), Use::Recent);
    assert_eq!(after(&identity, 25), Use::Idle);
    assert_eq!(after(&identity, 90 * 24), Use::Idle);
    assert_eq!(after(&identity, 90 * 24 + 1), Use::TooLong);
    identity.status.get_or_insert_default().last_used_time = Some(Time(at(89 * 24 * 3600)));
    assert_eq!(after(&identity, 90 * 24 + 1), Use::Idle);
    let for_ever = used(&identity, None, day, at(i64::from(u32::MAX)));
    assert_eq!(for_ever, Use::Idle);
}

#[test]
fn whoever_is_not_served_is_told_why() {
    for phase in ALL {
        assert_eq!(
            refusal(phase).is_none(),
            phase.accepts_new_pods(),
            "{phase}"
        );
    }
}
