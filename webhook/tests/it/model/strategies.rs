//! The sequences of acts that are tried: all acts on all objects, or those that matter for one property on a few objects.

use proptest::prelude::*;

use super::Act;
use super::changes::CONTROLLERS;
use super::kinds::Kind;
use super::like::{self, Like};
use super::namespace::PEOPLE;

fn person() -> impl Strategy<Value = usize> {
    0..PEOPLE.len()
}

fn object() -> impl Strategy<Value = usize> {
    any::<prop::sample::Index>().prop_map(|i| i.index(64))
}

fn like() -> impl Strategy<Value = Option<Like>> {
    prop::option::weighted(0.5, like::like(object()))
}

// A person or a controller creates an object, and Argo stores what a Workflow runs.
fn creations() -> impl Strategy<Value = Act> {
    let behind = || 0..3_usize;
    let itself = || prop::bool::weighted(0.9);
    let by_runner = prop::bool::weighted(0.2);
    let create = (person(), 0..Kind::ALL.len(), like(), any::<u8>(), by_runner);
    let create = create.prop_map(|(person, kind, like, shape, by_runner)| Act::Create {
        person,
        kind,
        like,
        shape,
        by_runner,
    });
    let copy = (person(), object()).prop_map(|(person, object)| Act::Copy { person, object });
    let child = (object(), behind(), itself());
    let child = child.prop_map(|(parent, behind, itself)| Act::Child {
        parent,
        behind,
        itself,
    });
    let store = (object(), behind(), itself());
    let store = store.prop_map(|(workflow, behind, itself)| Act::Store {
        workflow,
        behind,
        itself,
    });
    let forge = (person(), 0..2_usize, object(), any::<u8>());
    let forge = forge.prop_map(|(person, kind, under, disguise)| Act::Forge {
        person,
        kind,
        under,
        disguise,
    });
    prop_oneof![
        6 => create,
        2 => forge,
        1 => copy,
        8 => child,
        6 => store,
    ]
}

// Changes of objects that exist.
fn changes() -> impl Strategy<Value = Act> {
    let controller = prop::option::weighted(0.3, 0..CONTROLLERS.len());
    let edit = (person(), object(), any::<u8>(), like(), controller);
    let edit = edit.prop_map(|(person, object, edit, like, as_controller)| Act::Edit {
        person,
        object,
        edit,
        like,
        as_controller,
    });
    let status = (object(), object());
    let status = status.prop_map(|(object, like)| Act::Status { object, like });
    let back = (person(), object(), 1..4_usize);
    let back = back.prop_map(|(person, object, behind)| Act::Restore {
        person,
        object,
        behind,
    });
    let adopt = (person(), object(), prop::option::weighted(0.3, person()));
    let adopt = adopt.prop_map(|(person, object, by)| Act::Adopt { person, object, by });
    prop_oneof![
        3 => object().prop_map(|object| Act::Orphan { object }),
        3 => object().prop_map(|object| Act::Claim { object }),
        5 => edit,
        2 => back,
        1 => (0..40_i64).prop_map(|seconds| Act::Switch { seconds }),
        2 => status,
        1 => adopt,
        1 => object().prop_map(|object| Act::Delete { object }),
    ]
}

pub(super) fn acts() -> impl Strategy<Value = Vec<Act>> {
    prop::collection::vec(prop_oneof![23 => creations(), 18 => changes()], 1..60)
}

/// Acts on one flow that alice has deployed and bob has started.
pub(super) fn of_a_flow() -> impl Strategy<Value = Vec<Act>> {
    let (person, object, behind) = (0..PEOPLE.len(), 0..2_usize, 0..3_usize);
    let edit = (person.clone(), object.clone(), any::<u8>());
    let edit = edit.prop_map(|(person, object, edit)| Act::Edit {
        person,
        object,
        edit: edit | 2,
        like: None,
        as_controller: None,
    });
    let back = (person, 1..4_usize);
    let back = back.prop_map(|(person, behind)| Act::Restore {
        person,
        object: 0,
        behind,
    });
    let store = behind.prop_map(|behind| Act::Store {
        workflow: 1,
        behind,
        itself: true,
    });
    let child = Just(Act::Child {
        parent: 1,
        behind: 0,
        itself: true,
    });
    let act = prop_oneof![3 => edit, 1 => back, 2 => store, 2 => child];
    prop::collection::vec(act, 1..12)
}

/// Acts on pods and Jobs that lose each other and find others.
pub(super) fn of_orphans() -> impl Strategy<Value = Vec<Act>> {
    let (person, object) = (0..PEOPLE.len(), 0..16_usize);
    // Pods and Jobs, most of them with a selector or a label of their own.
    let create = (
        person.clone(),
        0..2_usize,
        any::<u8>(),
        prop::option::of(like::like(object.clone())),
    );
    let create = create.prop_map(|(person, kind, shape, like)| Act::Create {
        person,
        kind,
        like,
        shape: (shape & 0b1000_0000) | (32 * u8::from(shape & 3 != 0)),
        by_runner: false,
    });
    let forge = (person, 0..2_usize, object.clone(), any::<u8>());
    let forge = forge.prop_map(|(person, kind, under, disguise)| Act::Forge {
        person,
        kind,
        under,
        disguise,
    });
    let child = object.clone().prop_map(|parent| Act::Child {
        parent,
        behind: 0,
        itself: true,
    });
    let act = prop_oneof![
        3 => create,
        1 => forge,
        3 => child,
        2 => object.clone().prop_map(|object| Act::Orphan { object }),
        3 => object.prop_map(|object| Act::Claim { object }),
    ];
    prop::collection::vec(act, 1..40)
}

/// Acts on a few Jobs, CronJobs and JobSets of the same name: stamps move, the namespace is opted out and in again, and
/// people change them under another name.
pub(super) fn of_stamps() -> impl Strategy<Value = Vec<Act>> {
    let (person, object) = (0..PEOPLE.len(), 0..4_usize);
    let like = (object.clone(), prop_oneof![Just(0), Just(32)]);
    let like = like.prop_map(|(object, keys)| Like { object, keys });
    let like = prop::option::weighted(0.8, like);
    let (job, cron_job, job_set) = (1, 2, 3);
    let kind = prop_oneof![3 => Just(job), 1 => Just(cron_job), 1 => Just(job_set)];
    let create = (person.clone(), kind, like, prop::bool::weighted(0.5));
    let create = create.prop_map(|(person, kind, like, by_runner)| Act::Create {
        person,
        kind,
        like,
        shape: 2,
        by_runner,
    });
    // Most of them as the account that speaks for others, which is the last one.
    let controller = prop_oneof![0..CONTROLLERS.len(), Just(CONTROLLERS.len() - 1)];
    let edit = (
        person,
        object.clone(),
        prop::option::weighted(0.8, controller),
    );
    let edit = edit.prop_map(|(person, object, as_controller)| Act::Edit {
        person,
        object,
        edit: 2,
        like: None,
        as_controller,
    });
    let status = (object.clone(), object.clone());
    let status = status.prop_map(|(object, like)| Act::Status { object, like });
    let child = object.prop_map(|parent| Act::Child {
        parent,
        behind: 0,
        itself: true,
    });
    let act = prop_oneof![
        1 => create.clone(),
        4 => edit,
        4 => status,
        2 => (0..40_i64).prop_map(|seconds| Act::Switch { seconds }),
        5 => child,
    ];
    let all = (
        prop::collection::vec(create, 2..5),
        prop::collection::vec(act, 1..20),
    );
    all.prop_map(|(first, then)| first.into_iter().chain(then).collect())
}

/// What happens to Workflows that write Argo's keys onto their pods.
pub(super) fn of_workflows() -> impl Strategy<Value = Vec<Act>> {
    let object = 0..5_usize;
    let like = (object.clone(), any::<u8>());
    let like = prop::option::weighted(0.8, like.prop_map(|(object, keys)| Like { object, keys }));
    // Without a reference; and Jobs, whose pods have such a label in a step of Argo's.
    let create = (
        0..PEOPLE.len(),
        prop_oneof![3 => Just(7_usize), 1 => Just(1)],
        like,
    );
    let create = create.prop_map(|(person, kind, like)| Act::Create {
        person,
        kind,
        like,
        shape: 0,
        by_runner: false,
    });
    let child = object.prop_map(|parent| Act::Child {
        parent,
        behind: 0,
        itself: true,
    });
    prop::collection::vec(prop_oneof![create, child], 1..15)
}
