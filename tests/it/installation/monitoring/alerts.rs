//! Alerts and dashboard use only metrics that exist, and each alert has a test and a section in the runbook.

use std::{collections::BTreeSet, fs};

use anyhow::{Context, Result, ensure};
use namesake_sandbox::host::work_folder::workspace_root;
use serde_json::Value;

use super::{check_generated, declared, folder, promtool};

/// The generated objects: folder, apiVersion, kind, and whose they are.
const OBJECTS: [(&str, &str, &str, &str); 2] = [
    (
        "gke",
        "monitoring.googleapis.com/v1",
        "Rules",
        "Google Cloud Managed Service for Prometheus",
    ),
    (
        "prometheus-operator",
        "monitoring.coreos.com/v1",
        "PrometheusRule",
        "the Prometheus operator",
    ),
];

fn file(name: &str) -> Result<String> {
    fs::read_to_string(folder().join(name)).with_context(|| name.to_owned())
}

fn alerts() -> Result<Vec<Value>> {
    let all: Value = serde_saphyr::from_str(&file("alerts.yaml")?)?;
    let rules = all["groups"][0]["rules"].as_array().cloned();
    let rules = rules.context("no rules")?;
    ensure!(rules.len() > 20, "{} rules", rules.len());
    Ok(rules)
}

fn text<'a>(rule: &'a Value, pointer: &str) -> Result<&'a str> {
    let text = rule.pointer(pointer).and_then(Value::as_str);
    text.with_context(|| format!("no {pointer} in {rule}"))
}

/// Series of Namesake's metrics in a query, with the names of the labels that select them.
fn series(query: &str) -> Vec<(String, Vec<String>)> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let mut rest = query;
    while let Some(start) = rest.find("namesake_") {
        let from = &rest[start..];
        let end = from.find(|c| !is_word(c)).unwrap_or(from.len());
        let (name, after) = from.split_at(end);
        let selector = after.strip_prefix('{').and_then(|s| s.split_once('}'));
        let labels = selector.into_iter().flat_map(|(inside, _)| {
            let pairs = inside.split("\",").map(str::trim);
            pairs.filter(|pair| !pair.is_empty()).map(|pair| {
                let end = pair.find(|c| !is_word(c)).unwrap_or(pair.len());
                pair[..end].to_owned()
            })
        });
        found.push((name.to_owned(), labels.collect()));
        rest = after;
    }
    found
}

/// Checks that every series of a query is one that a program serves.
fn check_query(query: &str) -> Result<()> {
    let all = declared();
    for (name, labels) in series(query) {
        let metric = all.iter().flat_map(|(_, metrics)| metrics).find(|metric| {
            let parts = ["_bucket", "_count", "_sum"];
            let of_histogram = parts
                .iter()
                .any(|part| name == format!("{}{part}", metric.name));
            match metric.kind {
                "histogram" => of_histogram,
                _ => name == metric.name,
            }
        });
        let metric = metric.with_context(|| format!("no program serves {name}: {query}"))?;
        for label in labels {
            // What scraping adds.
            let is_known = ["namespace", "pod", "le"].contains(&label.as_str());
            ensure!(
                is_known || metric.labels.contains(&label.as_str()),
                "{name} has no label {label}: {query}"
            );
        }
    }
    Ok(())
}

/// Checks that an action names a document or a command, and that a command about the stack's objects is in the section of the
/// runbook.
fn check_action(action: &str, section: &str) -> Result<()> {
    let Some(at) = action.find("kubectl ") else {
        ensure!(action.contains("docs/"), "{action:?} names nothing");
        return Ok(());
    };
    let namespaces = [
        (
            "{{ with $labels.namespace }}-n {{ . }} {{ end }}",
            "-n namesake-system ",
        ),
        ("{{ $labels.namespace }}", "namesake-system"),
    ];
    let mut command = action[at..].to_owned();
    for (template, namespace) in namespaces {
        command = command.replace(template, namespace);
    }
    let words = section.split_whitespace().collect::<Vec<_>>().join(" ");
    ensure!(
        words.contains(&command) || command.starts_with("kubectl namesake "),
        "the section does not have {command:?}"
    );
    Ok(())
}

#[test]
fn the_alerts_are_valid_and_fire_when_they_should() -> Result<()> {
    promtool(&["check", "rules", "--lint=all", "alerts.yaml"], "")?;
    promtool(&["test", "rules", "alerts.test.yaml"], "")
}

#[test]
fn every_alert_uses_existing_metrics_and_has_a_test_and_a_section_in_the_runbook() -> Result<()> {
    let runbook = fs::read_to_string(workspace_root().join("docs/runbook.md"))?;
    let tests: Value = serde_saphyr::from_str(&file("alerts.test.yaml")?)?;
    let tests = tests["tests"].as_array().context("no tests")?;
    let mut names = BTreeSet::new();
    for alert in alerts()? {
        let name = text(&alert, "/alert")?.to_owned();
        check_query(text(&alert, "/expr")?).with_context(|| name.clone())?;
        for pointer in [
            "/labels/severity",
            "/annotations/summary",
            "/annotations/description",
        ] {
            text(&alert, pointer)?;
        }
        let action = text(&alert, "/annotations/action")?;
        let anchor = format!("docs/runbook.md#{}", name.to_lowercase());
        ensure!(text(&alert, "/annotations/runbook")? == anchor, "{name}");
        ensure!(
            tests.iter().any(|t| t["name"] == *name),
            "{name} has no test"
        );
        let section = runbook.split(&format!("\n## {name}\n")).nth(1);
        let section = section.with_context(|| format!("docs/runbook.md has no section {name}"))?;
        let section = section.split("\n## ").next().unwrap_or_default();
        check_action(action, section).with_context(|| name.clone())?;
        for part in ["**Meaning.**", "**Confirm.**", "**Do.**"] {
            ensure!(section.contains(part), "{name} lacks {part}");
        }
        names.insert(name);
    }
    let headings = runbook
        .lines()
        .filter_map(|line| line.strip_prefix("## Namesake"));
    let dead: Vec<_> = headings
        .filter(|h| !names.contains(&format!("Namesake{h}")))
        .collect();
    ensure!(
        dead.is_empty(),
        "the runbook has sections of no alert: {dead:?}"
    );
    Ok(())
}

#[test]
fn every_panel_of_the_dashboard_uses_existing_metrics() -> Result<()> {
    fn queries<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Array(all) => all.iter().for_each(|one| queries(one, found)),
            Value::Object(all) => {
                found.extend(all.get("expr").and_then(Value::as_str));
                all.values().for_each(|one| queries(one, found));
            }
            _ => {}
        }
    }
    let dashboard: Value = serde_json::from_str(&file("dashboard.json")?)?;
    let mut all = Vec::new();
    queries(&dashboard, &mut all);
    ensure!(all.len() > 20, "{} queries", all.len());
    for query in all {
        ensure!(!series(query).is_empty(), "{query}");
        check_query(query)?;
        let plain = query
            .replace("$namespace", "ns")
            .replace("$__rate_interval", "5m");
        // The parser of Prometheus reads it.
        let rule = serde_json::json!({"groups": [{"name": "dashboard", "rules": [{"record": "x", "expr": plain}]}]});
        promtool(&["check", "rules"], &rule.to_string())?;
    }
    Ok(())
}

#[test]
fn the_objects_with_the_alerts_are_generated_from_the_rule_file() -> Result<()> {
    let rules = file("alerts.yaml")?;
    let groups = rules.find("groups:\n").context("no groups")?;
    let mut indented = String::new();
    for line in rules[groups..].lines() {
        let indent = if line.is_empty() { "" } else { "  " };
        indented += &format!("{indent}{line}\n");
    }
    for (name, version, kind, whose) in OBJECTS {
        let object = format!(
            "# The alerts for {whose}: generated from ../alerts.yaml.\napiVersion: {version}\nkind: {kind}\nmetadata:\n  name: namesake\n  namespace: namesake-system\nspec:\n{indented}"
        );
        check_generated(&folder().join(name).join("rules.yaml"), &object)?;
    }
    Ok(())
}

#[test]
fn a_query_about_a_metric_or_label_that_does_not_exist_is_found() {
    for query in [
        "namesake_broker_no_such_metric",
        "sum(namesake_broker_leading{color=\"red\"})",
        "rate(namesake_broker_gate_wait_seconds[5m])",
    ] {
        assert!(check_query(query).is_err(), "{query}");
    }
    let good = "sum by (le) (rate(namesake_broker_gate_wait_seconds_bucket{namespace=\"$namespace\"}[5m]))";
    assert!(check_query(good).is_ok());
}
