//! `endpoints`: what the rules say about Metaflow's services behind the gateway.

use serde::Serialize;

use super::yaml::Item;

/// What the rules say about Metaflow's services behind the gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Endpoints {
    /// Whether pods with an identity get a token for the gateway.
    pub(crate) pod_tokens: bool,
}

impl Endpoints {
    pub(crate) fn read(item: &Item<'_>) -> Option<Endpoints> {
        let mut fields = item.fields()?;
        let endpoints = Endpoints {
            pod_tokens: fields.flag("podTokens"),
        };
        fields.report_unknown_keys();
        Some(endpoints)
    }
}
