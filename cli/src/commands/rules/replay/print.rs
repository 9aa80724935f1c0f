//! The answer of `replay`: the same parts as text and as Markdown. Pure.

use namesake_core::{ReplayChange, ReplayReport};
use serde_json::json;

use super::effect::{Changed, Effect, Then};
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
        let nothing_decided = self.is_log && self.report.decided == 0;
        let loses = |one: &ReplayChange| one.effect != "other";
        let found = self.report.changes.iter().any(loses) || self.effect.takes_away();
        Answer {
            text: self.text(Format { is_markdown }),
            short: self.short(),
            json: json!({
                "from": self.old, "to": self.new, "decided": self.report, "identities": self.effect.identities,
                "grants": self.effect.grants, "quotas": self.effect.quotas, "notSeen": self.unseen,
            }),
            cases: self.cases(),
            status: match nothing_decided {
                true => ExitStatus::Usage,
                false => ExitStatus::of(found, self.unseen.is_empty()),
            },
        }
    }

    fn text(&self, format: Format) -> String {
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
        let lines = self.summary();
        let bullet = if format.is_markdown { "- " } else { "" };
        if !lines.is_empty() {
            let lines = lines.iter().map(|line| format!("{bullet}{line}\n"));
            text += &format!("\n{}", lines.collect::<String>());
        }
        text += &self.tables(format);
        let end = match report.changes.is_empty() && self.effect.is_empty() {
            true => format!("\nThe edit changes nothing in {}.\n", self.what),
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
    fn summary(&self) -> Vec<String> {
        let changes = self.effect.counts.sentences();
        let unseen = self.unseen.iter();
        let unseen = unseen.map(|what| plain(&format!("not seen: {what}")));
        let changes = changes.into_iter();
        changes.chain(self.left_out()).chain(unseen).collect()
    }

    /// What a log has that was not decided, or not wholly.
    fn left_out(&self) -> Vec<String> {
        let report = self.report;
        let first = report.first_broken.first().copied().unwrap_or_default();
        let first = format!("; the first is entry {first}");
        let nothing = "the log has no request of a user that Namesake decided: is it an audit log of this cluster's API server?";
        let is_nothing = self.is_log && report.decided == 0;
        let numbers = [
            (
                report.broken,
                "entry is not one of an audit log of the API server",
                "entries are not of an audit log of the API server",
                first.as_str(),
            ),
            (
                report.not_opted_in,
                "request was",
                "requests were",
                " not decided by Namesake, because the namespace was not opted in or the API \
             server refused it before; --everywhere decides it",
            ),
            (
                report.without_requester,
                "event does not name who sent the request",
                "events do not name who sent the request",
                "",
            ),
            (
                report.without_object,
                "request was",
                "requests were",
                " decided without labels, flow, step and project: the audit policy does not \
             record objects (level Request)",
            ),
            (
                report.without_groups,
                "request was",
                "requests were",
                " decided without the groups of the requester, which Cloud Logging does not record: rules about groups did not \
             match",
            ),
            (
                report.other_names,
                "request",
                "requests",
                " got an identity of another name than the rules give now: the log is of another cluster \
             or stack, or from before an edit of per",
            ),
            (
                report.more_changes,
                "change is",
                "changes are",
                " not listed, because there are too many different ones",
            ),
        ];
        let numbers = numbers.into_iter().filter(|(number, ..)| *number > 0);
        let numbers = numbers.map(|(number, one, many, rest)| {
            let number = usize::try_from(number).unwrap_or(usize::MAX);
            count(number, one, many) + rest
        });
        let nothing = is_nothing.then(|| nothing.to_owned());
        nothing.into_iter().chain(numbers).collect()
    }

    fn short(&self) -> String {
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
        let unseen = self
            .unseen
            .iter()
            .map(|what| plain(&format!("not seen: {what}")) + "\n");
        changes.chain(identities).chain(unseen).collect()
    }

    fn cases(&self) -> Vec<Case> {
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
        let unseen = self.unseen.iter().map(|why| Case {
            skipped: Some(why.clone()),
            ..case("seen", Vec::new())
        });
        let found = [
            case("pods", changes.collect()),
            case("identities", identities.collect()),
        ];
        found.into_iter().chain(unseen).collect()
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
