//! `docs/reasons.md` explains every reason that people can meet, and no others.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context, Result, ensure};
use namesake_broker::api;
use namesake_broker::identity::reason::ConditionReason;
use namesake_core::Reason;
use namesake_sandbox::host::work_folder::workspace_root;
use namesake_webhook::review::reason::RefusalReason;

/// Every reason, with the folder whose code gives it.
fn reasons() -> Vec<(&'static str, &'static str)> {
    let core = Reason::ALL.iter().map(|r| ("core/src", r.as_str()));
    let webhook = RefusalReason::ALL
        .iter()
        .map(|r| ("webhook/src", r.as_str()));
    let conditions = ConditionReason::ALL
        .iter()
        .map(|r| ("broker/src", r.as_str()));
    let answers = api::Reason::ALL.iter().map(|r| ("broker/src", r.as_str()));
    core.chain(webhook)
        .chain(conditions)
        .chain(answers)
        .collect()
}

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
            // Tests stand at the end of a file.
            text += file.split("#[cfg(test)]").next().unwrap_or_default();
        }
    }
    Ok(text)
}

/// The rows of the page's tables: the reasons of each, what they mean, and what to do.
fn documented(text: &str) -> Result<Vec<(Vec<&str>, &str)>> {
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let mut cells = row.trim_matches(['|', ' ']).split(" | ");
        let words = cells.next().unwrap_or_default();
        let words: Vec<_> = words.split('`').skip(1).step_by(2).collect();
        let meaning = cells.next().map(str::trim).unwrap_or_default();
        ensure!(
            !words.is_empty() && !meaning.is_empty(),
            "this row does not say what the reason means: {row}"
        );
        Ok((words, meaning))
    })
    .collect()
}

#[test]
fn every_reason_that_the_code_gives_is_documented_and_no_other() -> Result<()> {
    let page = workspace_root().join("docs/reasons.md");
    let text = fs::read_to_string(&page).with_context(|| page.display().to_string())?;
    let mut documented = BTreeSet::new();
    // A word may stand in a refusal and on an Identity, and then means something else in each.
    for part in text.split("\n## ") {
        let rows = self::documented(part)?.into_iter();
        let mut here = BTreeSet::new();
        let twice = rows.flat_map(|(words, _)| words);
        let twice: Vec<_> = twice.filter(|word| !here.insert(*word)).collect();
        ensure!(
            twice.is_empty(),
            "docs/reasons.md explains {twice:?} in two rows of one part"
        );
        documented.extend(here);
    }
    let given: BTreeSet<_> = reasons().into_iter().map(|(_, word)| word).collect();
    let missing: Vec<_> = given.difference(&documented).collect();
    ensure!(
        missing.is_empty(),
        "docs/reasons.md does not explain {missing:?}"
    );
    let dead: Vec<_> = documented.difference(&given).collect();
    ensure!(
        dead.is_empty(),
        "docs/reasons.md explains {dead:?}, which no code gives"
    );
    Ok(())
}

#[test]
fn every_reason_that_a_type_lists_is_given_somewhere() -> Result<()> {
    let root = workspace_root();
    // The webhook gives some of the rules' reasons itself.
    let also = |folder| match folder {
        "core/src" => "webhook/src",
        other => other,
    };
    for folder in ["core/src", "webhook/src", "broker/src"] {
        let code = code(&root.join(folder))? + &code(&root.join(also(folder)))?;
        let words = reasons().into_iter().filter(|(of, _)| *of == folder);
        let dead: Vec<_> = words
            .map(|(_, word)| word)
            .filter(|word| {
                let is_end = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric());
                !code.split(&format!("::{word}")).skip(1).any(is_end)
            })
            .collect();
        ensure!(dead.is_empty(), "nothing in {folder} gives {dead:?}");
    }
    Ok(())
}

#[test]
fn no_reason_is_written_beside_the_types() -> Result<()> {
    let root = workspace_root();
    for folder in ["webhook/src", "broker/src"] {
        let code = code(&root.join(folder))?;
        let literal = code.lines().map(str::trim).find(|line| {
            let value = line.strip_prefix("reason: \"");
            value.is_some_and(|value| value.starts_with(|c: char| c.is_ascii_uppercase()))
        });
        ensure!(
            literal.is_none(),
            "{folder} has a reason of its own: {literal:?}: add it to the crate's list of reasons"
        );
    }
    Ok(())
}
