//! The documentation as a book: one table of contents, no dead link, and no message that the code does not print.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result, ensure};
use namesake_sandbox::host::work_folder::workspace_root;
use namesake_tests::documents::markdown::Page;

use super::files;

mod commands;
mod inline;
mod messages;
mod references;

/// The table of contents.
const CONTENTS: &str = "docs/README.md";
/// How the first line of a document below its title begins.
const AUDIENCE: &str = "**For:** ";

/// The pages by their path.
fn pages() -> Result<BTreeMap<String, Page>> {
    let pages = Page::all()?.into_iter();
    Ok(pages
        .map(|page| (page.path.to_string_lossy().into_owned(), page))
        .collect())
}

/// A path relative to a page's folder, as one of the repository; `..` is followed.
fn relative(page: &Path, target: &str) -> String {
    let folder = page.parent().unwrap_or_else(|| Path::new(""));
    let mut parts: Vec<&str> = folder.iter().filter_map(|part| part.to_str()).collect();
    for part in target.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." | "" => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// What is wrong with the links of a page.
fn dead_links(page: &Page, pages: &BTreeMap<String, Page>) -> Vec<String> {
    let place = page.path.display();
    let links = page.links().into_iter();
    let ours =
        links.filter(|(_, target)| !target.contains("://") && !target.starts_with("mailto:"));
    let dead = ours.filter_map(|(line, target)| {
        let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
        let path = match file {
            "" => page.path.to_string_lossy().into_owned(),
            file => relative(&page.path, file),
        };
        let why = if !workspace_root().join(&path).exists() {
            "no such file"
        } else if anchor.is_empty()
            || pages
                .get(&path)
                .is_some_and(|to| to.anchors().contains(anchor))
        {
            return None;
        } else {
            "no such heading"
        };
        Some(format!("{place}:{line}: {target}: {why}"))
    });
    dead.collect()
}

#[test]
fn no_link_of_the_documentation_is_dead() -> Result<()> {
    let pages = pages()?;
    let dead: Vec<_> = pages
        .values()
        .flat_map(|page| dead_links(page, &pages))
        .collect();
    ensure!(dead.is_empty(), "{}", dead.join("\n"));
    let links: usize = pages.values().map(|page| page.links().len()).sum();
    ensure!(links > 200, "only {links} links: did their form change?");
    Ok(())
}

#[test]
fn every_document_is_once_in_the_table_of_contents_and_says_whom_it_is_for() -> Result<()> {
    let pages = pages()?;
    let contents = &pages[CONTENTS];
    let rows = contents.text.lines().filter(|line| line.starts_with("| ["));
    let listed: Vec<_> = rows
        .filter_map(|row| Some(row.split_once("](")?.1.split_once(')')?.0))
        .collect();
    for path in pages.keys().filter(|path| *path != CONTENTS) {
        let Some(name) = path.strip_prefix("docs/") else {
            continue;
        };
        let times = listed.iter().filter(|one| **one == name).count();
        ensure!(times == 1, "{CONTENTS} lists {name} {times} times");
        let text = &pages[path].text;
        let first = text
            .lines()
            .skip(1)
            .find(|line| !line.is_empty() && !line.starts_with("<!--"));
        ensure!(
            first.is_some_and(|line| line.starts_with(AUDIENCE)),
            "{path} does not say whom it is for: its first line is {first:?}"
        );
    }
    ensure!(
        pages["README.md"]
            .links()
            .iter()
            .any(|(_, target)| *target == CONTENTS),
        "README.md does not lead to {CONTENTS}"
    );
    Ok(())
}
