//! The answer of `replay`: the same parts as text and as Markdown. Pure.

use namesake_core::{ReplayChange, ReplayReport};
use serde_json::json;

use super::effect::{Changed, Effect, Then};
use super::left_out;
use crate::answer::exit_status::ExitStatus;
use crate::answer::text::{count, plain, table};
use crate::answer::{Answer, Case};

/// Rows of a table that are printed. JSON has all.
const MAX_ROWS: usize = 50;

/// What was decided.
pub(super) struct Decided<'a> {
    /// What it is about: `what exists`, or `the log`.
    pub(super) what: &'static str,
    /// Revisions of the rules.
    pub(super) old: &'a str,
    pub(super) new: &'a str,
    /// Whether requests of a log were decided.
    pub(super) is_log: bool,
    pub(super) report: &'a ReplayReport,
    pub(super) effect: &'a Effect,
    /// What could not be seen, and why.
    pub(super) unseen: &'a [String],
}

/// How tables are printed.
#[derive(Clone, Copy)]
struct Format {
    is_markdown: bool,
}

impl Format {
    fn table<const N: usize>(self, head: [&str; N], rows: &[[String; N]]) -> String {
        let Some(more) = rows.len().checked_sub(MAX_ROWS).filter(|more| *more > 0) else {
            return self.whole_table(head, rows);
        };
        format!(
            "{}{more} more: -o json has all\n",
            self.whole_table(head, &rows[..MAX_ROWS])
        )
    }

    fn whole_table<const N: usize>(self, head: [&str; N], rows: &[[String; N]]) -> String {
        if rows.is_empty() {
            return String::new();
        }
        if !self.is_markdown {
            return format!("\n{}", table(head, rows));
        }
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let rule = format!("|{}\n", "---|".repeat(N));
        let head = line(head.map(str::to_lowercase).to_vec());
        let rows = rows
            .iter()
            .map(|row| line(row.iter().map(|cell| cell_of(cell)).collect()));
        format!("\n{head}{rule}{}", rows.collect::<String>())
    }
}

/// A cell of a table in Markdown: nothing in it has a meaning there.
pub(super) fn cell_of(text: &str) -> String {
    match plain(text).replace('|', "\\|").replace('`', "'") {
        text if text.is_empty() => text,
        text => format!("`{text}`"),
    }
}

impl Decided<'_> {
    pub(super) fn answer(&self, is_markdown: bool) -> Answer {
        let loses = |one: &ReplayChange| one.effect != "other";
        let found = self.report.changes.iter().any(loses) || self.effect.takes_away();
        let not_seen = self.not_seen();
        Answer {
            text: self.text(Format { is_markdown }, &not_seen),
            short: self.short(&not_seen),
            json: json!({
                "from": self.old, "to": self.new, "decided": self.report, "identities": self.effect.identities,
                "grants": self.effect.grants, "quotas": self.effect.quotas, "notSeen": not_seen,
            }),
            cases: self.cases(&not_seen),
            status: match self.is_of_nothing() {
                true => ExitStatus::Usage,
                false => ExitStatus::of(found, not_seen.is_empty()),
            },
        }
    }

    /// Whether the log has nothing that could be decided.
    fn is_of_nothing(&self) -> bool {
        self.is_log && self.report.decided == 0
    }

    /// What could not be seen, or is not in the answer.
    fn not_seen(&self) -> Vec<String> {
        let of_report = left_out::not_seen(self.report, self.is_log);
        of_report.into_iter().chain(self.unseen.to_vec()).collect()
    }

    fn text(&self, format: Format, not_seen: &[String]) -> String {
        let report = self.report;
        let decided = usize::try_from(report.decided).unwrap_or(usize::MAX);
        let decided = match self.is_log {
            true => count(decided, "request", "requests"),
            false => format!(
                "{} and {}",
                count(decided, "parent of pods", "parents of pods"),
                count(self.effect.counts.identities.all, "identity", "identities")
            ),
        };
        let heading = if format.is_markdown { "### " } else { "" };
        let mut text = format!(
            "{heading}Rules {} to {}: {decided} decided again, {} unchanged\n",
            self.old, self.new, report.unchanged
        );
        let lines = self.summary(not_seen);
        let bullet = if format.is_markdown { "- " } else { "" };
        if !lines.is_empty() {
            let lines = lines.iter().map(|line| format!("{bullet}{line}\n"));
            text += &format!("\n{}", lines.collect::<String>());
        }
        text += &self.tables(format);
        let seen = if not_seen.is_empty() {
            ""
        } else {
            ", as far as it was seen"
        };
        let end = match report.changes.is_empty() && self.effect.is_empty() {
            true => format!("\nThe edit changes nothing in {}{seen}.\n", self.what),
            false => "\nNothing is changed yet.\n".to_owned(),
        };
        text + &end
    }

    fn tables(&self, format: Format) -> String {
        let changes: Vec<_> = self.report.changes.iter().map(change_row).collect();
        let identities: Vec<_> = self.effect.identities.iter().map(identity_row).collect();
        let grants = self.effect.grants.iter().map(|one| {
            let sign = if one.added { "added" } else { "removed" };
            [
                sign.to_owned(),
                one.grant.clone(),
                one.identities.to_string(),
            ]
        });
        let grants: Vec<_> = grants.collect();
        let quotas = self.effect.quotas.iter().map(|one| {
            let unknown = || "not reported".to_owned();
            let change = format!("{:+}", one.change);
            [
                one.kind.to_owned(),
                one.whose.clone(),
                one.now.clone().unwrap_or_else(unknown),
                change,
                one.after().unwrap_or_else(unknown),
            ]
        });
        let quotas: Vec<_> = quotas.collect();
        let count = if self.is_log { "REQUESTS" } else { "PARENTS" };
        [
            format.table(
                ["EFFECT", "WHO", "NAMESPACE", "BEFORE", "AFTER", count],
                &changes,
            ),
            format.table(
                ["IDENTITY", "NAMESPACE", "USER", "CLASS", "THEN", "PODS"],
                &identities,
            ),
            format.table(["AT GOOGLE", "GRANT", "IDENTITIES"], &grants),
            format.table(["QUOTA", "WHOSE", "NOW", "CHANGE", "AFTER"], &quotas),
        ]
        .concat()
    }

    /// What the counts say, and what was not decided or seen.
    fn summary(&self, not_seen: &[String]) -> Vec<String> {
        let changes = self.effect.counts.sentences().into_iter();
        let nothing = self.is_of_nothing().then(|| left_out::NOTHING.to_owned());
        let notes = left_out::notes(self.report);
        let not_seen = not_seen.iter();
        let not_seen = not_seen.map(|what| plain(&format!("not seen: {what}")));
        let all = changes.chain(nothing).chain(notes);
        all.chain(not_seen).collect()
    }

    fn short(&self, not_seen: &[String]) -> String {
        let changes = self.report.changes.iter().map(|one| {
            let ReplayChange {
                effect,
                requester,
                namespace,
                before,
                after,
                count,
            } = one;
            plain(&format!(
                "{effect} {requester} in {namespace}: {before} -> {after} ({count})"
            )) + "\n"
        });
        let identities = self.effect.identities.iter().map(|one| {
            plain(&format!(
                "{} {}/{} of {}",
                then(&one.then),
                one.namespace,
                one.name,
                one.user
            )) + "\n"
        });
        let not_seen = not_seen
            .iter()
            .map(|what| plain(&format!("not seen: {what}")) + "\n");
        changes.chain(identities).chain(not_seen).collect()
    }

    fn cases(&self, not_seen: &[String]) -> Vec<Case> {
        let case = |name: &str, found: Vec<String>| Case {
            name: name.to_owned(),
            found,
            skipped: None,
        };
        let changes = self
            .report
            .changes
            .iter()
            .filter(|one| one.effect != "other");
        let changes = changes.map(|one| change_row(one).join(" "));
        let identities = self
            .effect
            .identities
            .iter()
            .filter(|one| one.then != Then::New);
        let identities = identities.map(|one| identity_row(one).join(" "));
        let not_seen = not_seen.iter().map(|why| Case {
            skipped: Some(why.clone()),
            ..case("seen", Vec::new())
        });
        let nothing = self.is_of_nothing();
        let nothing = nothing.then(|| case("log", vec![left_out::NOTHING.to_owned()]));
        let found = [
            case("pods", changes.collect()),
            case("identities", identities.collect()),
        ];
        let found = nothing.into_iter().chain(found);
        found.chain(not_seen).collect()
    }
}

fn change_row(one: &ReplayChange) -> [String; 6] {
    [
        one.effect.to_owned(),
        one.requester.clone(),
        one.namespace.clone(),
        one.before.clone(),
        one.after.clone(),
        one.count.to_string(),
    ]
}

fn identity_row(one: &Changed) -> [String; 6] {
    [
        one.name.clone(),
        one.namespace.clone(),
        one.user.clone(),
        one.class.clone(),
        then(&one.then),
        one.pods.to_string(),
    ]
}

fn then(then: &Then) -> String {
    match then {
        Then::Drains => "drains".to_owned(),
        Then::Account(Some(account)) => format!("gets {account}"),
        Then::Account(None) => "gets mode direct".to_owned(),
        Then::Unused => "not used any more".to_owned(),
        Then::New => "new".to_owned(),
    }
}
