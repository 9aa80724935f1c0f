//! A model of a namespace: random people and controllers create, change and delete objects in any order, dressed in whatever
//! they can read of one another's. However they mix: a pod runs as whoever asked for what it runs, or it does not run.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use jiff::Timestamp;
use namesake_webhook::admit::Webhook;
use namesake_webhook::mode::Mode;
use namesake_webhook::state::{Says, State};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use crate::cases::{NOW, ask, name_of, patch, patched, state_at};

mod kinds;

use kinds::{JOB_SET_CONTROLLER, Kind, child, edited, feed, new, runs};

const PEOPLE: [&str; 3] = ["alice@acme.com", "bob@acme.com", "mallory@acme.com"];
/// What somebody can copy from another's object onto their own.
const DRESS: [&str; 5] = [
    "namesake.dev/stamp",
    "namesake.dev/resolution",
    "namesake.dev/user",
    "metaflow/user",
    "namesake.dev/adopt-for",
];

/// What somebody does; numbers are taken modulo what there is.
#[derive(Clone, Debug)]
enum Act {
    /// A person creates an object, with another's name and annotations if they like.
    Create {
        person: usize,
        kind: usize,
        like: Option<usize>,
        shape: u8,
    },
    /// A controller makes a child of an object, as it saw it some versions ago; or somebody who impersonates it does.
    Child {
        parent: usize,
        behind: usize,
        itself: bool,
    },
    /// Somebody changes what an object runs.
    Edit {
        person: usize,
        object: usize,
        edit: u8,
        like: Option<usize>,
    },
    /// The same while the namespace is opted out; then it is opted in again.
    EditUnseen {
        person: usize,
        object: usize,
        edit: u8,
    },
    /// Somebody deletes an object.
    Delete { object: usize },
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let person = 0..PEOPLE.len();
    let object = any::<prop::sample::Index>().prop_map(|i| i.index(64));
    let like = prop::option::weighted(0.5, object.clone());
    let create = (
        person.clone(),
        0..Kind::ALL.len(),
        like.clone(),
        any::<u8>(),
    )
        .prop_map(|(person, kind, like, shape)| Act::Create {
            person,
            kind,
            like,
            shape,
        });
    let child = (object.clone(), 0..3_usize, prop::bool::weighted(0.9)).prop_map(
        |(parent, behind, itself)| Act::Child {
            parent,
            behind,
            itself,
        },
    );
    let edit = (person.clone(), object.clone(), any::<u8>(), like).prop_map(
        |(person, object, edit, like)| Act::Edit {
            person,
            object,
            edit,
            like,
        },
    );
    let unseen =
        (person, object.clone(), any::<u8>()).prop_map(|(person, object, edit)| Act::EditUnseen {
            person,
            object,
            edit,
        });
    let act = prop_oneof![
        4 => create,
        6 => child,
        4 => edit,
        1 => unseen,
        1 => object.prop_map(|object| Act::Delete { object }),
    ];
    prop::collection::vec(act, 1..40)
}

/// Who asked for what a version of an object runs; nobody, if more than one person had a hand in it.
type Asked = Option<&'static str>;

/// An object as the API server keeps it, with every version that controllers may still see.
struct Stored {
    kind: Kind,
    versions: Vec<(Value, Asked)>,
    is_there: bool,
}

/// The namespace, its webhook, and what really happened.
struct Namespace {
    runtime: Runtime,
    state: State,
    clock: Arc<AtomicI64>,
    objects: Vec<Stored>,
    pods: usize,
}

impl Namespace {
    fn new() -> Self {
        let identities = PEOPLE.map(|user| json!({"user": user, "ready": true}));
        let clock = Arc::new(AtomicI64::new(NOW));
        let carriers =
            format!("carriers: [{{account: {JOB_SET_CONTROLLER}, parents: [JobSet]}}]\nupdaters:");
        let case = json!({"identities": identities, "edits": [["updaters:", carriers]]});
        Self {
            runtime: Builder::new_current_thread().enable_all().build().unwrap(),
            state: state_at(&case, Arc::clone(&clock)),
            clock,
            objects: Vec::new(),
            pods: 0,
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.clock.load(Relaxed)).unwrap()
    }

    /// Hours pass in which nobody watches.
    fn opts_out_and_in(&self) {
        self.state.namespaces.delete("research");
        let now = self.clock.fetch_add(7200, Relaxed) + 7200;
        let says = Says {
            stack: "prod",
            mode: Mode::Enforce,
            since: None,
        };
        self.state.namespaces.apply("research", says, now);
    }

    fn admits(&self, review: &Value) -> Option<Value> {
        let answer = self
            .runtime
            .block_on(ask(&self.state, Webhook::Mutate, review));
        let allowed = answer["allowed"] == true;
        allowed.then(|| patched(&review["request"]["object"], &patch(&answer)))
    }

    fn create(&mut self, kind: Kind, mut object: Value, who: (&str, bool), asked: Asked) {
        let review = review(kind, "CREATE", who, (&object, &Value::Null));
        let Some(admitted) = self.admits(&review) else {
            return;
        };
        object = admitted;
        let number = self.objects.len();
        object["metadata"]["uid"] = json!(format!("uid-{number}"));
        if kind == Kind::Pod {
            let review = self::review(kind, "CREATE", who, (&object, &Value::Null));
            let twin = self
                .runtime
                .block_on(ask(&self.state, Webhook::Validate, &review));
            if twin["allowed"] != true {
                return;
            }
            self.runs_as_who_asked(&object, asked);
        }
        if object["metadata"]["name"].is_null() {
            object["metadata"]["name"] = json!(format!("t-{number}"));
        }
        object["metadata"]["creationTimestamp"] = json!(self.now().to_string());
        feed(&self.state, kind, &object);
        self.objects.push(Stored {
            kind,
            versions: vec![(object, asked)],
            is_there: true,
        });
    }

    fn runs_as_who_asked(&mut self, pod: &Value, asked: Asked) {
        let account = pod["spec"]["serviceAccountName"].as_str().unwrap();
        let owner = PEOPLE.iter().find(|user| name_of(user) == account);
        if let Some(owner) = owner {
            assert_eq!(Some(*owner), asked, "{pod}");
            self.pods += 1;
        }
    }

    fn at(&self, index: usize) -> Option<usize> {
        let there = self.objects.iter().enumerate().filter(|(_, o)| o.is_there);
        let there: Vec<usize> = there.map(|(i, _)| i).collect();
        there.get(index.checked_rem(there.len())?).copied()
    }

    fn dress(&self, object: &mut Value, like: Option<usize>) {
        let Some(other) = like.and_then(|like| self.at(like)) else {
            return;
        };
        let Some((other, _)) = self.objects[other].versions.last() else {
            return;
        };
        for key in DRESS {
            let worn = &other["metadata"]["annotations"][key];
            if worn.is_string() {
                object["metadata"]["annotations"][key] = worn.clone();
            }
        }
        if other["spec"]["serviceAccountName"].is_string()
            && object["spec"]["containers"].is_array()
        {
            object["spec"]["serviceAccountName"] = other["spec"]["serviceAccountName"].clone();
        }
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Create {
                person,
                kind,
                like,
                shape,
            } => {
                let (kind, person) = (Kind::ALL[*kind], PEOPLE[*person]);
                let mut object = new(kind, person, *shape);
                self.dress(&mut object, *like);
                self.create(kind, object, (person, false), Some(person));
            }
            Act::Child {
                parent,
                behind,
                itself,
            } => {
                let Some(parent) = self.at(*parent) else {
                    return;
                };
                let parent = &self.objects[parent];
                let version = parent.versions.len().saturating_sub(1 + behind);
                let (seen, asked) = parent.versions[version].clone();
                if let Some((kind, object, controller)) = child(parent.kind, &seen) {
                    self.create(kind, object, (controller, *itself), asked);
                }
            }
            Act::Edit {
                person,
                object,
                edit,
                like,
            } => self.edit(PEOPLE[*person], *object, *edit, *like, true),
            Act::EditUnseen {
                person,
                object,
                edit,
            } => self.edit(PEOPLE[*person], *object, *edit, None, false),
            Act::Delete { object } => {
                if let Some(object) = self.at(*object) {
                    self.objects[object].is_there = false;
                }
            }
        }
    }

    fn edit(
        &mut self,
        person: &'static str,
        object: usize,
        edit: u8,
        like: Option<usize>,
        seen: bool,
    ) {
        let Some(index) = self.at(object) else { return };
        let (kind, (old, asked)) = {
            let stored = &self.objects[index];
            (stored.kind, stored.versions.last().cloned().unwrap())
        };
        let Some(mut new) = edited(kind, &old, person, edit) else {
            return;
        };
        if seen {
            self.dress(&mut new, like);
            let review = review(kind, "UPDATE", (person, false), (&new, &old));
            let Some(admitted) = self.admits(&review) else {
                return;
            };
            new = admitted;
        } else {
            self.opts_out_and_in();
        }
        let same = runs(kind, &new) == runs(kind, &old);
        let asked = match asked {
            asked if same => asked,
            _ if seen && kind.changes_hands() => Some(person),
            asked => asked.filter(|owner| *owner == person),
        };
        feed(&self.state, kind, &new);
        self.objects[index].versions.push((new, asked));
    }
}

fn review(
    kind: Kind,
    operation: &str,
    (user, token): (&str, bool),
    (new, old): (&Value, &Value),
) -> Value {
    let (group, version, name) = kind.gvk();
    let extra = if token {
        json!({"authentication.kubernetes.io/credential-id": ["JTI=1"]})
    } else {
        json!({})
    };
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "review-1", "kind": {"group": group, "version": version, "kind": name}, "namespace": "research",
        "operation": operation, "userInfo": {"username": user, "extra": extra}, "object": new, "oldObject": old}})
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_pod_runs_as_whoever_asked_for_what_it_runs_or_not_at_all(acts in acts()) {
        let mut namespace = Namespace::new();
        for act in &acts {
            namespace.act(act);
        }
    }
}

/// The property is not true because nothing ever runs.
#[test]
fn in_the_model_pods_do_run() {
    let mut namespace = Namespace::new();
    for (person, kind) in (0..PEOPLE.len()).flat_map(|p| (0..Kind::ALL.len()).map(move |k| (p, k)))
    {
        namespace.act(&Act::Create {
            person,
            kind,
            like: None,
            shape: 0,
        });
    }
    for _ in 0..4 {
        for parent in 0..namespace.objects.len() {
            namespace.act(&Act::Child {
                parent,
                behind: 0,
                itself: true,
            });
        }
    }
    assert!(namespace.pods > 2 * PEOPLE.len(), "{}", namespace.pods);
}
