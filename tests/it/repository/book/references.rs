//! What code, manifests and messages say about a document: it exists, and has the heading that they name.

use super::*;

/// Files that refer to documents.
const ENDS: [&str; 7] = [".rs", ".yaml", ".tpl", ".txt", ".py", ".tf", "Makefile"];

/// A place that a text names: a document, and an anchor or the words of a heading.
struct Reference<'a> {
    file: &'a str,
    anchor: Option<&'a str>,
    words: Option<&'a str>,
}

/// The places that a text names: the path of a document, alone, with `#` and an anchor, or with a comma and words in quotes.
fn references(text: &str) -> Vec<Reference<'_>> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let found = text.split("docs/").skip(1).filter_map(|rest| {
        let end = rest.find(".md")?;
        let (file, after) = rest.split_at(end + ".md".len());
        let is_name = rest[..end].chars().all(is_part);
        let anchor = after.strip_prefix('#');
        let anchor = anchor.map(|anchor| anchor.split(|c| !is_part(c)).next().unwrap_or_default());
        // Code that appends the anchor.
        let anchor = anchor.filter(|anchor| !anchor.is_empty());
        let quoted = after.strip_prefix(", \\\"").or(after.strip_prefix(", \""));
        let words = quoted.and_then(|quoted| quoted.split(['"', '\\']).next());
        is_name.then_some(Reference {
            file,
            anchor,
            words,
        })
    });
    found.collect()
}

fn problem(reference: &Reference<'_>, pages: &BTreeMap<String, Page>) -> Option<String> {
    let file = format!("docs/{}", reference.file);
    let Some(page) = pages.get(&file) else {
        return Some(format!("there is no {file}"));
    };
    if let Some(anchor) = reference
        .anchor
        .filter(|anchor| !page.anchors().contains(*anchor))
    {
        return Some(format!("{file} has no anchor {anchor}"));
    }
    let words = reference.words?;
    let is_there = page.anchor_of(words).is_some() || page.text.contains(&format!("**{words}"));
    (!is_there).then(|| format!("{file} has no heading {words:?}"))
}

#[test]
fn every_place_in_the_documentation_that_code_or_a_message_names_exists() -> Result<()> {
    let (pages, root) = (pages()?, workspace_root());
    let (mut problems, mut all) = (Vec::new(), 0);
    for file in files(&root, &ENDS)? {
        let text = fs::read_to_string(&file)?;
        for reference in references(&text) {
            all += 1;
            let problem = problem(&reference, &pages);
            problems.extend(problem.map(|problem| format!("{}: {problem}", file.display())));
        }
    }
    ensure!(problems.is_empty(), "{}", problems.join("\n"));
    ensure!(all > 100, "only {all} references: did their form change?");
    Ok(())
}

#[test]
fn a_reference_is_found_with_its_anchor_or_its_words() {
    let text =
        "see docs/=a.md#b-c. or docs/=d.md, \\\"One, two\\\" and docs/=x y.md".replace('=', "");
    let found: Vec<_> = references(&text)
        .into_iter()
        .map(|one| (one.file, one.anchor, one.words))
        .collect();
    assert_eq!(
        found,
        [
            ("a.md", Some("b-c"), None),
            ("d.md", None, Some("One, two"))
        ]
    );
}
