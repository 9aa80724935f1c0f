//! `docs/reasons.md` explains every reason that the code reports, and no other ones.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::{Context, Result, ensure};
use namesake_api::names::{GUARDS, TOKEN_GUARD};
use namesake_core::Reason;
use namesake_sandbox::host::work_folder::workspace_root;
use namesake_tests::{cluster::manifests, documents::markdown::Page};
use serde_json::Value;

/// The folders with code that reports reasons.
const FOLDERS: [&str; 6] = [
    "api/src",
    "broker/src",
    "cli/src",
    "core/src",
    "gateway/src",
    "webhook/src",
];

/// The last line of the page that is written by hand.
const GENERATED: &str = "<!-- The rest is generated from core/src/reason/table.rs. -->\n";

/// The code of a folder without its tests.
fn code(folder: &Path) -> Result<String> {
    let mut text = String::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if !path.ends_with("tests") {
                text += &code(&path)?;
            }
        } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("tests.rs") {
            let file = fs::read_to_string(&path)?;
            // Tests are at the end of a file.
            text += file.split("#[cfg(test)]").next().unwrap_or_default();
        }
    }
    Ok(text)
}

/// The first digits of the codes of what no request is answered with: Events, and what `check` and `doctor` find.
const NO_ANSWERS: [&str; 2] = ["NS23", "NS3"];

/// Tables of all reasons, one per group.
fn tables() -> Result<String> {
    let mut text = String::new();
    let mut group = "";
    for reason in Reason::ALL {
        let code = reason.code();
        let is_answer = !NO_ANSWERS.iter().any(|digits| code.starts_with(digits));
        if reason.group() != group {
            group = reason.group();
            let (http, line) = if is_answer {
                (" HTTP |", "---|")
            } else {
                ("", "")
            };
            writeln!(
                text,
                "\n## {group}\n| code | reason |{http} meaning | what to do |\n|---|---|{line}---|---|"
            )?;
        }
        let lasting = if reason.is_lasting() { ", lasting" } else { "" };
        let http = match is_answer {
            true => format!(" {}{lasting} |", reason.http_status()),
            false => String::new(),
        };
        let remedy = linked(reason.remedy())?;
        writeln!(
            text,
            "| <a id=\"{}\"></a>{code} | `{reason}` |{http} {} | {remedy} |",
            code.to_lowercase(),
            reason.meaning()
        )?;
    }
    Ok(text)
}

/// The text with links for the documents that it names, to the heading if it names one.
fn linked(text: &str) -> Result<String> {
    let mut parts = text.split("docs/");
    let mut all = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(".md").context("not a document")? + ".md".len();
        let (name, rest) = part.split_at(end);
        let page = Page::read(&format!("docs/{name}"))?;
        let quoted = rest
            .strip_prefix(", \"")
            .and_then(|rest| rest.split_once('"'));
        let found = quoted.and_then(|(words, after)| Some((page.anchor_of(words)?, words, after)));
        all += &match found {
            Some((anchor, words, after)) => {
                format!("[{name}, \"{words}\"]({name}#{anchor}){after}")
            }
            None => format!("[{name}]({name}){rest}"),
        };
    }
    Ok(all)
}

#[test]
fn the_page_of_reasons_is_what_the_table_says() -> Result<()> {
    let page = workspace_root().join("docs/reasons.md");
    let text = fs::read_to_string(&page).with_context(|| page.display().to_string())?;
    let by_hand = text.split(GENERATED).next().unwrap_or_default();
    let expected = format!("{by_hand}{GENERATED}{}", tables()?);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&page, expected)?;
        return Ok(());
    }
    ensure!(
        text == expected,
        "docs/reasons.md is stale: UPDATE_GOLDEN=1 writes it"
    );
    Ok(())
}

#[test]
fn every_reason_of_the_table_is_given_somewhere() -> Result<()> {
    let mut all = String::new();
    for folder in FOLDERS {
        all += &code(&workspace_root().join(folder))?;
    }
    let is_given = |reason: &Reason| {
        let is_end = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric());
        all.split(&format!("Reason::{reason:?}"))
            .skip(1)
            .any(is_end)
    };
    let policies = policies()?;
    let is_policy = |reason: &Reason| policies.iter().any(|(name, _)| name == reason.as_str());
    let unused: Vec<_> = Reason::ALL
        .iter()
        .filter(|reason| !is_given(reason) && !is_policy(reason))
        .collect();
    ensure!(unused.is_empty(), "no code gives {unused:?}");
    Ok(())
}

/// Name and messages of each policy.
fn policies() -> Result<Vec<(String, Vec<String>)>> {
    let mut policies = Vec::new();
    let mut folders = vec![workspace_root().join("manifests")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "yaml") {
                let text = fs::read_to_string(&path)?;
                // Components patch policies, and other files are no list of objects.
                if text.contains("kind: ValidatingAdmissionPolicy\n")
                    && text.contains("validations:")
                {
                    policies.extend(manifests::objects(&text)?.iter().filter_map(policy));
                }
            }
        }
    }
    Ok(policies)
}

fn policy(object: &Value) -> Option<(String, Vec<String>)> {
    let validations = object["spec"]["validations"].as_array();
    let is_policy = object["kind"] == "ValidatingAdmissionPolicy";
    let messages = validations.filter(|_| is_policy)?.iter().map(|one| {
        let text = one["messageExpression"]
            .as_str()
            .or(one["message"].as_str());
        text.unwrap_or_default().trim_end().to_owned()
    });
    let name = object["metadata"]["name"].as_str()?;
    Some((name.to_owned(), messages.collect()))
}

#[test]
fn every_message_of_a_policy_ends_with_the_code_of_the_policy() -> Result<()> {
    let policies = policies()?;
    for name in GUARDS.into_iter().chain([TOKEN_GUARD]) {
        ensure!(
            policies.iter().any(|(known, _)| known == name),
            "there is no policy {name}"
        );
    }
    for (name, messages) in policies {
        let reason: Reason = name.parse()?;
        ensure!(!messages.is_empty(), "{name} has no validations");
        for message in messages {
            let end = message.trim_end_matches('\'');
            let code = format!("({})", reason.code());
            ensure!(
                end.ends_with(&code),
                "{name}: a message without {code}: {message}"
            );
        }
    }
    Ok(())
}

#[test]
fn no_reason_is_written_as_text() -> Result<()> {
    for folder in FOLDERS {
        let code = code(&workspace_root().join(folder))?;
        let literal = code.lines().map(str::trim).find(|line| {
            let value = line.strip_prefix("reason: \"");
            let check = line.strip_prefix("check: \"");
            value.is_some_and(|value| value.starts_with(|c: char| c.is_ascii_uppercase()))
                || check.is_some()
        });
        ensure!(
            literal.is_none(),
            "{folder} has a reason of its own: {literal:?}: add it to core/src/reason/table.rs"
        );
    }
    Ok(())
}
