//! The handle on the emulated world that every connection shares.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::api::errors::ApiError;
use crate::world::World;
use crate::world::object_store::ObjectStore;

/// The emulated world, shared by every connection. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct State {
    world: Arc<Mutex<World>>,
    objects: Option<Arc<ObjectStore>>,
}

impl State {
    pub(crate) fn of(world: World, objects: Option<ObjectStore>) -> Self {
        Self {
            world: Arc::new(Mutex::new(world)),
            objects: objects.map(Arc::new),
        }
    }

    /// Where objects are kept.
    ///
    /// # Errors
    /// 503 if nowhere.
    pub(crate) fn object_store(&self) -> Result<&ObjectStore, ApiError> {
        self.objects.as_deref().ok_or_else(|| {
            ApiError::storage(
                503,
                "backendError",
                "gcp-emulator keeps no objects: start it with --storage-upstream and a fake-gcs-server",
            )
        })
    }

    /// The world, until the guard is dropped: never hold it across an await.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while a planned stop is in force.
    pub(crate) async fn answering(&self) {
        let mut stopped = self.world().faults.stopped();
        // The sender lives in the world, which lives as long as `self`.
        let _ = stopped.wait_for(|stopped| !stopped).await;
    }
}
