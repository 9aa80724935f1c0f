//! The messages in docs/troubleshooting.md are those of the code.

use super::*;

const PAGE: &str = "docs/troubleshooting.md";
/// The heading of the tables whose first column has messages of ours.
const OURS: &str = "| Namesake says |";
/// Where messages come from.
const SOURCES: [&str; 7] = [
    "api/src",
    "broker/src",
    "cli/src",
    "core/src",
    "gateway/src",
    "manifests/cluster",
    "webhook/src",
];

/// Everything that can be printed, with literals that continue on the next line joined.
fn printed() -> Result<String> {
    let mut all = String::new();
    for folder in SOURCES {
        for file in files(&workspace_root().join(folder), &[".rs", ".yaml"])? {
            let text = fs::read_to_string(file)?;
            let mut lines = text.split("\\\n");
            all.push_str(lines.next().unwrap_or_default());
            lines.for_each(|line| all.push_str(line.trim_start()));
            all.push('\n');
        }
    }
    // Names in a message.
    Ok(all.replace("\\'", "'"))
}

/// The parts of the messages of a page between names, each with its line.
fn parts(page: &Page) -> Vec<(usize, &str)> {
    let (mut is_ours, mut all) = (false, Vec::new());
    for (number, line) in page.prose() {
        if !line.starts_with('|') {
            is_ours = false;
        } else if line.starts_with(OURS) {
            is_ours = true;
        } else if is_ours {
            let cell = line.split('|').nth(1).unwrap_or_default();
            let quoted = cell.split('`').skip(1).step_by(2);
            let parts = quoted.flat_map(|message| message.split('…')).map(str::trim);
            all.extend(
                parts
                    .filter(|part| part.len() > 3)
                    .map(|part| (number, part)),
            );
        }
    }
    all
}

#[test]
fn the_messages_of_the_troubleshooting_page_are_those_of_the_code() -> Result<()> {
    let (page, printed) = (Page::read(PAGE)?, printed()?);
    let parts = parts(&page);
    ensure!(
        parts.len() > 40,
        "only {} messages: did the tables change?",
        parts.len()
    );
    for (number, part) in parts {
        ensure!(
            printed.contains(part),
            "{PAGE}:{number}: no code prints {part:?}"
        );
    }
    Ok(())
}
