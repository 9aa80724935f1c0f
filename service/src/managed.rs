//! Objects that Namesake's programs write for people to read.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use namesake_api::names;

/// The label that says that Namesake manages an object.
#[must_use]
pub fn managed_labels() -> BTreeMap<String, String> {
    let (key, value) = (names::MANAGED_BY, names::MANAGED_BY_VALUE);
    BTreeMap::from([(key.to_owned(), value.to_owned())])
}

/// A ConfigMap that one of Namesake's programs writes.
#[must_use]
pub fn managed_config_map(
    namespace: &str,
    name: &str,
    data: BTreeMap<String, String>,
) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta {
            namespace: Some(namespace.to_owned()),
            name: Some(name.to_owned()),
            labels: Some(managed_labels()),
            ..ObjectMeta::default()
        },
        data: Some(data),
        ..ConfigMap::default()
    }
}
