//! What a stack of a test's own may have otherwise.

use std::{
    sync::{Arc, atomic::AtomicI64},
    time::Duration,
};

use namesake_broker::Config;

use super::SHARED_RULES;
use crate::google::Google;

/// See the module.
#[derive(Clone)]
pub struct Options {
    /// The rules, at the start.
    pub rules: String,
    /// New identities that one user may have in a minute.
    pub identities_per_minute: u32,
    /// The broker's waits are this much shorter than in production.
    pub speed: u32,
    /// How long the webhook waits for the broker.
    pub broker_deadline: Duration,
    /// Seconds that the broker's clock is ahead; a test may move it on.
    pub ahead: Arc<AtomicI64>,
    /// Google's side, if it is another stack's.
    pub google: Option<Arc<Google>>,
    /// What else the broker is told.
    pub tune: fn(&mut Config),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rules: SHARED_RULES.to_owned(),
            // Alice needs one in nearly every test's namespace.
            identities_per_minute: 10_000,
            speed: 50,
            broker_deadline: Duration::from_secs(6),
            ahead: Arc::default(),
            google: None,
            tune: |_| {},
        }
    }
}
