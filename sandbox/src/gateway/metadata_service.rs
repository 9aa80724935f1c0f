//! The metadata service: a third party's, with Metaflow's own provider behind the standard API, and the UI's API at `/api`.

use anyhow::{Result, bail};

use super::{START_LIMIT, client, wait_until_answered};
use crate::{
    WorkFolder,
    host::{
        children::{Child, Children, Launch},
        ports,
    },
    programs::python::Python,
};

const START_TRIES: u32 = 5;
/// Longer than any run, in seconds.
const IDLE: &str = "1000000";

/// A running service.
#[derive(Debug)]
pub struct MetadataService {
    url: String,
    process: Child,
}

impl MetadataService {
    /// Starts it, with its data below the work folder.
    ///
    /// # Errors
    /// It does not start: the message has the end of its log.
    pub async fn start(children: &Children, python: &Python, folder: &WorkFolder) -> Result<Self> {
        let root = folder.data().join("metaflow");
        std::fs::create_dir_all(&root)?;
        for attempt in 1.. {
            let port = ports::free()?;
            let args = [
                ["-m", "metaflow_local_service.daemon"],
                ["--port", &port.to_string()],
                ["--metaflow-root", &root.display().to_string()],
                ["--idle-timeout", IDLE],
            ];
            let args = args.into_iter().flatten().map(str::to_owned).collect();
            let mut launch =
                Launch::new("metadata-service", &python.program(), args, &folder.logs());
            // It keeps state of its own below the home folder.
            launch.env = vec![("HOME".to_owned(), root.display().to_string())];
            let service = Self {
                url: format!("http://127.0.0.1:{port}"),
                process: children.spawn(&launch)?,
            };
            let ping = format!("{}/ping", service.url);
            match wait_until_answered(&client()?, &ping, &service.process, START_LIMIT).await {
                Ok(()) => return Ok(service),
                // Probably the port was taken in between.
                Err(_) if attempt < START_TRIES && service.process.ended().is_some() => {}
                Err(error) => return Err(error),
            }
        }
        bail!("the metadata service was not started")
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The process.
    #[must_use]
    pub fn process(&self) -> &Child {
        &self.process
    }
}
