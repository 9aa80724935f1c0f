//! Label selectors, as the API server matches them. Pure.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

/// Whether labels match. An unknown operator counts as matching, so that nothing is missed because of it.
#[must_use]
pub fn may_match(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let mut exact = selector.match_labels.iter().flatten();
    let mut expressions = selector.match_expressions.iter().flatten();
    exact.all(|(key, value)| labels.get(key) == Some(value))
        && expressions.all(|e| {
            let is_one = || {
                let value = labels.get(&e.key);
                value.is_some_and(|value| e.values.iter().flatten().any(|v| v == value))
            };
            match e.operator.as_str() {
                "In" => is_one(),
                "NotIn" => !is_one(),
                "Exists" => labels.contains_key(&e.key),
                "DoesNotExist" => !labels.contains_key(&e.key),
                _ => true,
            }
        })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn matches(selector: Value) -> bool {
        let labels = BTreeMap::from([("stack".to_owned(), "prod".to_owned())]);
        may_match(&serde_json::from_value(selector).unwrap(), &labels)
    }

    #[test]
    fn all_parts_of_a_selector_must_match() {
        let one = |key: &str, operator: &str, values: Value| json!({"key": key, "operator": operator, "values": values});
        let expression = |e: Value| matches(json!({"matchExpressions": [e]}));
        assert!(matches(json!({})));
        assert!(matches(json!({"matchLabels": {"stack": "prod"}})));
        assert!(!matches(
            json!({"matchLabels": {"stack": "prod", "mode": "off"}})
        ));
        assert!(expression(one("stack", "In", json!(["prod", "dev"]))));
        assert!(!expression(one("stack", "In", json!(["dev"]))));
        assert!(!expression(one("stack", "NotIn", json!(["prod"]))));
        assert!(expression(one("mode", "NotIn", json!(["off"]))));
        assert!(expression(one("stack", "Exists", json!([]))));
        assert!(!expression(one("stack", "DoesNotExist", json!([]))));
        assert!(expression(one("mode", "DoesNotExist", json!([]))));
        assert!(expression(one("mode", "LooksLike", json!(["of"]))));
    }
}
