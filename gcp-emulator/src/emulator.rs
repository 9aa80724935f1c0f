//! A running emulator.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::router::app;
use self::seed::Seed;
use crate::world::World;
use crate::world::controls::clock::Clock;
use crate::world::controls::settings::Settings;
use crate::world::object_store::ObjectStore;
use crate::world::state::State;

mod admin;
mod apply_seed;
mod control;
pub(crate) mod listener;
mod listing;
pub mod replay;
pub(crate) mod router;
pub(crate) mod seed;

/// Options of an emulator. By default it listens on a free port of 127.0.0.1, has no projects, and uses the machine's clock.
#[derive(Clone, Debug)]
pub struct Options {
    /// Address to listen on; port 0 for a free one.
    pub listen: SocketAddr,
    /// Projects, pools, accounts, buckets and policies at the start.
    pub seed: Seed,
    /// Seed of all random values; `None`: different values each time.
    pub random_seed: Option<u64>,
    /// Base URL of a fake-gcs-server that keeps the objects, without a trailing slash.
    pub storage_upstream: Option<String>,
    /// The clock.
    pub clock: Clock,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            seed: Seed::default(),
            random_seed: None,
            storage_upstream: None,
            clock: Clock::system(),
        }
    }
}

/// Why an emulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is in use or not an address of this machine.
    #[error(
        "cannot listen on {address}: {source}: choose another address, or port 0 for a free one"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The error.
        source: std::io::Error,
    },
    /// The URL of the object store is invalid.
    #[error("storage upstream: {0}")]
    Upstream(String),
    /// The seed is invalid.
    #[error("seed: {0}")]
    Seed(String),
}

/// A running emulator. It stops when the last clone is dropped, or with [`Emulator::stop`].
#[derive(Clone, Debug)]
pub struct Emulator {
    /// `http://127.0.0.1:PORT`, without a trailing slash.
    pub base_url: String,
    state: State,
    stop: CancellationToken,
    _guard: Arc<DropGuard>,
}

impl Emulator {
    /// Starts an emulator in the current tokio runtime.
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
        tokio::spawn(listener::serve(listener, app(state.clone()), stop.clone()));
        Ok(Self {
            base_url: format!("http://{bound}"),
            state,
            _guard: Arc::new(stop.clone().drop_guard()),
            stop,
        })
    }

    /// The emulated state, for calls without HTTP.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Stops it and closes all connections.
    pub fn stop(&self) {
        self.stop.cancel();
    }
}

impl State {
    /// The emulated state for `options`, without a listener.
    ///
    /// # Errors
    /// [`StartError::Seed`], [`StartError::Upstream`].
    pub fn new(options: Options) -> Result<Self, StartError> {
        let mut world = World::new(options.clock, options.random_seed, Settings::default());
        world.seed(options.seed).map_err(StartError::Seed)?;
        let objects = options
            .storage_upstream
            .as_deref()
            .map(ObjectStore::new)
            .transpose();
        Ok(Self::with(world, objects.map_err(StartError::Upstream)?))
    }
}
