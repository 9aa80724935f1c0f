//! Whether somebody scrapes the metrics, and may. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;
use namesake_api::names;

use crate::answer::text::some;
use crate::doctor::checks::{Check, Outcome};

/// Label with the name of a program, and the name of the port of its container.
const NAME_LABEL: &str = "app.kubernetes.io/name";
const PORT_NAME: &str = "metrics";

/// `monitors` are the PodMonitorings and PodMonitors of the stack's namespace.
pub(super) fn outcome(home: &str, monitors: &[String], policies: &[NetworkPolicy]) -> Outcome {
    let mut findings = Vec::new();
    if monitors.is_empty() {
        let what = "no PodMonitoring or PodMonitor exists: nobody scrapes the metrics, and no alert can fire";
        findings.push(Check::Metrics.finding(home, format!("Namespace {home}"), what.to_owned()));
    }
    for program in [
        names::WEBHOOK_SERVICE_ACCOUNT,
        names::BROKER_SERVICE_ACCOUNT,
    ] {
        let labels = BTreeMap::from([(NAME_LABEL.to_owned(), program.to_owned())]);
        let of_it: Vec<_> = policies
            .iter()
            .filter(|policy| selects(policy, &labels))
            .collect();
        // Where no policy selects a pod, everybody may connect to it.
        if !of_it.is_empty() && !of_it.iter().any(|policy| lets_in(policy)) {
            let of_it: Vec<_> = of_it.iter().map(|policy| policy.name_any()).collect();
            let what = format!(
                "no network policy lets anybody connect to port {} of {program}",
                names::METRICS_PORT
            );
            findings.push(Check::Metrics.finding(
                home,
                format!("NetworkPolicy {}", some(&of_it)),
                what,
            ));
        }
    }
    Outcome::of(findings, format!("scraped by {}", some(monitors)))
}

/// Whether a policy is about connections to a pod with these labels.
fn selects(policy: &NetworkPolicy, labels: &BTreeMap<String, String>) -> bool {
    let Some(spec) = &policy.spec else {
        return false;
    };
    let types = spec.policy_types.as_ref();
    let is_ingress = types.is_none_or(|types| types.iter().any(|one| one == "Ingress"));
    let is_equal = |(key, value): (&String, &String)| labels.get(key) == Some(value);
    let selector = spec.pod_selector.clone().unwrap_or_default();
    let expressions = selector.match_expressions.iter().flatten();
    let is_in = |values: Option<&Vec<String>>, key: &str| {
        let value = labels.get(key);
        value.is_some_and(|value| values.into_iter().flatten().any(|one| one == value))
    };
    let mut expressions = expressions.map(|one| match one.operator.as_str() {
        "In" => is_in(one.values.as_ref(), &one.key),
        "NotIn" => !is_in(one.values.as_ref(), &one.key),
        "Exists" => labels.contains_key(&one.key),
        _ => !labels.contains_key(&one.key),
    });
    is_ingress
        && selector.match_labels.iter().flatten().all(is_equal)
        && expressions.all(|is_met| is_met)
}

/// Whether it lets somebody connect to the port of the metrics.
fn lets_in(policy: &NetworkPolicy) -> bool {
    let rules = policy
        .spec
        .iter()
        .flat_map(|spec| spec.ingress.iter().flatten());
    let mut ports = rules.map(|rule| rule.ports.as_ref());
    ports.any(|ports| {
        ports.is_none_or(|ports| {
            ports.is_empty()
                || ports.iter().any(|one| match (&one.port, one.end_port) {
                    (None, _) => true,
                    (Some(IntOrString::String(name)), _) => name == PORT_NAME,
                    (Some(IntOrString::Int(port)), end) => {
                        (*port..=end.unwrap_or(*port)).contains(&i32::from(names::METRICS_PORT))
                    }
                })
        })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const HOME: &str = "namesake-system";

    /// The policies in a file of manifests.
    fn policies(file: &str) -> Vec<NetworkPolicy> {
        let all: Vec<serde_json::Value> = serde_saphyr::from_multiple(file).unwrap();
        let policies = all.into_iter().filter(|one| one["kind"] == "NetworkPolicy");
        policies
            .map(|one| serde_json::from_value(one).unwrap())
            .collect()
    }

    fn found(monitors: &[&str], policies: &[NetworkPolicy]) -> usize {
        let monitors: Vec<_> = monitors.iter().map(|&one| one.to_owned()).collect();
        match outcome(HOME, &monitors, policies) {
            Outcome::Found(findings) => findings.len(),
            _ => 0,
        }
    }

    #[test]
    fn metrics_are_scraped_with_a_monitor_and_a_policy_that_lets_it_in() {
        let mut shipped = policies(include_str!(
            "../../../../manifests/base/network-policies.yaml"
        ));
        assert!(shipped.len() > 1);
        assert_eq!(found(&[], &[]), 1);
        assert_eq!(found(&["PodMonitor namesake"], &[]), 0);
        assert_eq!(found(&["PodMonitor namesake"], &shipped), 2);
        let metrics = policies(include_str!(
            "../../../../manifests/metrics/network-policy.yaml"
        ));
        shipped.extend(metrics);
        assert_eq!(found(&["PodMonitor namesake"], &shipped), 0);
        assert_eq!(found(&[], &shipped), 1);
    }

    #[test]
    fn a_port_is_open_by_its_name_its_number_a_range_or_without_ports() {
        let policy = |ports: serde_json::Value| -> NetworkPolicy {
            let spec = json!({"podSelector": {}, "ingress": [{"ports": ports}]});
            serde_json::from_value(json!({"metadata": {"name": "p"}, "spec": spec})).unwrap()
        };
        for open in [
            json!(null),
            json!([]),
            json!([{"port": "metrics"}]),
            json!([{"port": 9402}]),
            json!([{"port": 9000, "endPort": 9999}]),
        ] {
            assert!(lets_in(&policy(open.clone())), "{open}");
        }
        for closed in [
            json!([{"port": 10250}]),
            json!([{"port": 9402, "endPort": 9401}]),
        ] {
            assert!(!lets_in(&policy(closed.clone())), "{closed}");
        }
    }
}
