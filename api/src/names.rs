//! All names that the manifests or the environment contain too: whoever renames one here renames it in `manifests/`.

mod broker_settings;
mod command_settings;
mod conditions;
mod gateway;
mod http;
mod labels;
mod objects;
mod settings;

pub use broker_settings::*;
pub use command_settings::*;
pub use conditions::*;
pub use gateway::*;
pub use http::*;
pub use labels::*;
pub use objects::*;
pub use settings::*;

/// API group of our custom resources, and prefix of our labels and annotations.
pub const GROUP: &str = "namesake.dev";
/// Version of our custom resources and of the file of rules.
pub const VERSION: &str = "v1alpha1";
/// `apiVersion` of the file of rules.
pub const API_VERSION: &str = "namesake.dev/v1alpha1";
