//! The form of a report. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

const FORMAT: u64 = 1;

#[derive(Debug, Deserialize)]
pub(super) struct Report {
    about: About,
    pub(super) world: Names,
    pub(super) rows: Vec<Row>,
    pub(super) exchanges: Vec<Exchange>,
}

#[derive(Debug, Deserialize)]
struct About {
    format: u64,
}

/// The projects and the cluster, or their placeholders.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Names {
    pub(super) project: String,
    pub(super) project_number: String,
    pub(super) cluster_project: String,
    pub(super) cluster_project_number: String,
    pub(super) pool: String,
    pub(super) issuer: String,
    pub(super) owner: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Row {
    pub(super) id: String,
    #[serde(default)]
    pub(super) claims: Vec<String>,
    #[serde(default)]
    pub(super) facts: Vec<Fact>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Fact {
    pub(super) name: String,
    pub(super) value: Value,
    pub(super) assumed: Option<Value>,
    pub(super) agrees: Option<bool>,
}

/// How much of an answer is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Compare {
    All,
    Status,
    None,
}

/// A request and its answer.
#[derive(Debug, Deserialize)]
pub(super) struct Exchange {
    pub(super) row: String,
    pub(super) service: String,
    pub(super) caller: String,
    pub(super) method: String,
    pub(super) path: String,
    #[serde(default)]
    pub(super) body: Value,
    #[serde(default)]
    pub(super) headers: Option<BTreeMap<String, String>>,
    /// The caller whose token the answer has.
    #[serde(default)]
    pub(super) saves: String,
    /// Whose token `<subject>` in the body stands for.
    pub(super) subject: Option<Subject>,
    pub(super) pod: Option<Pod>,
    pub(super) compare: Compare,
    pub(super) status: u16,
    #[serde(default)]
    pub(super) answer: Value,
    /// What was answered until a change was applied.
    #[serde(default)]
    pub(super) before: Vec<Seen>,
    /// The request that showed when this change was applied.
    pub(super) effect: Option<Box<Exchange>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Seen {
    pub(super) status: u16,
    pub(super) answer: Value,
}

/// A token in the body: of another caller, or of a Kubernetes service account.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Subject {
    Caller {
        caller: String,
    },
    Ksa {
        namespace: String,
        name: String,
        uid: String,
        audience: String,
        #[serde(default)]
        flaw: String,
    },
}

/// The pod that asked its metadata server.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Pod {
    pub(super) pod: String,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) uid: String,
    #[serde(default)]
    pub(super) annotations: BTreeMap<String, String>,
}

impl Report {
    /// Parses a report.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let report: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        match report.about.format {
            FORMAT => Ok(report),
            other => Err(format!(
                "format {other} is not {FORMAT}: use the emulator of the same version"
            )),
        }
    }
}
