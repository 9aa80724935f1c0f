//! `docs/permissions.md` has each right of `manifests/`, with its reason, and each permission at Google.

use std::{collections::BTreeMap, fmt::Write as _, fs};

use anyhow::{Context, Result, ensure};
use namesake_sandbox::host::work_folder::workspace_root;
use namesake_tests::cluster::manifests;
use serde_json::Value;

const PAGE: &str = "docs/permissions.md";
/// The last line of the page that is written by hand.
const GENERATED: &str = "<!-- The rest is generated from manifests/ and terraform/modules/namesake/permissions.json. -->\n";
/// The files with roles, by the part of the page that they are in.
const PARTS: [(&str, &str, &[&str]); 5] = [
    (
        "The webhook",
        "Account `namesake-webhook`. It creates nothing outside of its own namespace, and has no permission at Google.",
        &["base/webhook/rbac.yaml", "cluster/namespace-roles.yaml"],
    ),
    (
        "The broker",
        "Account `namesake-broker`. A policy limits what it may write to names that it manages, whatever RBAC allows.",
        &["base/broker/rbac.yaml", "cluster/namespace-roles.yaml"],
    ),
    (
        "The gateway",
        "Account `namesake-gateway`, if the gateway is installed. It only reads, and has no permission at Google.",
        &["gateway/rbac.yaml", "cluster/namespace-roles.yaml"],
    ),
    (
        "The nightly doctor",
        "Account `namesake-doctor`, if the component `manifests/doctor` or the chart is installed. It only reads.",
        &["doctor/rbac.yaml"],
    ),
    (
        "Roles for people and other programs",
        "An admin binds these. The first one comes with `view`, `edit` and `admin`.",
        &["cluster/people.yaml"],
    ),
];
/// What the broker is allowed to do at Google: key of permissions.json, on what, and when it is needed.
const AT_GOOGLE: [(&str, &str, &str); 6] = [
    ("identities", "the projects of the identities", "always"),
    (
        "folders",
        "a bucket",
        "a class grants a role on a folder of it",
    ),
    (
        "buckets",
        "a bucket",
        "a class grants a role on all of it, or on a prefix",
    ),
    (
        "projects",
        "a project, limited to the intended roles by a condition",
        "a class grants a role on it",
    ),
    (
        "cluster_project",
        "the project of the cluster",
        "a class has `mode: direct`, `whenFull: direct` or `bindBy: uid`",
    ),
    (
        "pinned_accounts",
        "one account",
        "a pin names it, and it is in another project",
    ),
];

/// The comments above the rules of a document, one for each rule: a rule without a comment has that of the rule before it.
fn reasons(document: &str) -> Vec<String> {
    let (mut reasons, mut comment) = (Vec::<String>::new(), Vec::new());
    let lines = document
        .lines()
        .skip_while(|line| *line != "rules:")
        .skip(1);
    for line in lines.take_while(|line| line.starts_with(' ')) {
        if let Some(text) = line.trim_start().strip_prefix("# ") {
            comment.push(text);
        } else if line.starts_with("  - ") {
            let reason = match comment.is_empty() {
                true => reasons.last().cloned().unwrap_or_default(),
                false => std::mem::take(&mut comment).join(" "),
            };
            reasons.push(reason);
        }
    }
    reasons
}

/// The comment above a document.
fn about(document: &str) -> String {
    let lines = document.lines().map_while(|line| line.strip_prefix('#'));
    let last = lines.map(str::trim).collect::<Vec<_>>().join(" ");
    // What is above an empty comment line is about several documents.
    last.rsplit("  ").next().unwrap_or_default().to_owned()
}

fn words(value: &Value) -> String {
    let words = value.as_array().into_iter().flatten();
    let words: Vec<_> = words.filter_map(Value::as_str).collect();
    words.join(", ")
}

/// The rows of a role, each with where it is valid.
fn rows(document: &str, role: &Value, place: &str) -> Result<String> {
    let name = role["metadata"]["name"].as_str().context("no name")?;
    let rules = role["rules"].as_array().context("no rules")?;
    let mut reasons = reasons(document);
    if reasons.iter().all(String::is_empty) {
        reasons = vec![about(document); rules.len()];
    }
    ensure!(
        reasons.len() == rules.len(),
        "{name}: a rule without a reason"
    );
    let mut text = String::new();
    for (rule, reason) in rules.iter().zip(reasons) {
        ensure!(
            !reason.is_empty(),
            "{name}: a rule without a reason: {rule}"
        );
        let group = match words(&rule["apiGroups"]) {
            group if group.is_empty() => String::new(),
            group => format!(" ({group})"),
        };
        let what = match words(&rule["nonResourceURLs"]) {
            url if url.is_empty() => words(&rule["resources"]),
            url => url,
        };
        let names = words(&rule["resourceNames"]);
        let names = if names.is_empty() {
            String::new()
        } else {
            format!(": {names}")
        };
        let verbs = words(&rule["verbs"]);
        writeln!(
            text,
            "| {place} | {what}{group}{names} | {verbs} | {reason} |"
        )?;
    }
    Ok(text)
}

/// Where the rights of a role are valid, and whether it is of a component.
fn place(role: &Value, account: Option<&str>) -> Option<String> {
    let name = role["metadata"]["name"].as_str()?;
    let Some(account) = account else {
        return Some(format!("`{name}`"));
    };
    match (role["kind"].as_str()?, name.strip_prefix(account)?) {
        ("ClusterRole", "") => Some("whole cluster".to_owned()),
        ("Role", "") => Some("namespace of the stack".to_owned()),
        ("ClusterRole", "-namespace") => Some("each opted-in namespace".to_owned()),
        _ => None,
    }
}

fn kubernetes() -> Result<String> {
    let mut text = String::new();
    for (title, about, files) in PARTS {
        let account = about
            .split('`')
            .nth(1)
            .filter(|name| name.starts_with("namesake-"));
        let first = if account.is_some() { "where" } else { "role" };
        write!(
            text,
            "\n### {title}\n{about}\n\n| {first} | resources | verbs | why |\n|---|---|---|---|\n"
        )?;
        for file in files {
            let all = manifests::file(file)?;
            for document in all.split("\n---\n") {
                let object = manifests::objects(document)?;
                let role = object.iter().find(|object| object["rules"].is_array());
                if let Some((role, place)) =
                    role.and_then(|role| Some((role, place(role, account)?)))
                {
                    text += &rows(document, role, &place)?;
                }
            }
        }
    }
    Ok(text)
}

fn google() -> Result<String> {
    let path = workspace_root().join("terraform/modules/namesake/permissions.json");
    let mut granted: BTreeMap<String, Vec<String>> =
        serde_json::from_str(&fs::read_to_string(path)?)?;
    let mut text = "\n## At Google\nOnly the broker has permissions there: its Google service account, which the Kubernetes account \
                    `namesake-broker` acts as.\n\n| on | when | permissions |\n|---|---|---|\n"
        .to_owned();
    for (key, on, when) in AT_GOOGLE {
        let permissions = granted
            .remove(key)
            .with_context(|| format!("no permissions {key}"))?;
        let permissions: Vec<_> = permissions.iter().map(|one| format!("`{one}`")).collect();
        writeln!(text, "| {on} | {when} | {} |", permissions.join(", "))?;
    }
    ensure!(
        granted.is_empty(),
        "say in AT_GOOGLE what these are for: {granted:?}"
    );
    Ok(text)
}

/// The files of `manifests/` that have roles are those of the page.
fn check_files() -> Result<()> {
    let mut known: Vec<_> = PARTS
        .iter()
        .flat_map(|(_, _, files)| files.iter())
        .collect();
    known.sort();
    known.dedup();
    let root = workspace_root().join("manifests");
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "yaml") {
                let text = fs::read_to_string(&path)?;
                let file = path.strip_prefix(&root)?.to_string_lossy().into_owned();
                let is_role = ["\nkind: Role\n", "\nkind: ClusterRole\n"]
                    .iter()
                    .any(|kind| text.contains(kind));
                let is_patch =
                    text.contains("kind: Kustomization") || text.contains("kind: Component");
                ensure!(
                    !is_role || is_patch || known.iter().any(|known| **known == file),
                    "{file} has a role, and {PAGE} does not"
                );
            }
        }
    }
    Ok(())
}

#[test]
fn the_page_of_permissions_has_each_right_of_the_manifests_with_its_reason() -> Result<()> {
    check_files()?;
    let page = workspace_root().join(PAGE);
    let text = fs::read_to_string(&page).context(PAGE)?;
    let by_hand = text.split(GENERATED).next().unwrap_or_default();
    let expected = format!(
        "{by_hand}{GENERATED}\n## In Kubernetes\n{}{}",
        kubernetes()?.trim_start_matches('\n'),
        google()?
    );
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        return Ok(fs::write(&page, expected)?);
    }
    ensure!(
        text == expected,
        "{PAGE} is out of date: UPDATE_GOLDEN=1 writes it"
    );
    Ok(())
}
