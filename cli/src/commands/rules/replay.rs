//! `replay`: what exists, or the requests of an audit log, decided again by an edit of the rules. Changes nothing.
//!
//! ```text
//! parents, identities, pods ─┐
//! audit log ─────────────────┴─decide twice─▶ Replayed ─effect─▶ Effect ─print─▶ Answer
//! ```

mod effect;
mod left_out;
mod live;
mod log;
mod print;

use std::path::PathBuf;

use clap::Args as Flags;
use namesake_core::{Replay as Decider, Rules};

use crate::answer::failure::Failure;
use crate::answer::text::plain;
use crate::answer::{Answer, Output};
use crate::cluster::connect::Session;
use crate::cluster::flags::Global;
use crate::cluster::{rules_of_stack, versions};
use crate::commands::rules::files;
use crate::console::Console;
use effect::Effect;
use live::Live;
use print::Decided;

/// Options of `replay`.
#[derive(Clone, Debug, Default, Flags)]
pub struct Replay {
    /// File with the edited rules; may be repeated, all are read together
    #[arg(long, value_name = "FILE", required = true)]
    pub rules: Vec<PathBuf>,
    /// File with the rules before the edit, instead of those in force; may be repeated
    #[arg(long, value_name = "FILE")]
    pub old_rules: Vec<PathBuf>,
    /// Decide the requests of this audit log of the API server instead of what exists; `-` is standard input. With --old-rules it
    /// needs no cluster
    #[arg(long, value_name = "FILE")]
    pub audit_log: Option<PathBuf>,
    /// Decide also requests of the log about which Namesake was not asked, as in a log from before it was installed
    #[arg(long, requires = "audit_log")]
    pub everywhere: bool,
}

pub(crate) async fn run(
    global: &Global,
    options: &Replay,
    console: &mut Console<'_>,
) -> Result<Answer, Failure> {
    let (_, new) = files::read_rules(&options.rules, console)?;
    let given = match options.old_rules.as_slice() {
        [] => None,
        paths => Some(files::read_rules(paths, console)?.1),
    };
    let session = match (&given, &options.audit_log) {
        (Some(_), Some(_)) => None,
        _ => Some(Session::open(global).await?),
    };
    if let Some(session) = &session {
        versions::warn(session, console).await;
    }
    let old = match (given, &session) {
        (Some(old), _) => old,
        (None, Some(session)) => rules_of_stack::rules(session).await?,
        (None, None) => return Err(Failure::Usage("give --old-rules".to_owned())),
    };
    check_comparable(&old, &new)?;
    let mut decider = Decider::new(&old, &new, options.everywhere);
    let (mut live, what) = match (&options.audit_log, &session) {
        (None, Some(session)) => (
            live::read(session, old.stack(), &mut decider).await?,
            "what exists",
        ),
        (Some(path), _) => {
            log::read(path, &mut decider, console.input)?;
            (Live::default(), "the log")
        }
        (None, None) => return Err(Failure::Usage("give --audit-log".to_owned())),
    };
    if let (Some(_), Some(session)) = (&options.audit_log, &session) {
        live.read_quotas(session).await;
    }
    let report = decider.finish();
    let effect = Effect::of((&old, &new), &report, &live);
    let decided = Decided {
        what,
        old: old.revision(),
        new: new.revision(),
        is_log: options.audit_log.is_some(),
        report: &report,
        effect: &effect,
        unseen: &live.unseen,
    };
    Ok(decided.answer(global.output == Output::Markdown))
}

/// Whether the names of identities by both rules have anything in common.
fn check_comparable(old: &Rules, new: &Rules) -> Result<(), Failure> {
    for (what, before, after) in [
        ("stack", old.stack(), new.stack()),
        ("cluster", old.cluster(), new.cluster()),
    ] {
        if before != after {
            return Err(Failure::Usage(format!(
                "the edited rules are of {what} {}, and the others of {}: all identities of another {what} have other names, so there \
                 is nothing to compare",
                plain(after),
                plain(before)
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
