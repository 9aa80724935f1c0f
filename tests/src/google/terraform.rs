//! `terraform/` without Google: OpenTofu with its state on the emulator, and with Google's provider reduced to its schema.
//!
//! # Layout
//! - [`workspace`]: a copy of HCL in which an admin runs OpenTofu, or its tests.
//! - [`state`]: the state bucket as `terraform/bootstrap` makes it, with its admins.
//! - [`mocked`]: what a module would make, from a run of OpenTofu's tests with a mocked provider.

use std::{path::PathBuf, sync::OnceLock};

use anyhow::{Result, anyhow};
use namesake_sandbox::{
    cli::output::say,
    host::work_folder::workspace_root,
    programs::{google_schema::GoogleSchema, tofu::TofuPrograms},
};

pub mod mocked;
pub mod state;
pub mod workspace;

/// OpenTofu and tflint, built on their first use.
///
/// # Errors
/// A build fails.
pub fn programs() -> Result<&'static TofuPrograms> {
    static FOUND: OnceLock<Result<TofuPrograms, String>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        TofuPrograms::find_or_build(&mut |line| say(line)).map_err(|error| format!("{error:#}"))
    });
    found.as_ref().map_err(|error| anyhow!(error.clone()))
}

/// The provider that has only a schema, derived on its first use.
///
/// # Errors
/// The package cannot be downloaded, or the build fails.
pub fn google_schema() -> Result<&'static GoogleSchema> {
    static FOUND: OnceLock<Result<GoogleSchema, String>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        GoogleSchema::find_or_derive(&mut |line| say(line)).map_err(|error| format!("{error:#}"))
    });
    found.as_ref().map_err(|error| anyhow!(error.clone()))
}

/// The folder of the HCL.
#[must_use]
pub fn terraform() -> PathBuf {
    workspace_root().join("terraform")
}
