//! `templates/generated`: written from `manifests/`, as `charts/source` says what is a value.

use std::fmt::Write as _;

use anyhow::{Result, ensure};
use namesake_sandbox::host::work_folder::workspace_root;
use namesake_tests::{
    cluster::{
        Cluster,
        manifests::{kustomized, objects},
    },
    namespace::runtime::runtime,
};
use serde_json::Value;

use super::{chart, file};

/// The placeholder of `charts/source` for the stack. After a hyphen, the components of `manifests/` wrote it as a suffix.
const STACK: &str = "CHARTSTACK";
const PLACEHOLDERS: [(&str, &str); 4] = [
    ("-CHARTSTACK", "{{ include \"namesake.suffix\" . }}"),
    (STACK, "{{ .Values.stack }}"),
    ("CHARTREGISTRY", "{{ .Values.image.registry }}"),
    ("CHARTTAG", "{{ include \"namesake.tag\" . }}"),
];
const HEADER: &str = "{{- /* Written by tests/it/installation/chart/generated.rs from charts/source and manifests/: UPDATE_GOLDEN=1. */ -}}\n";
/// What YAML takes for something else than text.
const WORDS: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];

/// Text as a YAML scalar that is a template where it has a placeholder.
fn scalar(text: &str) -> String {
    // A template of an alert is not one of Helm's.
    if ["$labels", "$value"].iter().any(|word| text.contains(word)) {
        return Value::from(text).to_string().replace("{{", "{{`{{`}}");
    }
    if text.starts_with("{{") {
        return text.to_owned();
    }
    if text == STACK {
        return "{{ .Values.stack | quote }}".to_owned();
    }
    let is_plain = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .chars()
            .all(|one| one.is_ascii_alphanumeric() || "-._/()".contains(one))
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    let mut text = match is_plain {
        true => text.to_owned(),
        false => Value::from(text).to_string(),
    };
    for (placeholder, template) in PLACEHOLDERS {
        text = text.replace(placeholder, template);
    }
    text
}

/// A condition at the beginning of a string, and the rest.
fn conditional(text: &str) -> Option<(&str, &str)> {
    let (condition, rest) = text.strip_prefix("{{ if ")?.split_once(" }}")?;
    Some((condition, rest))
}

/// The condition of an item of a list: that of one of its strings.
fn condition_of(item: &Value) -> Option<&str> {
    let mut texts = item
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(_, value)| value.as_str());
    texts.find_map(|text| Some(conditional(text)?.0))
}

/// Writes a value in YAML's block style; `first` is what already stands on the line.
fn write(value: &Value, indent: usize, out: &mut String) {
    let margin = " ".repeat(indent);
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                let _ = write!(out, "{margin}{}:", scalar(key));
                nested(value, indent + 2, out);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            for item in list {
                let condition = condition_of(item);
                if let Some(condition) = condition {
                    let _ = writeln!(out, "{margin}{{{{- if {condition} }}}}");
                }
                let mut text = String::new();
                write(item, indent + 2, &mut text);
                let _ = write!(out, "{margin}- {}", text.trim_start());
                if condition.is_some() {
                    let _ = writeln!(out, "{margin}{{{{- end }}}}");
                }
            }
        }
        Value::String(text) => {
            let text = conditional(text).map_or(text.as_str(), |(_, rest)| rest);
            let _ = writeln!(out, "{margin}{}", scalar(text));
        }
        other => {
            let _ = writeln!(out, "{margin}{other}");
        }
    }
}

/// Writes a value behind its key.
fn nested(value: &Value, indent: usize, out: &mut String) {
    let is_block = match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(list) => !list.is_empty(),
        _ => false,
    };
    out.push(if is_block { '\n' } else { ' ' });
    let indent = if is_block { indent } else { 0 };
    write(value, indent, out);
}

fn template(all: &[Value]) -> String {
    let documents = all.iter().map(|object| {
        let mut text = String::new();
        write(object, 0, &mut text);
        text
    });
    documents.collect::<Vec<_>>().join("---\n")
}

fn check(source: &str, wrap: impl FnOnce(String) -> String) -> Result<()> {
    let text = runtime().block_on(async {
        let control_plane = &Cluster::shared().await?.control_plane;
        let folder = workspace_root().join("charts/source").join(source);
        anyhow::Ok(template(&objects(&kustomized(control_plane, &folder)?)?))
    })?;
    let text = HEADER.to_owned() + &wrap(text);
    let name = format!("templates/generated/{source}.yaml");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(chart().join(&name), &text)?;
    }
    let there = file(&name)?;
    ensure!(
        there == text,
        "charts/namesake/{name} is not what manifests/ says: UPDATE_GOLDEN=1 writes it"
    );
    Ok(())
}

#[test]
fn the_template_of_a_stack_is_the_one_of_the_manifests() -> Result<()> {
    check("stack", |text| text)
}

#[test]
fn the_template_of_what_all_stacks_share_is_the_one_of_the_manifests() -> Result<()> {
    check("cluster", |text| {
        format!("{{{{- if .Values.sharedObjects }}}}\n{text}{{{{- end }}}}\n")
    })
}

#[test]
fn the_templates_of_what_scrapes_the_metrics_are_those_of_the_manifests() -> Result<()> {
    for by in ["gke", "prometheus-operator"] {
        check(&format!("metrics-{by}"), |text| {
            format!("{{{{- if eq .Values.metrics.scrapedBy \"{by}\" }}}}\n{text}{{{{- end }}}}\n")
        })?;
    }
    Ok(())
}

#[test]
fn the_template_of_the_rights_in_a_namespace_is_the_one_of_the_manifests() -> Result<()> {
    check("opt-in", |text| {
        let text = text
            .replace("CHARTNAMESPACE", "{{ . | quote }}")
            .replace(
                "instance: prod\n",
                "instance: {{ $.Values.stack | quote }}\n",
            )
            .replace(
                "namespace: namesake-system\n",
                "namespace: namesake-system{{ include \"namesake.suffix\" $ }}\n",
            );
        format!("{{{{- range .Values.optInNamespaces }}}}\n---\n{text}{{{{- end }}}}\n")
    })
}

#[test]
fn an_item_with_a_condition_is_rendered_only_if_it_is_true() {
    let list = serde_json::json!({"env": [{"name": "A", "value": "{{ if .Values.a }}{{ .Values.a | quote }}"}, {"x": "yes"}], "none": {}});
    let text = "env:\n  {{- if .Values.a }}\n  - name: A\n    value: {{ .Values.a | quote }}\n  {{- end }}\n  - x: \"yes\"\nnone: {}\n";
    assert_eq!(template(&[list]), text);
}
