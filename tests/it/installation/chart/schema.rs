//! `values.schema.json` is strict at each level: no key is unknown to it that a template or the rules know, and no other is accepted.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context, Result, bail, ensure};
use namesake_sandbox::host::work_folder::workspace_root;
use namesake_tests::namespace::runtime::runtime;
use serde_json::{Map, Value, json};

use super::{file, helms, values::template};
use crate::cli::connection::session;

/// A key that no level has.
const UNKNOWN: &str = "unheardOf";
/// For charts that have this one among their dependencies.
const GLOBAL: &str = "global";

/// The schema of each value, with its path as `--set` takes it: `rules.users[0].user`.
fn walk<'s>(schema: &'s Value, path: &str, all: &mut Vec<(String, &'s Value)>) {
    all.push((path.to_owned(), schema));
    for (key, below) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        walk(below, &path, all);
    }
    if schema["items"].is_object() {
        walk(&schema["items"], &format!("{path}[0]"), all);
    }
}

fn schema() -> Result<Value> {
    Ok(serde_json::from_str(&file("values.schema.json")?)?)
}

/// The keys of a level, if it has keys of its own.
fn keys(schema: &Value) -> Option<BTreeSet<&str>> {
    let keys = schema["properties"].as_object()?;
    Some(keys.keys().map(String::as_str).collect())
}

/// A value that is not of the type.
fn of_another_type(path: &str, schema: &Value) -> Result<Value> {
    match schema["type"].as_str() {
        Some("string") => Ok(json!(7)),
        Some("integer" | "boolean") => Ok(json!("7")),
        Some("object" | "array") => Ok(json!("x")),
        _ if schema["enum"].is_array() => Ok(json!("neither")),
        _ if schema["type"] == json!(["object", "string"]) => Ok(json!(7)),
        _ => bail!("{path} accepts any type"),
    }
}

#[test]
fn at_each_level_an_unknown_key_and_a_value_of_another_type_are_refused() -> Result<()> {
    let schema = schema()?;
    let mut all = Vec::new();
    walk(&schema, "", &mut all);
    let (mut levels, mut types) = (0, 0);
    for program in helms()? {
        for (path, schema) in &all {
            if keys(schema).is_some() {
                let place = if path.is_empty() {
                    UNKNOWN.to_owned()
                } else {
                    format!("{path}.{UNKNOWN}")
                };
                let said = template(program, &["--set", &format!("{place}=x")])?.refusal();
                let said = said.with_context(|| format!("{program:?}: {place} is accepted"))?;
                ensure!(said.contains(UNKNOWN), "{place}: {said}");
                levels += 1;
            }
            if !path.is_empty() {
                let wrong = of_another_type(path, schema)?;
                let set = format!("{path}={wrong}");
                let said = template(program, &["--set-json", &set])?.refusal();
                let said = said.with_context(|| format!("{program:?}: {set} is accepted"))?;
                let last = path.rsplit('.').next().unwrap_or_default();
                let last = last.trim_end_matches("[0]");
                ensure!(said.contains(last), "{set}: {said}");
                types += 1;
            }
        }
    }
    ensure!(
        levels >= 40 && types >= 200,
        "{levels} levels, {types} types"
    );
    Ok(())
}

#[test]
fn the_schema_has_the_keys_of_the_values() -> Result<()> {
    let values: Value = serde_saphyr::from_str(&file("values.yaml")?)?;
    let schema = schema()?;
    let mut all = Vec::new();
    walk(&schema, "", &mut all);
    for (path, schema) in all {
        // The rules have no default, and are compared below; keys of a selector are the admin's.
        let Some(mut known) = keys(schema).filter(|_| !path.starts_with("rules")) else {
            continue;
        };
        known.remove(GLOBAL);
        let there = path.split('.').filter(|key| !key.is_empty());
        let there = there.fold(&values, |values, key| &values[key]);
        let there = there.as_object().with_context(|| path.clone())?;
        let there: BTreeSet<_> = there.keys().map(String::as_str).collect();
        ensure!(known == there, "{path}: {known:?} is not {there:?}");
    }
    Ok(())
}

/// Rules with an unknown key in each object, as YAML in JSON's syntax, below the keys that the chart writes itself.
fn with_unknown(schema: &Value) -> Value {
    let mut map = Map::new();
    for (key, below) in schema["properties"].as_object().into_iter().flatten() {
        let list = below["items"]["properties"].is_object();
        let inner = if list { &below["items"] } else { below };
        if inner["properties"].is_object() {
            let inner = with_unknown(inner);
            map.insert(key.clone(), if list { json!([inner]) } else { inner });
        }
    }
    map.insert(UNKNOWN.to_owned(), json!(1));
    Value::Object(map)
}

/// The keys that `kubectl namesake lint` says an object of the rules may have.
fn keys_by_lint<'o>(said: &'o str, path: &str) -> Result<BTreeSet<&'o str>> {
    let place = if path.is_empty() {
        UNKNOWN.to_owned()
    } else {
        format!("{path}.{UNKNOWN}")
    };
    let begin = format!("error: {place}: this key is unknown\n");
    let rest = said
        .split_once(&begin)
        .with_context(|| format!("no {begin}{said}"))?
        .1;
    let rest = rest.split_once("write one of: ").context("no keys")?.1;
    let line = rest.lines().next().unwrap_or_default();
    Ok(line.split(", ").collect())
}

#[test]
fn the_schema_has_the_keys_of_the_rules_at_each_level() -> Result<()> {
    let schema = schema()?;
    let rules = &schema["properties"]["rules"];
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("rules.yaml");
    fs::write(&path, with_unknown(rules).to_string())?;
    let words = ["lint", &path.display().to_string()];
    let said = runtime().block_on(session(Path::new("/none"), &words));
    let said = said.out + &said.err;
    let mut all = Vec::new();
    walk(rules, "", &mut all);
    let mut levels = 0;
    for (path, schema) in all {
        let Some(known) = keys(schema) else { continue };
        let mut wanted = keys_by_lint(&said, &path)?;
        if path.is_empty() {
            // What the chart writes itself.
            for own in ["apiVersion", "kind", "stack", "cluster"] {
                ensure!(wanted.remove(own), "{own}");
            }
        }
        ensure!(known == wanted, "{path}: {known:?} is not {wanted:?}");
        levels += 1;
    }
    ensure!(levels > 10, "{levels}");
    Ok(())
}

#[test]
fn the_rules_of_the_manifests_and_of_the_tests_are_accepted() -> Result<()> {
    let root = workspace_root();
    let files = [
        "manifests/overlays/gke/rules/rules.yaml",
        "manifests/overlays/loopback/rules.yaml",
        "tests/rules/shared.yaml",
    ];
    for name in files {
        let text = fs::read_to_string(root.join(name))?;
        let mut rules: Map<String, Value> = serde_saphyr::from_str(&text)?;
        rules.retain(|key, _| !["apiVersion", "kind", "stack", "cluster"].contains(&key.as_str()));
        let folder = tempfile::tempdir()?;
        let values = folder.path().join("values.json");
        fs::write(&values, json!({"rules": rules}).to_string())?;
        let values = values.display().to_string();
        for program in helms()? {
            let said = template(program, &["--values", &values])?;
            said.success().with_context(|| name.to_owned())?;
        }
    }
    Ok(())
}
