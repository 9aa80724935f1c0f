//! What tests in the same process can change and read without HTTP.

use jiff::SignedDuration;
use serde_json::Value;

use super::listing;
use super::seed::Seed;
use crate::api::principal::Principal;
use crate::world::controls::clock::Clock;
use crate::world::controls::faults::Fault;
use crate::world::controls::request_log::LoggedRequest;
use crate::world::controls::settings::Settings;
use crate::world::pools::PoolSeed;
use crate::world::state::State;

impl State {
    /// The clock, which tests can advance.
    pub fn clock(&self) -> Clock {
        self.world().clock.clone()
    }

    /// The current settings.
    pub fn settings(&self) -> Settings {
        self.world().settings.clone()
    }

    /// Changes the settings.
    ///
    /// # Errors
    /// The key that is out of range; nothing is changed then.
    pub fn change_settings(&self, change: impl FnOnce(&mut Settings)) -> Result<(), String> {
        let mut world = self.world();
        let mut settings = world.settings.clone();
        change(&mut settings);
        settings.check()?;
        world.settings = settings;
        Ok(())
    }

    /// Adds what `seed` describes.
    ///
    /// # Errors
    /// The entry that is invalid.
    pub fn seed(&self, seed: Seed) -> Result<(), String> {
        self.world().seed(seed)
    }

    /// Adds or replaces an issuer of a pool. A new pool becomes visible after `delays.pool`.
    ///
    /// # Errors
    /// The project is unknown, or the key set is invalid.
    pub fn put_pool(&self, pool: PoolSeed) -> Result<(), String> {
        let mut world = self.world();
        let now = world.clock.now();
        world.put_pool(pool, now)
    }

    /// An access token of the person `email`, with cloud-platform scope, valid for an hour.
    pub fn user_token(&self, email: &str) -> String {
        let mut world = self.world();
        let principal = Principal::User {
            email: email.to_ascii_lowercase(),
        };
        let scopes = vec!["https://www.googleapis.com/auth/cloud-platform".to_owned()];
        let (token, _) = world.issue_token(principal, scopes, SignedDuration::from_hours(1));
        token
    }

    /// Plans a fault and returns its number.
    pub fn add_fault(&self, fault: Fault) -> u64 {
        self.world().faults.add(fault)
    }

    /// Waits until a planned [`crate::FaultAnswer::Stop`] has stopped answering.
    pub async fn stopped(&self) {
        let mut stopped = self.world().faults.stopped();
        // Fails only if the sender is dropped, which lives as long as `self`.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    }

    /// Removes all planned faults, and resumes answering if one has stopped it.
    pub fn clear_faults(&self) {
        self.world().faults.clear();
    }

    /// The logged requests after number `after`; 0 for all.
    pub fn requests(&self, after: u64) -> Vec<LoggedRequest> {
        self.world().request_log.after(after).cloned().collect()
    }

    /// The emulated state as JSON, as `GET /emulator/v1/state` returns it.
    pub fn listing(&self) -> Value {
        listing::state(&self.world())
    }
}
