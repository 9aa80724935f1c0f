//! Questions to the webhook whether signed texts are valid: only it has the keys.
//!
//! A question is an annotation on a dry run of a Job, which the API server sends to the webhook in the name of whoever asks, and the
//! answer is another annotation on the Job that the dry run returns. Nothing is stored.

use serde::{Deserialize, Serialize};

/// How many texts one question may have.
pub const MAX_SIGNED_TEXTS: usize = 8;

/// A signed text, and the object of the Job's namespace on which it was found. Whoever asks has read both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "of",
    deny_unknown_fields,
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum SignedText {
    /// A stamp.
    Stamp {
        /// The annotation.
        text: String,
        /// Group and kind of the object, as `batch/Job`.
        kind: String,
        /// `metadata.name`.
        name: String,
        /// `metadata.generateName`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        generate_name: Option<String>,
        /// `metadata.uid`.
        uid: String,
        /// `metadata.creationTimestamp`, in Unix seconds.
        created: i64,
    },
    /// A resolution.
    Resolution {
        /// The annotation.
        text: String,
        /// `metadata.name` of the pod.
        name: String,
        /// `metadata.generateName`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        generate_name: Option<String>,
        /// The service account that the pod names.
        service_account: String,
    },
}

/// Whether a signed text is valid for its object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Validity {
    /// The webhook signed it for this object, and it is valid now.
    Valid,
    /// Why it is not.
    Invalid(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_and_answers_are_the_same_text_in_every_version() {
        let question = SignedText::Resolution {
            text: "v2.k.e.p.m".to_owned(),
            name: "t-1".to_owned(),
            generate_name: None,
            service_account: "mf-alice".to_owned(),
        };
        let text =
            r#"{"of":"resolution","text":"v2.k.e.p.m","name":"t-1","serviceAccount":"mf-alice"}"#;
        assert_eq!(serde_json::to_string(&question).unwrap(), text);
        assert_eq!(serde_json::from_str::<SignedText>(text).unwrap(), question);
        let answers = [Validity::Valid, Validity::Invalid("old".to_owned())];
        let text = serde_json::to_string(&answers).unwrap();
        assert_eq!(text, r#"["valid",{"invalid":"old"}]"#);
    }
}
