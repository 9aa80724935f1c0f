//! `docs/metrics.md` describes every metric that the programs declare, and no other one.

use std::{collections::BTreeSet, fmt::Write as _, fs};

use anyhow::{Context, Result, ensure};
use namesake_sandbox::host::work_folder::workspace_root;
use namesake_service::Scope;

use super::{check_generated, declared};

/// The last line of the page that is written by hand.
const GENERATED: &str = "<!-- The rest is generated from the code. -->\n";

fn tables() -> Result<String> {
    let mut text = String::new();
    for (program, metrics) in declared() {
        write!(
            text,
            "\n## The {program}\n| metric | type | unit | labels | served by | meaning |\n|---|---|---|---|---|---|\n"
        )?;
        for metric in metrics {
            let labels: Vec<_> = metric.labels.iter().map(|l| format!("`{l}`")).collect();
            let scope = match metric.scope {
                Scope::Replica => "each replica",
                Scope::Leader => "the leader",
            };
            writeln!(
                text,
                "| `{}` | {} | {} | {} | {scope} | {} |",
                metric.name,
                metric.kind,
                metric.unit(),
                labels.join(", "),
                metric.help
            )?;
        }
    }
    Ok(text)
}

#[test]
fn the_page_of_metrics_is_what_the_programs_declare() -> Result<()> {
    let page = workspace_root().join("docs/metrics.md");
    let text = fs::read_to_string(&page).with_context(|| page.display().to_string())?;
    let by_hand = text.split(GENERATED).next().unwrap_or_default();
    check_generated(&page, &format!("{by_hand}{GENERATED}{}", tables()?))
}

#[test]
fn no_metric_is_declared_twice_and_each_says_what_it_is() -> Result<()> {
    let mut names = BTreeSet::new();
    for (program, metrics) in declared() {
        for metric in metrics {
            let name = &metric.name;
            ensure!(name.starts_with(&format!("namesake_{program}_")), "{name}");
            ensure!(names.insert(name.clone()), "{name} is declared twice");
            ensure!(metric.help.len() > 10, "{name}: {}", metric.help);
            let is_time = name.ends_with("_seconds");
            ensure!(metric.kind != "histogram" || is_time, "{name} has no unit");
        }
    }
    Ok(())
}
