//! Names: the syntax of each kind, patterns, and the names of identities, which are derived.

mod glob;
mod identity_name;
mod per;
mod syntax;

pub use glob::Glob;
pub use identity_name::{IdentityName, MANAGED_NAME_PATTERN, is_managed_name};
pub use per::Per;

pub(crate) use syntax::{
    is_account_id, is_bucket, is_dns_label, is_dns_subdomain, is_label_key, is_label_value,
    is_metaflow_name, is_project_id, is_role,
};

/// Longest piece of text from others that a message repeats, in characters.
const QUOTED_CHARACTERS: usize = 100;

/// Text from others, escaped and truncated for a message or a log line.
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED_CHARACTERS) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}
