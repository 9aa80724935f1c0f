//! What the broker needs before it can serve; `/readyz` names what is missing. The Identities are not part of that: while their
//! list, which may be long, is being read, the API asks the API server for each. Only the leader waits for them.

use std::sync::atomic::{AtomicU8, Ordering};

/// One thing that the broker needs before it can serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadyPart {
    /// Rules, as edited or as accepted earlier.
    Rules,
    /// The list of namespaces that opted in.
    Namespaces,
    /// A certificate to serve with.
    Certificate,
}

const PARTS: [(ReadyPart, &str); 3] = [
    (
        ReadyPart::Rules,
        "waiting for rules: create the ConfigMap namesake-rules, or look at its Events",
    ),
    (
        ReadyPart::Namespaces,
        "waiting for the list of namespaces from the API server",
    ),
    (ReadyPart::Certificate, "waiting for a certificate"),
];

/// Set during shutdown.
const SHUTTING_DOWN: u8 = 1 << 7;

/// Which parts are ready.
#[derive(Debug, Default)]
pub struct Ready(AtomicU8);

impl Ready {
    /// This part is ready from now on.
    pub fn set(&self, part: ReadyPart) {
        self.0.fetch_or(bit(part), Ordering::Release);
    }

    /// The process shuts down: it should get no new requests.
    pub fn set_shutting_down(&self) {
        self.0.fetch_or(SHUTTING_DOWN, Ordering::Release);
    }

    /// Why the broker is not ready, if it is not.
    #[must_use]
    pub fn why_not(&self) -> Option<&'static str> {
        let ready = self.0.load(Ordering::Acquire);
        if ready & SHUTTING_DOWN != 0 {
            return Some("shutting down");
        }
        let missing = PARTS.into_iter().find(|(part, _)| ready & bit(*part) == 0);
        missing.map(|(_, why)| why)
    }
}

const fn bit(part: ReadyPart) -> u8 {
    1 << part as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_broker_is_ready_with_every_part_and_until_it_shuts_down() {
        let ready = Ready::default();
        for (part, why) in PARTS {
            assert_eq!(ready.why_not(), Some(why));
            ready.set(part);
        }
        assert_eq!(ready.why_not(), None);
        ready.set_shutting_down();
        assert_eq!(ready.why_not(), Some("shutting down"));
    }
}
