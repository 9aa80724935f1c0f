//! A running emulator, and what one may ask of it in-process.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::app::{State, app};
use crate::clock::Clock;
use crate::faults::Fault;
use crate::journal::Entry;
use crate::pools::PoolSeed;
use crate::principal::Principal;
use crate::seed::Seed;
use crate::server;
use crate::settings::Settings;
use crate::state::World;
use crate::storage::upstream::Upstream;

/// How to start. `Options::default()` listens on a free port of 127.0.0.1, empty, on the machine's clock.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// What is there from the beginning.
    pub world: Seed,
    /// Start of all that looks random; `None`: different each time.
    pub seed: Option<u64>,
    /// Base URL of a fake-gcs-server that keeps the objects, without a trailing slash.
    pub storage_upstream: Option<String>,
    /// The clock.
    pub clock: Clock,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            world: Seed::default(),
            seed: None,
            storage_upstream: None,
            clock: Clock::system(),
        }
    }
}

/// Why an emulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken or not this machine's.
    #[error(
        "cannot listen on {address}: {source}: choose another address, or port 0 for a free one"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The URL of the object store is none.
    #[error("storage upstream: {0}")]
    Upstream(String),
    /// The seed is wrong.
    #[error("seed: {0}")]
    Seed(String),
}

/// A running emulator. It ends when the last clone is dropped, or by [`Emulator::stop`].
#[derive(Clone, Debug)]
pub struct Emulator {
    /// `http://127.0.0.1:PORT`, without a trailing slash.
    pub base_url: String,
    state: State,
    stop: CancellationToken,
    _guard: Arc<DropGuard>,
}

impl Emulator {
    /// Listens and serves in the background of the current tokio runtime.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let address = options.listen;
        let state = State::new(options)?;
        let listen = |source| StartError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let bound = listener.local_addr().map_err(listen)?;
        let stop = CancellationToken::new();
        tokio::spawn(server::serve(listener, app(state.clone()), stop.clone()));
        Ok(Self {
            base_url: format!("http://{bound}"),
            state,
            _guard: Arc::new(stop.clone().drop_guard()),
            stop,
        })
    }

    /// The world behind it, for calls without HTTP.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Ends it and every connection.
    pub fn stop(&self) {
        self.stop.cancel();
    }
}

impl State {
    /// A world as `options` say, without a listener.
    ///
    /// # Errors
    /// [`StartError::Seed`], [`StartError::Upstream`].
    pub fn new(options: Options) -> Result<Self, StartError> {
        let mut world = World::new(options.clock, options.seed, Settings::default());
        world.seed(options.world).map_err(StartError::Seed)?;
        let objects = options
            .storage_upstream
            .as_deref()
            .map(Upstream::new)
            .transpose();
        Ok(Self::of(world, objects.map_err(StartError::Upstream)?))
    }

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
        crate::listing::state(&self.world())
    }
}
