//! Whether somebody scrapes the metrics, and may. Pure.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;
use namesake_api::names;
use namesake_service::may_match;

use crate::answer::text::some;
use crate::doctor::checks::{Check, Outcome};
use crate::doctor::facts::Monitor;

/// Name of the port of the programs' containers.
const PORT_NAME: &str = "metrics";

pub(super) fn outcome(
    home: &str,
    monitors: &[Monitor],
    policies: &[NetworkPolicy],
    deployments: &[Deployment],
) -> Outcome {
    let mut findings = Vec::new();
    let mut scraping = BTreeSet::new();
    for program in programs(deployments) {
        let labels = labels(program, deployments);
        let of_it = monitors.iter().filter(|one| scrapes(one, &labels));
        let of_it: Vec<_> = of_it.map(|monitor| monitor.name.clone()).collect();
        if of_it.is_empty() && !monitors.is_empty() {
            let what = format!("it scrapes no port {PORT_NAME} of {program}");
            let all: Vec<_> = monitors.iter().map(|monitor| &monitor.name).collect();
            findings.push(Check::Metrics.finding(home, some(all), what));
        }
        scraping.extend(of_it);
        let policies = policies.iter().filter(|policy| selects(policy, &labels));
        let policies: Vec<_> = policies.collect();
        // Where no policy selects a pod, everybody may connect to it.
        if !policies.is_empty() && !policies.iter().any(|policy| lets_in(policy)) {
            let policies: Vec<_> = policies.iter().map(|policy| policy.name_any()).collect();
            let what = format!(
                "no network policy lets anybody connect to port {} of {program}",
                names::METRICS_PORT
            );
            let place = format!("NetworkPolicy {}", some(&policies));
            findings.push(Check::Metrics.finding(home, place, what));
        }
    }
    if monitors.is_empty() {
        let what = "no PodMonitoring or PodMonitor exists: nobody scrapes the metrics, and no alert can fire";
        let place = format!("Namespace {home}");
        findings.insert(0, Check::Metrics.finding(home, place, what.to_owned()));
    }
    Outcome::of(findings, format!("scraped by {}", some(&scraping)))
}

/// The programs that have metrics: webhook, broker, and the gateway if it is installed.
fn programs(deployments: &[Deployment]) -> impl Iterator<Item = &'static str> {
    let gateway = names::GATEWAY_SERVICE_ACCOUNT;
    let mut names = deployments.iter().map(ResourceExt::name_any);
    let gateway = names.any(|name| name == gateway).then_some(gateway);
    [
        names::WEBHOOK_SERVICE_ACCOUNT,
        names::BROKER_SERVICE_ACCOUNT,
    ]
    .into_iter()
    .chain(gateway)
}

/// The labels of a program's pods.
fn labels(program: &str, deployments: &[Deployment]) -> BTreeMap<String, String> {
    let deployment = deployments.iter().find(|one| one.name_any() == program);
    let template = deployment.and_then(|one| one.spec.template.metadata.as_ref());
    let labels = template.and_then(|metadata| metadata.labels.clone());
    labels.unwrap_or_else(|| BTreeMap::from([(names::NAME_LABEL.to_owned(), program.to_owned())]))
}

/// Whether it scrapes the metrics of a pod with these labels.
fn scrapes(monitor: &Monitor, labels: &BTreeMap<String, String>) -> bool {
    let number = names::METRICS_PORT.to_string();
    let mut ports = monitor.ports.iter();
    may_match(&monitor.selector, labels) && ports.any(|port| *port == PORT_NAME || *port == number)
}

/// Whether a policy is about connections to a pod with these labels.
fn selects(policy: &NetworkPolicy, labels: &BTreeMap<String, String>) -> bool {
    let Some(spec) = &policy.spec else {
        return false;
    };
    let types = spec.policy_types.as_ref();
    let is_ingress = types.is_none_or(|types| types.iter().any(|one| one == "Ingress"));
    let selector = spec.pod_selector.as_ref();
    is_ingress && selector.is_none_or(|selector| may_match(selector, labels))
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
    use std::slice::from_ref;

    use serde::de::DeserializeOwned;
    use serde_json::json;

    use super::*;

    const HOME: &str = "namesake-system";

    /// The policies in a file of manifests.
    fn policies(file: &str) -> Vec<NetworkPolicy> {
        objects(file, "NetworkPolicy")
    }

    /// The objects of a kind in a file of manifests.
    fn objects<K: DeserializeOwned>(file: &str, kind: &str) -> Vec<K> {
        let all: Vec<serde_json::Value> = serde_saphyr::from_multiple(file).unwrap();
        let wanted = all.into_iter().filter(|one| one["kind"] == kind);
        wanted
            .map(|one| serde_json::from_value(one).unwrap())
            .collect()
    }

    fn found(monitors: &[Monitor], policies: &[NetworkPolicy]) -> usize {
        outcome(HOME, monitors, policies, &[]).findings().len()
    }

    /// The monitor of a file of manifests.
    fn monitor(file: &str) -> Monitor {
        let object: kube::api::DynamicObject = serde_saphyr::from_str(file).unwrap();
        crate::doctor::read::monitor("PodMonitor", &object)
    }

    #[test]
    fn metrics_are_scraped_with_a_monitor_and_a_policy_that_lets_it_in() {
        let mut shipped = policies(include_str!(
            "../../../../manifests/base/network-policies.yaml"
        ));
        assert!(shipped.len() > 1);
        let monitor = [monitor(include_str!(
            "../../../../manifests/metrics/prometheus-operator/pod-monitor.yaml"
        ))];
        assert_eq!(found(&[], &[]), 1);
        assert_eq!(found(&monitor, &[]), 0);
        assert_eq!(found(&monitor, &shipped), 2);
        let metrics = policies(include_str!(
            "../../../../manifests/metrics/network-policy.yaml"
        ));
        shipped.extend(metrics);
        assert_eq!(found(&monitor, &shipped), 0);
        assert_eq!(found(&[], &shipped), 1);
    }

    #[test]
    fn the_gateway_counts_if_it_is_installed() {
        let gateway = include_str!("../../../../manifests/gateway/deployment.yaml");
        let gateway: Vec<Deployment> = objects(gateway, "Deployment");
        assert_eq!(gateway.len(), 1);
        let policy = include_str!("../../../../manifests/gateway/network-policy.yaml");
        let mut policies = policies(policy);
        let shipped = [monitor(include_str!(
            "../../../../manifests/metrics/gke/pod-monitoring.yaml"
        ))];
        let closed = outcome(HOME, &shipped, &policies, &gateway);
        let [closed] = closed.findings() else {
            panic!("{closed:?}");
        };
        let part = "connect to port 9402 of namesake-gateway";
        assert!(closed.what.contains(part), "{closed:?}");
        let opened = include_str!("../../../../manifests/metrics/network-policy.yaml");
        policies.extend(self::policies(opened));
        let outcome = |monitors: &[Monitor]| outcome(HOME, monitors, &policies, &gateway);
        assert!(outcome(&shipped).findings().is_empty());
        let mut without = shipped.clone();
        without[0].selector = serde_json::from_value(json!({"matchExpressions": [
            {"key": names::NAME_LABEL, "operator": "NotIn", "values": ["namesake-gateway"]},
        ]}))
        .unwrap();
        assert_eq!(outcome(&without).findings().len(), 1);
        assert_eq!(found(&without, &policies), 0);
    }

    #[test]
    fn a_monitor_counts_for_the_programs_that_it_selects_at_the_port_of_the_metrics() {
        let shipped = monitor(include_str!(
            "../../../../manifests/metrics/gke/pod-monitoring.yaml"
        ));
        let selecting = |labels: serde_json::Value| Monitor {
            selector: serde_json::from_value(json!({"matchLabels": labels})).unwrap(),
            ..shipped.clone()
        };
        assert_eq!(found(from_ref(&shipped), &[]), 0);
        assert_eq!(found(&[selecting(json!({"app": "grafana"}))], &[]), 2);
        let broker = selecting(json!({(names::NAME_LABEL): "namesake-broker"}));
        assert_eq!(found(from_ref(&broker), &[]), 1);
        let webhook = selecting(json!({(names::NAME_LABEL): "namesake-webhook"}));
        assert_eq!(found(&[broker, webhook], &[]), 0);
        let other_port = Monitor {
            ports: vec!["https".to_owned()],
            ..shipped
        };
        assert_eq!(found(&[other_port], &[]), 2);
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
