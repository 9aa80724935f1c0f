//! What `manifests/` has, for tests.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Objects of a folder of `manifests/`.
pub(crate) fn shipped(folder: &str) -> Vec<Value> {
    let base = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../manifests")
        .join(folder);
    let files = std::fs::read_dir(base).unwrap().map(|f| f.unwrap().path());
    let yaml = files.filter(|f| f.extension().is_some_and(|e| e == "yaml"));
    let texts: Vec<_> = yaml.map(|f| std::fs::read_to_string(f).unwrap()).collect();
    let documents = texts.iter().flat_map(|text| text.split("\n---\n"));
    documents
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
