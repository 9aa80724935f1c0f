//! A pool of clusters for tests that stop programs or change the rules.

use std::{
    ops::Deref,
    sync::{Mutex, PoisonError},
};

use anyhow::Result;
use namesake_sandbox::CLUSTER;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::Cluster;

/// The maximum number of clusters: each runs an API server, etcd and controllers, and such tests mostly wait.
const CLUSTERS: usize = 3;
static PERMITS: Semaphore = Semaphore::const_new(CLUSTERS);
static FREE: Mutex<Vec<&'static Cluster>> = Mutex::new(Vec::new());

/// A cluster for exclusive use by one test, until this is dropped.
pub struct Lent {
    cluster: &'static Cluster,
    _permit: SemaphorePermit<'static>,
}

impl Cluster {
    /// Takes a cluster from the pool, or starts one. It stops with the process.
    ///
    /// # Errors
    /// It does not start.
    pub async fn lent() -> Result<Lent> {
        let permit = PERMITS.acquire().await?;
        let free = FREE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let cluster = match free {
            Some(cluster) => cluster,
            None => Box::leak(Box::new(Self::start(CLUSTER).await?)),
        };
        Ok(Lent {
            cluster,
            _permit: permit,
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
