//! A model of a namespace: random people and controllers create, change and delete objects in any order, with whatever they can
//! copy from one another. In every case a pod runs as whoever asked for what it runs, or it does not run.

use proptest::prelude::*;

mod argo;
mod changes;
mod cluster;
mod kinds;
mod like;
mod namespace;
mod orphans;
mod stored;
mod strategies;

use kinds::Kind;
use like::Like;
use namespace::{Namespace, PEOPLE};
use strategies::{acts, of_a_flow, of_orphans, of_stamps, of_workflows};

/// One act; numbers are taken modulo the number of candidates.
#[derive(Clone, Debug)]
enum Act {
    /// A person creates an object, perhaps with the name and annotations of another one, or through an account that the rules allow
    /// to act for users.
    Create {
        person: usize,
        kind: usize,
        like: Option<Like>,
        shape: u8,
        by_runner: bool,
    },
    /// A person creates a copy of an object of Argo's, with all its annotations, as `resubmit` does.
    Copy { person: usize, object: usize },
    /// A controller creates a child of an object, as it saw it some versions ago; or somebody who impersonates it does.
    Child {
        parent: usize,
        behind: usize,
        itself: bool,
    },
    /// Argo stores what a Workflow runs, as it saw the template some versions ago, or writes its progress.
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
        like: Option<Like>,
        as_controller: Option<usize>,
    },
    /// Somebody copies the annotations of the webhook onto an object through its status.
    Status { object: usize, like: usize },
    /// Somebody restores an earlier version of an object.
    Restore {
        person: usize,
        object: usize,
        behind: usize,
    },
    /// The namespace is opted out, or in again, some seconds later.
    Switch { seconds: i64 },
    /// An admin assigns an object to a person, or somebody else tries to.
    Adopt {
        person: usize,
        object: usize,
        by: Option<usize>,
    },
    /// A person creates a pod or a Job that claims to be a child of another object.
    Forge {
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

/// Tries one property: after each act the namespace checks that nothing runs as somebody who did not ask for it.
macro_rules! holds_for {
    ($(#[test] fn $name:ident() for $cases:literal of $acts:expr, after $first:expr;)+) => {$(
        proptest! {
            #![proptest_config(ProptestConfig {
                cases: $cases, failure_persistence: None, ..ProptestConfig::default()
            })]

            #[test]
            fn $name(acts in $acts) {
                let mut namespace = Namespace::new();
                let first: &[Act] = $first;
                for act in first.iter().chain(&acts) {
                    namespace.act(act);
                }
            }
        }
    )+};
}

holds_for! {
    #[test]
    fn a_pod_runs_as_whoever_asked_for_what_it_runs_or_not_at_all() for 100 of acts(), after &[];
    #[test]
    fn a_flow_runs_as_whoever_deployed_what_it_runs() for 200 of of_a_flow(), after &FLOW;
    #[test]
    fn the_outcome_of_a_pod_counts_only_for_a_job_of_its_own_user() for 200 of of_orphans(), after &[];
    #[test]
    fn a_stamp_is_valid_only_for_what_it_was_signed_for_and_in_its_own_epoch() for 200 of of_stamps(), after &[];
    #[test]
    fn argo_takes_a_pod_only_for_one_of_the_workflow_that_it_runs_for() for 200 of of_workflows(), after &[];
}

/// Alice deploys a template, and bob starts a Workflow that runs it.
const FLOW: [Act; 2] = [create(0, 4, 0), create(1, 7, 4)];

const fn create(person: usize, kind: usize, shape: u8) -> Act {
    Act::Create {
        person,
        kind,
        like: None,
        shape,
        by_runner: false,
    }
}

/// The property does not hold merely because nothing is ever adopted.
#[test]
fn in_the_model_jobs_adopt_pods_of_their_own_users() {
    let mut namespace = Namespace::new();
    let (pod, job) = (0, 1);
    for person in 0..PEOPLE.len() {
        for kind in [pod, job] {
            namespace.act(&create(person, kind, 32));
        }
    }
    for object in 0..namespace.len() {
        namespace.act(&Act::Claim { object });
    }
    // Each Job checks each pod that is still without a controller: it adopts those of its own user and no others.
    assert_eq!((namespace.adopted, namespace.not_adopted), (3, 3));
}

/// The property does not hold merely because no pod ever names another Workflow.
#[test]
fn in_the_model_the_pod_of_a_workflow_that_names_another_is_refused() {
    let mut namespace = Namespace::new();
    let (workflow, label_as_argo_renders_it) = (7, 1 | 64);
    let named = Like {
        object: 0,
        keys: label_as_argo_renders_it,
    };
    for (person, like) in [(0, None), (1, Some(named))] {
        namespace.act(&Act::Create {
            person,
            kind: workflow,
            like,
            shape: 0,
            by_runner: false,
        });
    }
    assert_eq!(namespace.len(), 2, "both Workflows are there");
    for parent in [0, 1] {
        namespace.act(&Act::Child {
            parent,
            behind: 0,
            itself: true,
        });
    }
    assert_eq!((namespace.len(), namespace.pods), (3, 1));
}

/// An attack that was tried: bob's stamp on mallory's Job of the same name, which has his containers, and more around them.
#[test]
fn in_the_model_a_stamp_that_moved_to_another_job_is_not_valid() {
    let mut namespace = Namespace::new();
    let (bob, mallory, job, shared_name) = (1, 2, 1, 2);
    let his_containers = Like {
        object: 0,
        keys: 32,
    };
    for (person, like) in [(bob, None), (mallory, Some(his_containers))] {
        namespace.act(&Act::Create {
            person,
            kind: job,
            like,
            shape: shared_name,
            by_runner: false,
        });
    }
    for act in [
        Act::Status { object: 1, like: 0 },
        Act::Child {
            parent: 1,
            behind: 0,
            itself: true,
        },
    ] {
        namespace.act(&act);
    }
    assert_eq!((namespace.len(), namespace.pods), (2, 0));
}

/// The properties do not hold merely because nothing ever runs.
#[test]
fn in_the_model_pods_do_run() {
    let mut namespace = Namespace::new();
    let pairs = (0..PEOPLE.len()).flat_map(|p| (0..Kind::ALL.len()).map(move |k| (p, k)));
    let shaped = pairs.flat_map(|(p, k)| [0, 4, 6, 12, 20].map(|shape| (p, k, shape)));
    for (person, kind, shape) in shaped {
        namespace.act(&create(person, kind, shape));
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
