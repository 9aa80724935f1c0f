//! The objects of `manifests/`, for tests.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Objects in a folder of `manifests/` and in the folders below.
pub(crate) fn shipped(folder: &str) -> Vec<Value> {
    let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests");
    objects(&manifests.join(folder))
}

fn objects(path: &Path) -> Vec<Value> {
    if path.is_dir() {
        let entries = std::fs::read_dir(path).unwrap();
        return entries
            .flat_map(|entry| objects(&entry.unwrap().path()))
            .collect();
    }
    if path.extension().is_none_or(|extension| extension != "yaml") {
        return Vec::new();
    }
    let text = std::fs::read_to_string(path).unwrap();
    text.split("\n---\n")
        .filter_map(|document| serde_saphyr::from_str::<Value>(document).ok())
        .collect()
}

/// Those of a kind.
pub(crate) fn of<K: DeserializeOwned>(all: &[Value], kind: &str) -> Vec<K> {
    let of_kind = all.iter().filter(|object| object["kind"] == kind);
    of_kind
        .map(|object| serde_json::from_value(object.clone()).unwrap())
        .collect()
}
