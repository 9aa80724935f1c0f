//! What a test in the same process changes and looks at, without HTTP.

use jiff::SignedDuration;
use serde_json::Value;

use super::listing;
use super::seed::Seed;
use crate::api::principal::Principal;
use crate::world::World;
use crate::world::controls::clock::Clock;
use crate::world::controls::faults::Fault;
use crate::world::controls::request_log::Entry;
use crate::world::controls::settings::Settings;
use crate::world::pools::PoolSeed;
use crate::world::state::State;

impl State {
    /// The clock, to be advanced.
    pub fn clock(&self) -> Clock {
        self.world().clock.clone()
    }

    /// The settings in force.
    pub fn settings(&self) -> Settings {
        self.world().settings.clone()
    }

    /// Changes settings by a function.
    ///
    /// # Errors
    /// A sentence that names the key that is out of range; nothing is changed then.
    pub fn change_settings(&self, change: impl FnOnce(&mut Settings)) -> Result<(), String> {
        let mut world = self.world();
        let mut settings = world.settings.clone();
        change(&mut settings);
        settings.check()?;
        world.settings = settings;
        Ok(())
    }

    /// Adds to the world.
    ///
    /// # Errors
    /// A sentence that names the entry that is wrong.
    pub fn seed(&self, seed: Seed) -> Result<(), String> {
        self.world().seed(seed)
    }

    /// Adds or replaces one issuer of a pool; a new pool is known to IAM after `delays.pool`.
    ///
    /// # Errors
    /// A sentence: unknown project, unusable key set.
    pub fn put_pool(&self, pool: PoolSeed) -> Result<(), String> {
        let mut world = self.world();
        let now = world.clock.now();
        world.put_pool(pool, now)
    }

    /// An access token for the person `email`, with cloud-platform scope, for an hour.
    pub fn user_token(&self, email: &str) -> String {
        let mut world = self.world();
        let principal = Principal::User {
            email: email.to_ascii_lowercase(),
        };
        let scopes = vec!["https://www.googleapis.com/auth/cloud-platform".to_owned()];
        let now = world.clock.token_now();
        let World { tokens, random, .. } = &mut *world;
        let (token, _) = tokens.issue(
            random,
            principal,
            scopes,
            SignedDuration::from_hours(1),
            now,
        );
        token
    }

    /// Plans a failure; answers its number.
    pub fn add_fault(&self, fault: Fault) -> u64 {
        self.world().faults.add(fault)
    }

    /// Waits until a planned [`crate::FaultAnswer::Stop`] has come into force.
    pub async fn stopped(&self) {
        let mut stopped = self.world().faults.stopped();
        // The sender lives in the world, which lives as long as `self`.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    }

    /// Forgets every planned failure, and answers again if one has stopped that.
    pub fn clear_faults(&self) {
        self.world().faults.clear();
    }

    /// The requests after number `after` (0: all that are kept).
    pub fn requests(&self, after: u64) -> Vec<Entry> {
        self.world().journal.after(after).cloned().collect()
    }

    /// Everything, as `GET /emulator/v1/state` shows it.
    pub fn listing(&self) -> Value {
        listing::state(&self.world())
    }
}
