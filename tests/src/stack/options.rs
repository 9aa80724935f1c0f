//! Options of a stack for one test.

use std::{
    sync::{Arc, atomic::AtomicI64},
    time::Duration,
};

use namesake_broker::Config;

use super::SHARED_RULES;
use crate::google::Google;

/// The options; the default is what the shared stack has.
#[derive(Clone)]
pub struct Options {
    /// The initial rules.
    pub rules: String,
    /// The limit of new identities per user and minute.
    pub identities_per_minute: u32,
    /// The factor by which the broker's intervals are shorter than by default.
    pub speed: u32,
    /// How long the webhook waits for the broker.
    pub broker_deadline: Duration,
    /// The other webhooks that may change pods after ours, as in the flag; empty for none.
    pub trusted_webhooks: &'static str,
    /// The seconds by which the broker's clock is ahead; tests may change it at any time.
    pub ahead: Arc<AtomicI64>,
    /// The stack, if it is not the first one of its cluster; see [`Stack::start_beside`](super::Stack::start_beside).
    pub beside: Option<&'static str>,
    /// The Google of another stack, to share it.
    pub google: Option<Arc<Google>>,
    /// Further changes to the broker's configuration.
    pub tune: fn(&mut Config),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rules: SHARED_RULES.to_owned(),
            // Alice gets one in the namespace of nearly every test.
            identities_per_minute: 10_000,
            speed: 50,
            broker_deadline: Duration::from_secs(6),
            trusted_webhooks: "",
            ahead: Arc::default(),
            beside: None,
            google: None,
            tune: |_| {},
        }
    }
}
