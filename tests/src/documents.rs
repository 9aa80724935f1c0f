//! The commands in the documents, so that tests run what the documents tell people to run.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use namesake_sandbox::host::work_folder::workspace_root;

pub mod markdown;

/// The `sh` blocks of a section of a document in `docs/`, in order: from its heading to the next one of the same level or above.
///
/// # Errors
/// There is no such document or heading, or it has no blocks.
pub fn commands(document: &str, heading: &str) -> Result<Vec<String>> {
    let path = workspace_root().join("docs").join(document);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {document}"))?;
    let blocks = blocks(&text, heading);
    ensure!(
        !blocks.is_empty(),
        "{document} has no commands under {heading:?}"
    );
    Ok(blocks)
}

fn blocks(text: &str, heading: &str) -> Vec<String> {
    let level = heading.chars().take_while(|c| *c == '#').count();
    let is_next = |line: &str| {
        let marks = line.chars().take_while(|c| *c == '#').count();
        (1..=level).contains(&marks) && line.chars().nth(marks) == Some(' ')
    };
    let mut all = Vec::new();
    let (mut inside, mut block) = (false, None::<(bool, String)>);
    for line in text.lines() {
        match (&mut block, line.strip_prefix("```")) {
            (Some((is_shell, body)), Some(_)) => {
                if inside && *is_shell {
                    all.push(std::mem::take(body));
                }
                block = None;
            }
            (Some((_, body)), None) => {
                body.push_str(line);
                body.push('\n');
            }
            (None, Some(kind)) => block = Some((kind == "sh", String::new())),
            (None, None) if line.starts_with(heading) => inside = true,
            (None, None) if is_next(line) => inside = false,
            (None, None) => {}
        }
    }
    all
}

/// The commands of a block, one a line: without comments, and with continued lines joined.
#[must_use]
pub fn lines(block: &str) -> Vec<String> {
    let joined = block.replace("\\\n", "");
    let lines = joined.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

/// The words of a command, as a shell splits them; only double quotes are supported.
#[must_use]
pub fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for c in line.chars().chain([' ']) {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(std::mem::take(&mut word)),
            c => word.push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Runs a block in a shell that stops at the first failing command; returns standard output and standard error.
///
/// # Errors
/// A command fails: the message has the output.
pub fn run(block: &str, folder: &Path, kubectl: &Path, kubeconfig: &Path) -> Result<String> {
    let programs = kubectl.parent().context("kubectl has no folder")?;
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", programs.display());
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", block])
        .current_dir(folder)
        .env("PATH", path)
        .env("KUBECONFIG", kubeconfig)
        .output()
        .context("cannot run bash")?;
    let text =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    let text = text.concat();
    ensure!(output.status.success(), "{block}\n{text}");
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_has_its_own_shell_blocks_and_no_others() {
        let text = "# T\n## A\n```sh\none\n# a comment\ntwo \\\n  more\n```\ntext\n```yaml\nno: shell\n```\n### Below\n```sh\nthree\n```\n## B\n```sh\nfour\n```\n";
        assert_eq!(
            blocks(text, "## A"),
            ["one\n# a comment\ntwo \\\n  more\n", "three\n"]
        );
        assert_eq!(blocks(text, "### Below"), ["three\n"]);
        assert_eq!(lines(&blocks(text, "## A")[0]), ["one", "two   more"]);
        assert_eq!(words("a --b=\"c d\"  e"), ["a", "--b=c d", "e"]);
    }
}
