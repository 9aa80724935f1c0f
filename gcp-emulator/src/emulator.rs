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
mod control;
pub(crate) mod listener;
mod listing;
pub(crate) mod router;
pub(crate) mod seed;

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
        tokio::spawn(listener::serve(listener, app(state.clone()), stop.clone()));
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
            .map(ObjectStore::new)
            .transpose();
        Ok(Self::of(world, objects.map_err(StartError::Upstream)?))
    }
}
