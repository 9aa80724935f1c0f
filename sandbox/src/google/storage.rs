//! Cloud Storage's API without permissions: fake-gcs-server. The emulator in front of it checks permissions.

use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::{
    WorkFolder,
    host::{
        children::{Child, Children, Launch},
        ports,
    },
    programs::kubernetes::{Binaries, FAKE_GCS_SERVER},
};

const START_TRIES: u32 = 5;
const START_LIMIT: Duration = Duration::from_secs(20);

/// A running storage server.
#[derive(Debug)]
pub struct Storage {
    url: String,
    process: Child,
}

impl Storage {
    /// Starts it, in memory. `public_url` is the emulator's, which the server writes into its responses: otherwise resumable
    /// uploads would bypass the emulator.
    ///
    /// # Errors
    /// It does not start: the message has the end of its log.
    pub async fn start(
        children: &Children,
        binaries: &Binaries,
        folder: &WorkFolder,
        public_url: &str,
    ) -> Result<Self> {
        let public_host = public_url.trim_start_matches("http://");
        for attempt in 1.. {
            let port = ports::free()?;
            let args = [
                ["-scheme", "http"],
                ["-host", "127.0.0.1"],
                ["-port", &port.to_string()],
                ["-backend", "memory"],
                ["-public-host", public_host],
                ["-external-url", public_url],
                ["-log-level", "warn"],
            ];
            let args = args.into_iter().flatten().map(str::to_owned).collect();
            let launch = Launch::new(
                FAKE_GCS_SERVER.name,
                &binaries.path(FAKE_GCS_SERVER),
                args,
                &folder.logs(),
            );
            let storage = Self {
                url: format!("http://127.0.0.1:{port}"),
                process: children.spawn(&launch)?,
            };
            match storage.wait_until_ready().await {
                Ok(()) => return Ok(storage),
                // Probably the port was taken in between.
                Err(_) if attempt < START_TRIES && storage.process.ended().is_some() => {}
                Err(error) => return Err(error),
            }
        }
        bail!("the storage was not started")
    }

    async fn wait_until_ready(&self) -> Result<()> {
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(2))
            .build()
            .context("no HTTP client")?;
        let health = format!("{}/_internal/healthcheck", self.url);
        let deadline = tokio::time::Instant::now() + START_LIMIT;
        while !client
            .get(&health)
            .send()
            .await
            .is_ok_and(|answer| answer.status().is_success())
        {
            if self.process.ended().is_some() || tokio::time::Instant::now() > deadline {
                return Err(self.process.failure());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Stops it.
    pub async fn stop(self) {
        self.process.stop(Duration::ZERO).await;
    }

    /// Its URL, for the emulator only: requests are not authenticated here.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}
