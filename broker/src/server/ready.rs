//! What must be there before the broker can serve; `/readyz` names what is missing. Not the Identities: until they are all read,
//! which takes a while where they are thousands, the API asks for each, and nobody's pod is refused for that. Only who is to
//! lead waits for them.

use std::sync::atomic::{AtomicU8, Ordering};

/// One thing that must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Rules, live or accepted earlier.
    Rules,
    /// The list of namespaces that opted in.
    Namespaces,
    /// A certificate to serve with.
    Certificate,
}

const PARTS: [(Part, &str); 3] = [
    (
        Part::Rules,
        "rules: create the ConfigMap namesake-rules, or look at its Events",
    ),
    (
        Part::Namespaces,
        "the list of namespaces from the API server",
    ),
    (Part::Certificate, "a certificate"),
];

/// Set when the process is about to end.
const LEAVING: u8 = 1 << 7;

/// Which parts are there.
#[derive(Debug, Default)]
pub struct Ready(AtomicU8);

impl Ready {
    /// This part is there now, and stays.
    pub fn set(&self, part: Part) {
        self.0.fetch_or(bit(part), Ordering::Release);
    }

    /// The process is about to end: no new requests should come.
    pub fn leave(&self) {
        self.0.fetch_or(LEAVING, Ordering::Release);
    }

    /// The first part that is missing, in words.
    #[must_use]
    pub fn missing(&self) -> Option<&'static str> {
        let there = self.0.load(Ordering::Acquire);
        if there & LEAVING != 0 {
            return Some("its end: it is being stopped");
        }
        let missing = PARTS.into_iter().find(|(part, _)| there & bit(*part) == 0);
        missing.map(|(_, what)| what)
    }
}

const fn bit(part: Part) -> u8 {
    1 << part as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_only_when_every_part_is_there() {
        let ready = Ready::default();
        for (part, what) in PARTS {
            assert_eq!(ready.missing(), Some(what));
            ready.set(part);
        }
        assert_eq!(ready.missing(), None);
        ready.leave();
        assert!(ready.missing().is_some());
    }
}
