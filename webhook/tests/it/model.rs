//! A model of a namespace: random people and controllers create, change and delete objects in any order, dressed in whatever
//! they can read of one another's. However they mix: a pod runs as whoever asked for what it runs, or it does not run.

use proptest::prelude::*;

mod argo;
mod changes;
mod cluster;
mod kinds;
mod namespace;
mod orphans;
mod stored;

use changes::CONTROLLERS;
use kinds::Kind;
use namespace::{Namespace, PEOPLE};

/// What somebody does; numbers are taken modulo what there is.
#[derive(Clone, Debug)]
enum Act {
    /// A person creates an object, with another's name and annotations if they like, or has an account create it that the
    /// rules let say for whom it asks.
    Create {
        person: usize,
        kind: usize,
        like: Option<usize>,
        shape: u8,
        by_runner: bool,
    },
    /// A person creates a copy of an object of Argo's, with all its annotations, as `resubmit` does.
    Copy { person: usize, object: usize },
    /// A controller makes a child of an object, as it saw it some versions ago; or somebody who impersonates it does.
    Child {
        parent: usize,
        behind: usize,
        itself: bool,
    },
    /// Argo stores what a Workflow runs, as it saw the template some versions ago, or writes how far it is.
    Store {
        workflow: usize,
        behind: usize,
        itself: bool,
    },
    /// Somebody changes what an object runs, under their own name or under that of a controller.
    Edit {
        person: usize,
        object: usize,
        edit: u8,
        like: Option<usize>,
        as_controller: Option<usize>,
    },
    /// Somebody copies our annotations onto an object through its status.
    Status { object: usize, like: usize },
    /// Somebody writes back what an object said some versions ago.
    Back {
        person: usize,
        object: usize,
        behind: usize,
    },
    /// The namespace is switched off, or on again, some seconds later.
    Switch { seconds: i64 },
    /// An admin gives an object to a person, or somebody tries who is none.
    Adopt {
        person: usize,
        object: usize,
        by: Option<usize>,
    },
    /// Somebody creates a pod or a Job that says to be a child of another object.
    Plant {
        person: usize,
        kind: usize,
        under: usize,
        disguise: u8,
    },
    /// A pod loses its owners.
    Orphan { object: usize },
    /// The controller of a Job looks for pods without a controller.
    Claim { object: usize },
    /// Somebody deletes an object.
    Delete { object: usize },
}

fn person() -> impl Strategy<Value = usize> {
    0..PEOPLE.len()
}

fn object() -> impl Strategy<Value = usize> {
    any::<prop::sample::Index>().prop_map(|i| i.index(64))
}

fn like() -> impl Strategy<Value = Option<usize>> {
    prop::option::weighted(0.5, object())
}

// Somebody or a controller makes something, and Argo stores what a Workflow runs.
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
    let plant = (person(), 0..2_usize, object(), any::<u8>());
    let plant = plant.prop_map(|(person, kind, under, disguise)| Act::Plant {
        person,
        kind,
        under,
        disguise,
    });
    prop_oneof![
        6 => create,
        2 => plant,
        1 => copy,
        8 => child,
        6 => store,
    ]
}

// What becomes of an object that is there.
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
    let back = back.prop_map(|(person, object, behind)| Act::Back {
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

fn acts() -> impl Strategy<Value = Vec<Act>> {
    prop::collection::vec(prop_oneof![23 => creations(), 18 => changes()], 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_pod_runs_as_whoever_asked_for_what_it_runs_or_not_at_all(acts in acts()) {
        let mut namespace = Namespace::new();
        for act in &acts {
            namespace.act(act);
        }
    }
}

/// What happens to one flow that alice has deployed and bob has started.
fn of_a_flow() -> impl Strategy<Value = Vec<Act>> {
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
    let back = back.prop_map(|(person, behind)| Act::Back {
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_flow_runs_as_whoever_deployed_what_it_runs(acts in of_a_flow()) {
        let mut namespace = Namespace::new();
        let (template, workflow) = (4, 7);
        for (person, kind, shape) in [(0, template, 0), (1, workflow, 4)] {
            namespace.act(&Act::Create { person, kind, like: None, shape, by_runner: false });
        }
        for act in &acts {
            namespace.act(act);
        }
    }
}

/// What happens to pods and Jobs that lose each other and find others.
fn of_orphans() -> impl Strategy<Value = Vec<Act>> {
    let (person, object) = (0..PEOPLE.len(), 0..16_usize);
    // Pods and Jobs, most of them with a selector or a label of their own.
    let create = (
        person.clone(),
        0..2_usize,
        any::<u8>(),
        prop::option::of(object.clone()),
    );
    let create = create.prop_map(|(person, kind, shape, like)| Act::Create {
        person,
        kind,
        like,
        shape: (shape & 0b1000_0000) | (32 * u8::from(shape & 3 != 0)),
        by_runner: false,
    });
    let plant = (person, 0..2_usize, object.clone(), any::<u8>());
    let plant = plant.prop_map(|(person, kind, under, disguise)| Act::Plant {
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
        1 => plant,
        3 => child,
        2 => object.clone().prop_map(|object| Act::Orphan { object }),
        3 => object.prop_map(|object| Act::Claim { object }),
    ];
    prop::collection::vec(act, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_becomes_of_a_pod_counts_for_a_job_of_its_own_user(acts in of_orphans()) {
        let mut namespace = Namespace::new();
        for act in &acts {
            namespace.act(act);
        }
    }
}

/// The property is not true because nothing is ever adopted.
#[test]
fn in_the_model_jobs_adopt_pods_of_their_own_users() {
    let mut namespace = Namespace::new();
    let (pod, job) = (0, 1);
    for person in 0..PEOPLE.len() {
        for kind in [pod, job] {
            namespace.act(&Act::Create {
                person,
                kind,
                like: None,
                shape: 32,
                by_runner: false,
            });
        }
    }
    for object in 0..namespace.len() {
        namespace.act(&Act::Claim { object });
    }
    // Each Job looks at each pod that is still without a controller: its own user's it takes, the others' it leaves.
    assert_eq!((namespace.adopted, namespace.not_adopted), (3, 3));
}

/// The property is not true because nothing ever runs.
#[test]
fn in_the_model_pods_do_run() {
    let mut namespace = Namespace::new();
    let pairs = (0..PEOPLE.len()).flat_map(|p| (0..Kind::ALL.len()).map(move |k| (p, k)));
    let shaped = pairs.flat_map(|(p, k)| [0, 4, 6, 12, 20].map(|shape| (p, k, shape)));
    for (person, kind, shape) in shaped {
        namespace.act(&Act::Create {
            person,
            kind,
            like: None,
            shape,
            by_runner: false,
        });
    }
    for _ in 0..4 {
        for parent in 0..namespace.len() {
            let itself = true;
            namespace.act(&Act::Store {
                workflow: parent,
                behind: 0,
                itself,
            });
            namespace.act(&Act::Child {
                parent,
                behind: 0,
                itself,
            });
        }
    }
    let (all, of_workflows, of_others) =
        (namespace.pods, namespace.of_workflows, namespace.of_another);
    assert!(all > 20 * PEOPLE.len(), "{all}");
    assert!(of_workflows > 5 * PEOPLE.len(), "{of_workflows}");
    assert!(
        of_others > PEOPLE.len(),
        "started by another than they run as: {of_others}"
    );
}
