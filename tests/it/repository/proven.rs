//! `docs/proven.md` lists all tests, and `docs/threat-model.md` names only existing tests.

use std::{collections::BTreeSet, fmt::Write as _, fs, path::Path};

use anyhow::{Context, Result, ensure};
use namesake_sandbox::host::work_folder::workspace_root;

use super::files;

/// The text above the lists.
const HEAD: &str = "\
# What is proven

**For:** reviewers who want to know what the tests show.

Every line is the name of a test. The tests run against a real API server, controller manager and scheduler, with Google's side
emulated, unless the heading says otherwise. Generated from the names of the tests: `UPDATE_GOLDEN=1 cargo test -p
namesake-tests --test it repository::proven` writes it again.
";
/// Words that are spelled differently in a test's name. Only unambiguous words are here.
const WRITTEN: [(&str, &str); 15] = [
    ("alices", "alice's"),
    ("anothers", "another's"),
    ("api", "API"),
    ("argo", "Argo"),
    ("argos", "Argo's"),
    ("airflow", "Airflow"),
    ("bobs", "bob's"),
    ("ca", "CA"),
    ("crd", "CRD"),
    ("google", "Google"),
    ("iam", "IAM"),
    ("mallorys", "mallory's"),
    ("metaflow", "Metaflow"),
    ("namesakes", "Namesake's"),
    ("rbac", "RBAC"),
];
/// Tests outside this binary that are listed too.
const WITHOUT_A_CLUSTER: [&str; 1] = ["webhook/tests/it/fuzz.rs"];

/// The folders with the tests that the threat model names.
const CRATES: [&str; 13] = [
    "api/src",
    "broker/src",
    "certs/src",
    "cli/src",
    "core/src",
    "gateway/src",
    "gateway/tests",
    "gcp/src",
    "service/src",
    "tests/it",
    "tests/src",
    "webhook/src",
    "webhook/tests",
];

/// The names of the tests in a file.
fn tests(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[") {
            is_test |= line == "#[test]" || line.starts_with("#[tokio::test");
            continue;
        }
        let name = line
            .trim_start_matches("async ")
            .strip_prefix("fn ")
            .and_then(|rest| rest.split(['(', '<']).next());
        names.extend(name.filter(|_| is_test));
        is_test = false;
    }
    names
}

/// The name of a test as a sentence.
fn sentence(name: &str) -> String {
    let written = |word: &str| {
        let found = WRITTEN.iter().find(|(plain, _)| *plain == word);
        found.map_or(word, |(_, written)| written).to_owned()
    };
    name.split('_').map(written).collect::<Vec<_>>().join(" ")
}

/// The name of a test from a sentence.
fn plain(sentence: &str) -> String {
    sentence.to_lowercase().replace('\'', "").replace(' ', "_")
}

/// The tests in a file, under the file's description; empty for a file without tests.
fn section(root: &Path, path: &Path) -> Result<String> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let names = tests(&text);
    if names.is_empty() {
        return Ok(String::new());
    }
    let about: Vec<&str> = text
        .lines()
        .map_while(|line| line.strip_prefix("//! "))
        .collect();
    ensure!(!about.is_empty(), "{} has no description", path.display());
    let place = path.strip_prefix(root)?.display();
    let mut section = format!("\n## {}\n`{place}`\n\n", about.join(" "));
    for name in names {
        writeln!(section, "- {}", sentence(name))?;
    }
    Ok(section)
}

#[test]
fn the_list_of_what_is_proven_is_the_list_of_tests() -> Result<()> {
    let root = workspace_root();
    let mut sources = files(&root.join("tests/it"), &[".rs"])?;
    sources.extend(files(&root.join("tests/images"), &[".rs"])?);
    sources.extend(WITHOUT_A_CLUSTER.map(|file| root.join(file)));
    let mut text = HEAD.to_owned();
    for file in sources {
        text += &section(&root, &file)?;
    }
    let place = root.join("docs/proven.md");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&place, &text)?;
    }
    ensure!(
        fs::read_to_string(&place)? == text,
        "docs/proven.md is out of date: run this test with UPDATE_GOLDEN=1"
    );
    Ok(())
}

/// Whether a quotation is the name of a test, not a single word or a command.
fn is_name(quoted: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '\'');
    let is_command = quoted.starts_with("kubectl ");
    quoted.chars().all(is_word) && quoted.split(' ').count() > 2 && !is_command
}

#[test]
fn every_test_that_the_threat_model_names_exists_and_every_threat_is_answered() -> Result<()> {
    let root = workspace_root();
    let mut existing = BTreeSet::new();
    for krate in CRATES {
        for file in files(&root.join(krate), &[".rs"])? {
            let text = fs::read_to_string(&file)?;
            existing.extend(tests(&text).into_iter().map(str::to_owned));
        }
    }
    let text = fs::read_to_string(root.join("docs/threat-model.md"))?;
    let rows = text.lines().filter(|line| line.starts_with("| "));
    let mut named = 0;
    for row in rows {
        let last = row
            .trim_end_matches([' ', '|'])
            .rsplit('|')
            .next()
            .unwrap_or_default();
        ensure!(!row.ends_with("| |"), "no test is named here: {row}");
        for quoted in last
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|quoted| is_name(quoted))
        {
            ensure!(
                existing.contains(&plain(quoted)),
                "there is no test {quoted:?}: {row}"
            );
            named += 1;
        }
    }
    ensure!(
        named > 50,
        "only {named} tests are named: did the format of the page change?"
    );
    Ok(())
}
