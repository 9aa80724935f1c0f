//! What a replica of webhook or broker says about itself, for `kubectl namesake doctor`.

use serde::{Deserialize, Serialize};

/// What a replica says about itself: the annotation [`crate::names::replica_status_annotation`], as JSON. What a later release adds is
/// ignored, and what an earlier one lacks is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReplicaStatus {
    /// Version of its program, as `0.1.0`.
    pub version: String,
    /// What it waits for before it is ready; empty if it is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// When the certificate expires that it serves, in RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_expires: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_as_it_was_written_also_by_other_releases() {
        let status = ReplicaStatus {
            version: "0.1.0".to_owned(),
            missing: vec!["rules are not loaded".to_owned()],
            certificate_expires: Some("2026-12-29T12:00:00Z".to_owned()),
        };
        let text = serde_json::to_string(&status).unwrap();
        assert_eq!(
            serde_json::from_str::<ReplicaStatus>(&text).unwrap(),
            status
        );
        let later = r#"{"version":"0.2.0","sings":true}"#;
        let later: ReplicaStatus = serde_json::from_str(later).unwrap();
        assert_eq!(later.version, "0.2.0");
        assert_eq!(
            serde_json::from_str::<ReplicaStatus>("{}").unwrap(),
            ReplicaStatus::default()
        );
    }
}
