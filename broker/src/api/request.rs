//! The request and the answer on the wire.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ApiError;

/// Longest namespace, in bytes (a DNS label).
const NAMESPACE_BYTES: usize = 63;
/// Longest class, user, group or value, in bytes.
const TEXT_BYTES: usize = 1024;
/// Most groups and most values.
const COUNT: usize = 256;

/// `POST /v1/identities`: who needs an identity of which class, where. Nothing about projects, roles or accounts: those
/// are the rules' to say.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// Namespace of the pod.
    pub namespace: String,
    /// Identity class in the rules.
    pub class: String,
    /// The user, canonical, whom the webhook has proven.
    pub user: String,
    /// The user's proven groups, as far as rules mention them.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Value of each key of the class's `per`.
    pub values: BTreeMap<String, String>,
}

/// The answer: the identity is there, and pods may name its KSA.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// Name of Identity and KSA.
    pub name: String,
    /// UID of the KSA.
    pub service_account_uid: String,
    /// Whether it is known to work at Google; otherwise the pod needs the gate.
    pub ready: bool,
}

impl Ask {
    /// Reads a request.
    ///
    /// # Errors
    /// 400 when the body is not such a request, or something in it is empty or too long.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let ask: Self = serde_json::from_slice(body).map_err(|e| {
            ApiError::bad_request(format!("the body is not a request for an identity: {e}"))
        })?;
        ask.check().map_err(ApiError::bad_request)?;
        Ok(ask)
    }

    fn check(&self) -> Result<(), String> {
        let label = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if self.namespace.is_empty()
            || self.namespace.len() > NAMESPACE_BYTES
            || !self.namespace.bytes().all(label)
        {
            return Err(format!(
                "namespace {:?} is not the name of a namespace",
                self.namespace
            ));
        }
        let texts = [("class", &self.class), ("user", &self.user)];
        let texts = texts
            .into_iter()
            .chain(self.groups.iter().map(|group| ("groups", group)));
        let texts = texts.chain(self.values.values().map(|value| ("values", value)));
        for (key, text) in texts {
            if text.is_empty() || text.len() > TEXT_BYTES {
                return Err(format!(
                    "{key}: must have 1 to {TEXT_BYTES} bytes, has {}",
                    text.len()
                ));
            }
        }
        if self.groups.len() > COUNT || self.values.len() > COUNT {
            return Err(format!("groups and values may have {COUNT} entries each"));
        }
        Ok(())
    }
}
