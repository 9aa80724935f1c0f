//! The shared handle of the emulated state.

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use crate::api::errors::ApiError;
use crate::world::World;
use crate::world::buckets::Bucket;
use crate::world::object_store::ObjectStore;

/// The emulated state, shared by all connections. Cheap to clone.
#[derive(Clone, Debug)]
pub struct State {
    world: Arc<Mutex<World>>,
    objects: Option<Arc<ObjectStore>>,
}

impl State {
    pub(crate) fn with(world: World, objects: Option<ObjectStore>) -> Self {
        Self {
            world: Arc::new(Mutex::new(world)),
            objects: objects.map(Arc::new),
        }
    }

    /// The store that keeps the objects.
    ///
    /// # Errors
    /// 503 if there is none.
    pub(crate) fn object_store(&self) -> Result<&ObjectStore, ApiError> {
        self.objects.as_deref().ok_or_else(|| {
            ApiError::storage(
                503,
                "backendError",
                "gcp-emulator keeps no objects: start it with --storage-upstream and a fake-gcs-server",
            )
        })
    }

    /// Creates the bucket in the object store if it does not exist there, and sets whether that keeps older versions if the
    /// bucket says so.
    ///
    /// # Errors
    /// 503 without an object store.
    pub(crate) async fn ensure_bucket(&self, bucket: &str) -> Result<(), ApiError> {
        let found = self.world().buckets.get(bucket).map(Bucket::versioned);
        let versioned = found.flatten();
        self.object_store()?.ensure_bucket(bucket, versioned).await
    }

    /// Locks the state. The guard must not be held across an await.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock()
    }

    /// Waits until no planned fault stops answering.
    pub(crate) async fn wait_until_resumed(&self) {
        let mut stopped = self.world().faults.stopped();
        // Fails only if the sender is dropped, which lives as long as `self`.
        let _ = stopped.wait_for(|stopped| !stopped).await;
    }
}
