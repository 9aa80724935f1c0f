//! The part of a pod that admission reads.

use namesake_core::Text;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::review::text::{Pairs, objects_only};

/// The part of a pod's spec that admission reads.
#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", default, rename_all = "camelCase")]
#[serde(bound(deserialize = "'de: 'a"))]
pub struct Spec<'a> {
    /// Its KSA.
    pub service_account_name: Option<Text<'a>>,
    /// The deprecated alias of it; `serviceAccountName` takes precedence.
    pub service_account: Option<Text<'a>>,
    /// The node, if it is assigned to one already.
    pub node_name: Option<Text<'a>>,
    /// Scheduling gates.
    pub scheduling_gates: Option<Vec<Gate<'a>>>,
    /// Init containers.
    pub init_containers: Option<Vec<Container<'a>>>,
    /// Containers.
    pub containers: Option<Vec<Container<'a>>>,
    /// Whether it uses the network of its node.
    pub host_network: Option<bool>,
    /// Labels that its node must have.
    pub node_selector: Option<Pairs<'a>>,
    /// Volumes.
    pub volumes: Option<Vec<Volume<'a>>>,
}

impl Spec<'_> {
    /// The KSA that a pod names; `default` if it names none.
    #[must_use]
    pub fn account(&self) -> &str {
        let named = [&self.service_account_name, &self.service_account];
        let mut named = named.into_iter().flatten().map(Text::as_str);
        named.find(|name| !name.is_empty()).unwrap_or("default")
    }
}

/// One scheduling gate.
#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", default, bound(deserialize = "'de: 'a"))]
pub struct Gate<'a> {
    /// Name.
    pub name: Text<'a>,
}

/// The part of a container that determines what runs, and where the token for the gateway is. The rest of its environment, volumes
/// and resources does not count: other webhooks have reasons to change it, and only admins install webhooks.
#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", default, rename_all = "camelCase")]
#[serde(bound(deserialize = "'de: 'a"))]
pub struct Container<'a> {
    pub(crate) name: Option<Text<'a>>,
    pub(crate) image: Option<Text<'a>>,
    pub(crate) command: Option<Vec<Text<'a>>>,
    pub(crate) args: Option<Vec<Text<'a>>>,
    pub(crate) restart_policy: Option<Text<'a>>,
    pub(crate) lifecycle: Option<Lifecycle<'a>>,
    pub(crate) liveness_probe: Option<Handler<'a>>,
    pub(crate) readiness_probe: Option<Handler<'a>>,
    pub(crate) startup_probe: Option<Handler<'a>>,
    pub(crate) env: Option<Vec<Variable<'a>>>,
    pub(crate) volume_mounts: Option<Vec<Mount<'a>>>,
}

/// A variable of a container.
#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", default, rename_all = "camelCase")]
#[serde(bound(deserialize = "'de: 'a"))]
pub(crate) struct Variable<'a> {
    pub(crate) name: Text<'a>,
    pub(crate) value: Option<Text<'a>>,
    /// Where the value comes from, instead of `value`.
    pub(crate) value_from: Option<IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", default, rename_all = "camelCase")]
#[serde(bound(deserialize = "'de: 'a"))]
pub(crate) struct Mount<'a> {
    pub(crate) name: Text<'a>,
    pub(crate) mount_path: Text<'a>,
    pub(crate) sub_path: Option<Text<'a>>,
}

/// A volume, and what it is made of if it is projected.
#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", default, bound(deserialize = "'de: 'a"))]
pub struct Volume<'a> {
    pub(crate) name: Text<'a>,
    pub(crate) projected: Option<Projected<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", default, bound(deserialize = "'de: 'a"))]
pub(crate) struct Projected<'a> {
    pub(crate) sources: Option<Vec<Projection<'a>>>,
}

/// One source of a projected volume.
#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", default, rename_all = "camelCase")]
#[serde(bound(deserialize = "'de: 'a"))]
pub(crate) struct Projection<'a> {
    pub(crate) service_account_token: Option<TokenProjection<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", default, rename_all = "camelCase")]
#[serde(bound(deserialize = "'de: 'a"))]
pub(crate) struct TokenProjection<'a> {
    pub(crate) audience: Option<Text<'a>>,
    pub(crate) expiration_seconds: Option<i64>,
    pub(crate) path: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", default, rename_all = "camelCase")]
#[serde(bound(deserialize = "'de: 'a"))]
pub(crate) struct Lifecycle<'a> {
    pub(crate) post_start: Option<Handler<'a>>,
    pub(crate) pre_stop: Option<Handler<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", default, bound(deserialize = "'de: 'a"))]
pub(crate) struct Handler<'a> {
    pub(crate) exec: Option<Exec<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", default, bound(deserialize = "'de: 'a"))]
pub(crate) struct Exec<'a> {
    pub(crate) command: Option<Vec<Text<'a>>>,
}

objects_only!(
    Spec,
    Gate,
    Container,
    Lifecycle,
    Handler,
    Exec,
    Variable,
    Mount,
    Volume,
    Projected,
    Projection,
    TokenProjection
);

impl Container<'_> {
    pub(crate) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    pub(crate) fn image(&self) -> &str {
        self.image.as_deref().unwrap_or_default()
    }
}
