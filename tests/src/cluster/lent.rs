//! Clusters for tests that stop programs or change the rules: as many as such tests run at the same time, within a limit.

use std::{
    ops::Deref,
    sync::{Mutex, PoisonError},
};

use anyhow::Result;
use namesake_sandbox::CLUSTER;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::Cluster;

/// At most so many: each is an API server, a store and controllers, and such tests mostly wait.
const CLUSTERS: usize = 3;
static TURNS: Semaphore = Semaphore::const_new(CLUSTERS);
static FREE: Mutex<Vec<&'static Cluster>> = Mutex::new(Vec::new());

/// A cluster that is one test's until this is dropped.
pub struct Lent {
    cluster: &'static Cluster,
    _turn: SemaphorePermit<'static>,
}

impl Cluster {
    /// One that is nobody else's meanwhile. It ends with the process.
    ///
    /// # Errors
    /// It does not start.
    pub async fn lent() -> Result<Lent> {
        let turn = TURNS.acquire().await?;
        let free = FREE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let cluster = match free {
            Some(cluster) => cluster,
            None => Box::leak(Box::new(Self::start(CLUSTER).await?)),
        };
        Ok(Lent {
            cluster,
            _turn: turn,
        })
    }
}

impl Deref for Lent {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        self.cluster
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        free.push(self.cluster);
    }
}
