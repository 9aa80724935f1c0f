//! Parents without a proven requester: how the webhook reports them, and the gateway's page reads them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Parents that a report lists: a ConfigMap holds 1 MiB, and one with the longest names takes about 700 bytes.
const MAX_PARENTS: usize = 1_000;
/// Key of the ConfigMap with the number of all parents.
const COUNT: &str = "count";
/// Key of the ConfigMap with the listed parents, as JSON.
const PARENTS: &str = "parents";

/// A parent whose pods get no identity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UnprovenParent {
    /// Its namespace.
    pub namespace: String,
    /// Its kind, as in stamps.
    pub kind: Cow<'static, str>,
    /// Its name.
    pub name: String,
    /// Why it has no proven requester.
    pub why: String,
}

/// The parents without a proven requester, as the ConfigMap [`crate::names::UNPROVEN_CONFIG_MAP`] has them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UnprovenReport {
    /// How many there are.
    pub count: usize,
    /// The first 1,000.
    pub parents: Vec<UnprovenParent>,
}

impl UnprovenReport {
    /// The report of these parents.
    #[must_use]
    pub fn new(mut parents: Vec<UnprovenParent>) -> Self {
        let count = parents.len();
        parents.truncate(MAX_PARENTS);
        Self { count, parents }
    }

    /// The data of the ConfigMap.
    ///
    /// # Errors
    /// Never in practice: strings can always be written as JSON.
    pub fn to_data(&self) -> serde_json::Result<BTreeMap<String, String>> {
        let parents = serde_json::to_string_pretty(&self.parents)?;
        let data = [(COUNT, self.count.to_string()), (PARENTS, parents)];
        Ok(data.map(|(key, value)| (key.to_owned(), value)).into())
    }

    /// Reads the data of the ConfigMap.
    ///
    /// # Errors
    /// A key is missing, or its value is not what [`Self::to_data`] writes; the message names the key.
    pub fn from_data(data: &BTreeMap<String, String>) -> Result<Self, String> {
        let value = |key: &str| data.get(key).ok_or_else(|| format!("key {key} is missing"));
        let count = value(COUNT)?;
        let count = count.parse().map_err(|e| format!("{COUNT}: {e}"))?;
        let parents = serde_json::from_str(value(PARENTS)?);
        let parents = parents.map_err(|e| format!("{PARENTS}: {e}"))?;
        Ok(Self { count, parents })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parent(name: &str) -> UnprovenParent {
        UnprovenParent {
            namespace: "research".to_owned(),
            kind: "batch/Job".into(),
            name: name.to_owned(),
            why: "it has no stamp".to_owned(),
        }
    }

    #[test]
    fn a_report_is_read_as_it_was_written() {
        let report = UnprovenReport::new(vec![parent("a"), parent("b")]);
        let data = report.to_data().unwrap();
        assert_eq!(UnprovenReport::from_data(&data), Ok(report));
    }

    #[test]
    fn a_report_counts_all_parents_and_lists_the_first() {
        let report = UnprovenReport::new(vec![parent("a"); MAX_PARENTS + 1]);
        assert_eq!((report.count, report.parents.len()), (1_001, 1_000));
    }

    #[test]
    fn a_report_that_somebody_edited_is_an_error_that_names_the_key() {
        for (key, value) in [(COUNT, "many"), (PARENTS, "{}")] {
            let mut data = UnprovenReport::default().to_data().unwrap();
            data.insert(key.to_owned(), value.to_owned());
            let error = UnprovenReport::from_data(&data).unwrap_err();
            assert!(error.starts_with(key), "{error}");
            data.remove(key);
            let error = UnprovenReport::from_data(&data).unwrap_err();
            assert_eq!(error, format!("key {key} is missing"));
        }
    }
}
