//! The plan of a soak test: which actions happen when. It is a pure function of the seed.

use std::{collections::BTreeSet, fmt, time::Duration};

use namesake_tests::random::Random;

/// The number of people.
pub(super) const PEOPLE: usize = 6;
/// The longest pause between two actions.
const PAUSE: usize = 900;
/// The maximum number of actions for which a planned fault at Google lasts.
const STORM: usize = 8;
/// The maximum number of concurrent Jobs of a person.
const JOBS: usize = 4;

/// The classes of identities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// With a GSA and a folder.
    Research,
    /// Without a GSA: the Kubernetes service account has a folder.
    Notes,
    /// With a GSA, and deleted when idle.
    Brief,
}

/// The place of a person in the rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Book {
    pub(super) offboarded: BTreeSet<usize>,
    pub(super) returned: BTreeSet<usize>,
    pub(super) pinned: bool,
    pub(super) wider: bool,
    pub(super) without_notes: bool,
}

/// A fault at Google.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Writes fail a number of times with this status, applied or not.
    Status { code: u16, applied: bool },
    /// Connections are closed, with the write applied or not.
    Cut { applied: bool },
    /// The broker has no rights.
    NoPermission,
    /// No tokens are issued.
    NoTokens,
    /// Every response is delayed.
    Slow,
}

/// A change at Google without Namesake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meddling {
    /// The policy of the GSA is emptied.
    Unbinds,
    /// Somebody else gets a role on the GSA.
    LetsIn,
    Disables,
    Deletes,
}

/// An action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Comes {
        who: usize,
        class: Class,
        pods: u8,
    },
    Ends {
        who: usize,
    },
    RulesBecome(Book),
    Suspended {
        who: usize,
    },
    Resumed {
        who: usize,
    },
    Fails(Fault),
    Calm,
    /// Google propagates policies after a number of milliseconds, with a number of readers.
    Believes {
        after: u64,
        readers: u32,
    },
    AtGoogle(Meddling, usize),
    /// An admin writes invalid values into an Identity.
    EditsIdentity {
        who: usize,
    },
    DeletesIdentity {
        who: usize,
    },
    DeletesAccount {
        who: usize,
    },
    EditsAccount {
        who: usize,
    },
    /// Somebody writes to every Identity repeatedly.
    Touches,
    Orphans {
        n: usize,
    },
    KillsBroker {
        second: bool,
    },
    RollsBroker {
        second: bool,
    },
    StealsLease,
    RestartsWebhook,
    RestartsApiServer,
    /// Enough time passes that unused identities are idle.
    TimePasses,
}

/// An action, and the pause before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) pause: Duration,
    pub(super) act: Act,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{} ms {:?}", self.pause.as_millis(), self.act)
    }
}

/// An endless sequence of steps.
pub(super) struct Plan {
    random: Random,
    book: Book,
    jobs: [usize; PEOPLE],
    storm: usize,
    orphans: usize,
}

impl Plan {
    pub(super) fn of(seed: u64) -> Self {
        Self {
            random: Random::from_seed(seed),
            book: Book::default(),
            jobs: [0; PEOPLE],
            storm: 0,
            orphans: 0,
        }
    }

    fn act(&mut self) -> Act {
        if self.storm > 0 {
            self.storm -= 1;
            if self.storm == 0 {
                return Act::Calm;
            }
        }
        let who = self.random.below(PEOPLE);
        match self.random.below(100) {
            0..38 => self.comes(who),
            38..48 => {
                self.jobs[who] = 0;
                Act::Ends { who }
            }
            48..59 => self.rules(who),
            59 => Act::TimePasses,
            60..63 => Act::Suspended { who },
            63..66 => Act::Resumed { who },
            66..75 if self.storm == 0 => self.storm(),
            66..75 => Act::Touches,
            75..79 => Act::Believes {
                after: [0, 300, 1500][self.random.below(3)],
                readers: [1, 3][self.random.below(2)],
            },
            79..84 => self.meddling(who),
            84..87 => Act::EditsIdentity { who },
            87 => Act::DeletesIdentity { who },
            88..90 => Act::DeletesAccount { who },
            90 => Act::EditsAccount { who },
            91..94 => {
                self.orphans += 1;
                Act::Orphans { n: self.orphans }
            }
            94..96 => Act::KillsBroker {
                second: self.random.one_in(2),
            },
            96..98 => Act::RollsBroker {
                second: self.random.one_in(2),
            },
            98 if self.random.one_in(3) => Act::RestartsApiServer,
            98 => Act::StealsLease,
            _ => Act::RestartsWebhook,
        }
    }

    fn comes(&mut self, who: usize) -> Act {
        if self.jobs[who] >= JOBS {
            self.jobs[who] = 0;
            return Act::Ends { who };
        }
        self.jobs[who] += 1;
        let all = [Class::Research, Class::Research, Class::Notes, Class::Brief];
        let class = all[self.random.below(all.len())];
        let pods = 1 + u8::from(self.random.one_in(4));
        Act::Comes { who, class, pods }
    }

    fn rules(&mut self, who: usize) -> Act {
        let book = &mut self.book;
        match self.random.below(8) {
            0..2 => {
                book.returned.remove(&who);
                book.offboarded.insert(who);
            }
            2..5 => {
                // The person who was offboarded first comes back.
                let back = book.offboarded.pop_first().unwrap_or(who);
                book.returned.insert(back);
            }
            5 => {
                // Removed from both lists: a person who was offboarded stays away.
                book.offboarded.remove(&who);
                book.returned.remove(&who);
            }
            6 if self.random.one_in(3) => book.without_notes = !book.without_notes,
            6 => book.pinned = !book.pinned,
            _ => book.wider = !book.wider,
        }
        Act::RulesBecome(book.clone())
    }

    fn storm(&mut self) -> Act {
        self.storm = 2 + self.random.below(STORM);
        let applied = self.random.one_in(2);
        Act::Fails(match self.random.below(7) {
            0..3 => Fault::Status {
                code: [429, 500, 503][self.random.below(3)],
                applied,
            },
            3 => Fault::Cut { applied },
            4 => Fault::NoPermission,
            5 => Fault::NoTokens,
            _ => Fault::Slow,
        })
    }

    fn meddling(&mut self, who: usize) -> Act {
        let all = [
            Meddling::Unbinds,
            Meddling::LetsIn,
            Meddling::Disables,
            Meddling::Deletes,
        ];
        Act::AtGoogle(all[self.random.below(all.len())], who)
    }
}

impl Iterator for Plan {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let pause = Duration::from_millis(self.random.below(PAUSE) as u64);
        Some(Step {
            pause,
            act: self.act(),
        })
    }
}

#[test]
fn the_same_seed_gives_the_same_plan_and_another_gives_another() {
    let of = |seed| Plan::of(seed).take(500).collect::<Vec<_>>();
    assert_eq!(of(7), of(7));
    assert_ne!(of(7), of(8));
}
