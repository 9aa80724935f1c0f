//! The commands in the documentation: each is run here in order, or by another test, or says why not.

use std::sync::Arc;

use namesake_sandbox::{
    kubernetes::users::{ADMIN, ALICE},
    programs::kubernetes::KUBECTL,
};
use namesake_tests::{
    cluster::{Cluster, manifests},
    documents::{self, markdown::Block},
    eventually::eventually,
    namespace::{TestNamespace, runtime::runtime},
    stack::{Options, Stack},
};

use super::*;

/// What a comment above a block, or below the heading of its section, begins with.
const NOT_RUN: &str = "not run: ";
const RUN_BY: &str = "run by: ";
/// The first line of a block that a data scientist runs.
const AS_ALICE: &str = "# as alice@acme.com\n";
/// What stands for text that varies.
const ANY: &str = "…";
/// The last line of a session whose command fails.
const FAILS: &str = "# exit code ";
/// The page whose commands in the text are run too.
const RUNBOOK: &str = "docs/runbook.md";
/// Programs with which a line of commands begins.
const PROGRAMS: [&str; 8] = [
    "kubectl",
    "helm",
    "gcloud",
    "tofu",
    "curl",
    "make",
    "cargo",
    "namesake-broker",
];

/// Why a block is not run here; nothing if it is.
fn elsewhere(page: &Page, block: &Block) -> Result<Option<String>> {
    let Some(comment) = block.comment.as_deref() else {
        return Ok(None);
    };
    if let Some(why) = comment.strip_prefix(NOT_RUN) {
        ensure!(!why.trim().is_empty(), "no reason");
        return Ok(Some(why.to_owned()));
    }
    let Some(test) = comment.strip_prefix(RUN_BY) else {
        return Ok(None);
    };
    let source =
        fs::read_to_string(workspace_root().join(test)).with_context(|| test.to_owned())?;
    let name = page.path.file_name().unwrap_or_default().to_string_lossy();
    ensure!(
        source.contains(&format!("{name}\"")) || test.contains("/install/"),
        "{test} does not read {name}"
    );
    let named = source
        .split('"')
        .filter(|text| text.starts_with("## ") || text.starts_with("### "));
    let is_read = named.into_iter().any(|text| {
        block
            .headings
            .iter()
            .any(|heading| heading.starts_with(text))
    });
    ensure!(is_read, "{test} runs no commands of this section");
    Ok(Some(test.to_owned()))
}

/// The sessions that the tests of `kubectl namesake` compare with its output.
fn golden() -> Result<Vec<String>> {
    let all = files(&workspace_root().join("cli/testdata"), &[".txt"])?;
    all.iter()
        .map(|file| Ok(fs::read_to_string(file)?))
        .collect()
}

/// The blocks of a page that are run here.
fn to_run(page: &Page, golden: &[String]) -> Result<Vec<Block>> {
    let mut all = Vec::new();
    for block in page.blocks() {
        let place = format!("{}:{}", page.path.display(), block.line);
        let first = block.text.lines().next().unwrap_or_default();
        let is_shell = ["sh", "console"].contains(&block.language.as_str());
        if is_shell {
            if elsewhere(page, &block).context(place)?.is_none() {
                all.push(block);
            }
            continue;
        }
        ensure!(
            !first.starts_with("$ ") || golden.contains(&block.text),
            "{place}: no test has this session: make it console"
        );
        let program = first.split(' ').next().unwrap_or_default();
        ensure!(
            !PROGRAMS.contains(&program),
            "{place}: these are commands: make it sh"
        );
    }
    Ok(all)
}

/// The commands of a session, each with what it prints.
fn session(text: &str) -> Vec<(&str, Vec<&str>)> {
    let mut all: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("$ "), all.last_mut()) {
            (Some(command), _) => all.push((command, Vec::new())),
            (None, Some((_, output))) => output.push(line.trim_end()),
            (None, None) => {}
        }
    }
    all
}

/// Whether a line is as shown.
fn is_as_shown(shown: &str, line: &str) -> bool {
    let mut parts = shown.split(ANY);
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let mut is_open = false;
    for part in parts {
        let Some(at) = rest.find(part.trim()) else {
            return false;
        };
        rest = &rest[at + part.trim().len()..];
        is_open = part.is_empty();
    }
    rest.is_empty() || is_open
}

/// Whether output is as shown: a line with nothing but the ellipsis stands for any lines.
fn is_output(shown: &[&str], lines: &[&str]) -> bool {
    match (shown.split_first(), lines.split_first()) {
        (None, None) => true,
        (Some((&ANY, more)), _) if is_output(more, lines) => true,
        (Some((&ANY, _)), Some((_, rest))) => is_output(shown, rest),
        (Some((shown, more)), Some((line, rest))) => {
            is_as_shown(shown, line) && is_output(more, rest)
        }
        _ => false,
    }
}

/// Whoever runs the commands of the book, in a folder.
struct Reader {
    stack: Arc<Stack>,
    folder: tempfile::TempDir,
}

impl Reader {
    async fn shell(&self, user: &str, commands: &str) -> Result<String> {
        let control_plane = &self.stack.cluster().control_plane;
        let (kubectl, kubeconfig) = (
            control_plane.binaries().path(KUBECTL),
            control_plane.kubeconfig(user),
        );
        let ours = std::env::current_exe()?;
        let ours = ours
            .parent()
            .and_then(Path::parent)
            .context("no folder")?
            .display();
        let commands = format!("PATH={ours}:$PATH\n{commands}");
        let folder = self.folder.path().to_owned();
        let run = move || documents::run(&commands, &folder, &kubectl, &kubeconfig);
        tokio::task::spawn_blocking(run).await?
    }

    async fn run(&self, block: &Block) -> Result<()> {
        let user = if block.text.starts_with(AS_ALICE) {
            ALICE
        } else {
            ADMIN
        };
        if block.language == "sh" {
            return self.shell(user, &block.text).await.map(drop);
        }
        for (command, mut shown) in session(&block.text) {
            let fails = shown.pop_if(|last| last.starts_with(FAILS));
            let wrapped = match fails {
                Some(code) => format!(
                    "code=0; {command} || code=$?; test $code = {}",
                    &code[FAILS.len()..]
                ),
                None => command.to_owned(),
            };
            eventually("the output is as shown", async || {
                let said = self.shell(user, &wrapped).await?;
                let lines: Vec<_> = said.lines().map(str::trim_end).collect();
                ensure!(
                    is_output(&shown, &lines),
                    "{command}\n{said}\nis not\n{}",
                    shown.join("\n")
                );
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    /// Runs what an admin who was called runs first. `kubectl namesake` may find something: no program of the stack is a pod here.
    async fn run_runbook(&self) -> Result<()> {
        let commands = inline::commands(&pages()?[RUNBOOK]);
        ensure!(commands.len() > 10, "only {commands:?}");
        for command in commands {
            let wrapped = match command.starts_with("kubectl namesake ") {
                true => format!("{command} || test $? = 1 -o $? = 3"),
                false => command.clone(),
            };
            let ran = self.shell(ADMIN, &wrapped).await;
            ran.with_context(|| format!("{RUNBOOK}: {command}"))?;
        }
        Ok(())
    }
}

#[test]
fn every_command_of_the_documentation_is_run_or_says_why_not() -> Result<()> {
    let golden = golden()?;
    let mut chapters = Vec::new();
    for (path, page) in pages()?
        .into_iter()
        .filter(|(path, _)| path.starts_with("docs/"))
    {
        let blocks = to_run(&page, &golden)?;
        chapters.extend((!blocks.is_empty()).then_some((path, blocks)));
    }
    let number: usize = chapters.iter().map(|(_, blocks)| blocks.len()).sum();
    ensure!(number > 10, "only {number} blocks are run");
    // The quick start makes what later chapters show; the others follow by name.
    chapters.sort_by_key(|(path, _)| (!path.contains("quick-start"), path.clone()));
    runtime().block_on(async {
        let rules = manifests::file("overlays/loopback/rules.yaml")?;
        let options = Options {
            rules,
            ..Options::default()
        };
        let stack = Stack::start(Cluster::lent().await?, options).await?;
        let research = TestNamespace::create_in(Arc::clone(&stack), "research").await?;
        let reader = Reader {
            stack: Arc::clone(&stack),
            folder: tempfile::tempdir()?,
        };
        for (path, blocks) in &chapters {
            let started = std::time::Instant::now();
            for block in blocks {
                reader
                    .run(block)
                    .await
                    .with_context(|| format!("{path}:{}", block.line))?;
            }
            println!(
                "{path}: {} blocks, {:.1} s",
                blocks.len(),
                started.elapsed().as_secs_f32()
            );
        }
        reader.run_runbook().await?;
        research.delete().await?;
        stack.stop().await
    })
}

#[test]
fn output_is_as_shown_only_if_everything_but_the_ellipses_is() {
    assert!(is_output(
        &["a …-b", ANY, "end"],
        &["a x-b", "1", "2", "end"]
    ));
    assert!(is_output(&[ANY], &[]) && is_output(&["a …"], &["a x"]));
    assert!(!is_output(&["a …-b"], &["a x-c"]));
    assert!(!is_output(&["a", "b"], &["a"]) && !is_output(&["a"], &["a", "b"]));
}
