//! Labels of the metrics. Each has few values.

use prometheus_client::encoding::EncodeLabelSet;

/// Labels of a decision.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct DecisionLabels {
    /// Name of the webhook, such as `mutate` or `validate`.
    pub webhook: &'static str,
    /// Kind of the object, as the table of kinds has it, or `other`.
    pub kind: &'static str,
    /// The outcome, such as `identity` or `refused`.
    pub outcome: &'static str,
    /// Why it was refused; empty when it was not.
    pub reason: &'static str,
}

/// Labels of what is timed.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct WebhookLabels {
    /// Name of the webhook, such as `mutate` or `validate`.
    pub webhook: &'static str,
}

/// Labels of a call to the broker.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct BrokerLabels {
    /// `ok`, `refused` or `later`.
    pub result: &'static str,
}

/// Labels of a watch.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct WatchLabels {
    /// The watched kind.
    pub watch: &'static str,
}

/// Labels of a count of namespaces.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ModeLabels {
    /// `enforce` or `shadow`.
    pub mode: &'static str,
}

/// Labels of what would have been decided in shadow mode.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ShadowLabels {
    /// Kind of the object, as the table of kinds has it.
    pub kind: &'static str,
    /// The outcome without shadow mode.
    pub outcome: &'static str,
    /// Why it would have been refused; empty when not.
    pub reason: &'static str,
}

/// Labels of parents without a proven requester.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct UnprovenLabels {
    /// Their namespace, which is opted in.
    pub namespace: String,
    /// Their kind, as the table of kinds has it.
    pub kind: &'static str,
}

/// Labels of valid stamps.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct KeyLabels {
    /// Id of the key that signed them.
    pub key: String,
}

/// Labels of the rules in force.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct RulesLabels {
    /// Revision: 12 hex digits.
    pub revision: String,
}
