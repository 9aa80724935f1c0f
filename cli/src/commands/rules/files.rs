//! Files that a command reads: text, and rules in it.

use std::io::BufRead;
use std::path::{Path, PathBuf};

use namesake_core::Rules;
use namesake_service::{RulesFiles, RulesRejection, parse_and_test_rules, parse_rules};

use crate::answer::failure::Failure;
use crate::answer::text::{plain, quoted};
use crate::console::{Console, say};

/// A file: its name in messages, and its text.
pub(super) type File = (String, String);

/// Reads files of text; `-` is standard input.
///
/// # Errors
/// A file that cannot be read, or is not text.
pub(super) fn read(paths: &[PathBuf], input: &mut dyn BufRead) -> Result<Vec<File>, Failure> {
    paths.iter().map(|path| read_one(path, input)).collect()
}

fn read_one(path: &Path, input: &mut dyn BufRead) -> Result<File, Failure> {
    let (name, bytes) = if path == Path::new("-") {
        let mut bytes = Vec::new();
        let read = input.read_to_end(&mut bytes);
        ("standard input".to_owned(), read.map(|_| bytes))
    } else {
        (path.display().to_string(), std::fs::read(path))
    };
    let unreadable = |why: String| Failure::Usage(format!("failed to read {name}: {why}"));
    let bytes = bytes.map_err(|error| unreadable(error.to_string()))?;
    let text =
        String::from_utf8(bytes).map_err(|_| unreadable("it is not text in UTF-8".to_owned()))?;
    Ok((name, text))
}

/// Reads files of rules together, as the keys of the ConfigMap are. Warns if they fail their own tests: an edit by them is refused, and
/// what they would decide can still be shown.
///
/// # Errors
/// A file that cannot be read; rules that are not valid, with their first problem.
pub(super) fn read_rules(
    paths: &[PathBuf],
    console: &mut Console<'_>,
) -> Result<(RulesFiles, Rules), Failure> {
    let files: RulesFiles = read(paths, console.input)?.into_iter().collect();
    let names: Vec<_> = files.keys().map(|name| quoted(name)).collect();
    let rejection = match parse_and_test_rules(&files) {
        Ok(rules) => return Ok((files, rules)),
        Err(rejection) => rejection,
    };
    let problems = rejection.problems();
    let more = match problems.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    let first = format!(
        "{}{more}; all of it: kubectl namesake lint {}",
        plain(&problems[0].to_string()),
        names.join(" ")
    );
    if let RulesRejection::FailedTests { .. } = rejection
        && let Ok(rules) = parse_rules(&files)
    {
        say(
            console.err,
            &format!(
                "warning: these rules fail tests of their own, so an edit by them is refused: {first}\n"
            ),
        );
        return Ok((files, rules));
    }
    Err(Failure::Usage(format!(
        "these rules are not valid: {first}"
    )))
}
