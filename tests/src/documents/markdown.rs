//! Markdown as GitHub renders it: headings, their anchors, links, and fenced blocks.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use anyhow::{Context, Result};
use namesake_sandbox::host::work_folder::workspace_root;

/// A fenced block of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// What stands behind the fence: `sh`, `console`, `yaml` or nothing.
    pub language: String,
    /// Its lines, with the margin of the fence removed.
    pub text: String,
    /// The number of its fence's line, from 1.
    pub line: usize,
    /// The headings under which it stands, with their marks, the top one first.
    pub headings: Vec<String>,
    /// What the comment before it, or else before the first line of its section, says.
    pub comment: Option<String>,
}

/// A page of the repository.
pub struct Page {
    /// Its path in the repository.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

impl Page {
    /// Reads a page.
    ///
    /// # Errors
    /// There is no such page.
    pub fn read(path: &str) -> Result<Self> {
        let text = fs::read_to_string(workspace_root().join(path));
        Ok(Self {
            path: path.into(),
            text: text.with_context(|| format!("cannot read {path}"))?,
        })
    }

    /// The pages of a reader: those at the top of the repository, of `docs/`, and the `README.md` of each folder.
    ///
    /// # Errors
    /// One cannot be read.
    pub fn all() -> Result<Vec<Self>> {
        let root = workspace_root();
        let mut paths = BTreeSet::new();
        for entry in fs::read_dir(&root)?.chain(fs::read_dir(root.join("docs"))?) {
            let path = entry?.path();
            let readme = path.join("README.md");
            if path.extension().is_some_and(|end| end == "md") {
                paths.insert(path);
            } else if readme.is_file() {
                paths.insert(readme);
            }
        }
        let pages = paths.iter().map(|path| {
            let path = path.strip_prefix(&root)?;
            Self::read(&path.to_string_lossy())
        });
        pages.collect()
    }

    /// Its lines without those of fenced blocks, each with its number.
    pub fn prose(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut is_inside = false;
        let lines = self.text.lines().enumerate();
        lines.filter_map(move |(at, line)| {
            let is_fence = line.trim_start().starts_with("```");
            let is_prose = !is_inside && !is_fence;
            is_inside ^= is_fence;
            is_prose.then_some((at + 1, line))
        })
    }

    /// Its headings without their marks.
    #[must_use]
    pub fn headings(&self) -> Vec<&str> {
        let lines = self.prose();
        let headings = lines.filter(|(_, line)| level(line).is_some());
        headings
            .map(|(_, line)| line.trim_start_matches('#').trim())
            .collect()
    }

    /// What a link to this page may name behind `#`.
    #[must_use]
    pub fn anchors(&self) -> BTreeSet<String> {
        let mut seen = BTreeMap::new();
        let headings = self.headings();
        let of_headings = headings.iter().map(|heading| {
            let slug = slug(heading);
            let times = seen.entry(slug.clone()).or_insert(0);
            *times += 1;
            match *times {
                1 => slug,
                times => format!("{slug}-{}", times - 1),
            }
        });
        let ids = self.text.split("<a id=\"").skip(1);
        let ids = ids.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()));
        of_headings.chain(ids).collect()
    }

    /// The anchor of the heading that a text names: whole, or a part of it.
    #[must_use]
    pub fn anchor_of(&self, named: &str) -> Option<String> {
        let wanted = slug(named);
        let slugs: Vec<_> = self
            .headings()
            .iter()
            .map(|heading| slug(heading))
            .collect();
        let whole = slugs.iter().find(|slug| **slug == wanted);
        whole
            .or_else(|| slugs.iter().find(|slug| slug.contains(&wanted)))
            .cloned()
    }

    /// The targets of its links, each with its line.
    #[must_use]
    pub fn links(&self) -> Vec<(usize, &str)> {
        let lines = self.prose();
        lines
            .flat_map(|(number, line)| {
                let targets = line.split("](").skip(1);
                targets.filter_map(move |rest| Some((number, rest.split_once(')')?.0)))
            })
            .collect()
    }

    /// Its fenced blocks, in order.
    #[must_use]
    pub fn blocks(&self) -> Vec<Block> {
        let mut all = Vec::new();
        let mut headings: Vec<(usize, String, Option<String>)> = Vec::new();
        let (mut block, mut before) = (None::<Block>, None);
        let (mut is_first, mut margin) = (false, 0);
        for (at, line) in self.text.lines().enumerate() {
            let trimmed = line.trim_start();
            if let Some(open) = &mut block {
                if trimmed.starts_with("```") {
                    all.extend(block.take());
                } else {
                    open.text.push_str(line.get(margin..).unwrap_or_default());
                    open.text.push('\n');
                }
            } else if let Some(language) = trimmed.strip_prefix("```") {
                margin = line.len() - trimmed.len();
                let of_section = headings
                    .iter()
                    .rev()
                    .find_map(|(_, _, comment)| comment.clone());
                block = Some(Block {
                    language: language.to_owned(),
                    text: String::new(),
                    line: at + 1,
                    headings: headings.iter().map(|(_, text, _)| text.clone()).collect(),
                    comment: before.take().or(of_section),
                });
                is_first = false;
            } else if let Some(level) = level(line) {
                headings.retain(|(other, _, _)| *other < level);
                headings.push((level, line.to_owned(), None));
                (is_first, before) = (true, None);
            } else if let Some(text) = comment(trimmed) {
                match headings.last_mut().filter(|_| is_first) {
                    Some((_, _, of_section)) => *of_section = Some(text.to_owned()),
                    None => before = Some(text.to_owned()),
                }
            } else if !trimmed.is_empty() {
                (is_first, before) = (false, None);
            }
        }
        all
    }
}

/// The text of a line that is a comment.
fn comment(line: &str) -> Option<&str> {
    Some(line.strip_prefix("<!--")?.strip_suffix("-->")?.trim())
}

/// The level of a heading.
fn level(line: &str) -> Option<usize> {
    let marks = line.chars().take_while(|c| *c == '#').count();
    ((1..=6).contains(&marks) && line[marks..].starts_with(' ')).then_some(marks)
}

/// The anchor that GitHub gives a heading.
#[must_use]
pub fn slug(heading: &str) -> String {
    let kept = heading
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    let lower = kept.flat_map(char::to_lowercase);
    lower.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &str) -> Page {
        Page {
            path: "page.md".into(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn anchors_are_githubs() {
        let page =
            page("# A `b`, c\n## 5. One (x)\n## 5. One (x)\n<a id=\"ns1\"></a>\n```\n# no\n```\n");
        let anchors: Vec<_> = page.anchors().into_iter().collect();
        assert_eq!(anchors, ["5-one-x", "5-one-x-1", "a-b-c", "ns1"]);
        assert_eq!(page.anchor_of("One").as_deref(), Some("5-one-x"));
    }

    #[test]
    fn a_comment_is_about_the_block_below_it_or_about_its_section() {
        let page = page(
            "# T\n## A\n<!-- all -->\ntext\n```sh\n1\n```\n<!-- one -->\n```sh\n2\n```\n### B\n```sh\n3\n```\n## C\ntext\n<!-- lost -->\ntext\n   ```sh\n   4\n   ```\n",
        );
        let blocks = page.blocks();
        let comments: Vec<_> = blocks
            .iter()
            .map(|block| (block.text.trim(), block.comment.as_deref()))
            .collect();
        assert_eq!(
            comments,
            [
                ("1", Some("all")),
                ("2", Some("one")),
                ("3", Some("all")),
                ("4", None)
            ]
        );
        assert_eq!(blocks[2].headings, ["# T", "## A", "### B"]);
    }
}
