//! `explain`: who asked for a pod, how that is proven, which rule and class gave it which account, and what it waits for.
//!
//! ```text
//! pod ─owner─▶ Job ─owner─▶ CronJob    read with the caller's rights
//!  └ resolution └ stamp     └ stamp    verified by the webhook, which alone has the keys ─▶ Story ─▶ Answer
//! ```
//!
//! Only `read`, `read_identities` and `verify` call the API server; everything else is pure.

mod chain;
mod facts;
mod identities;
mod read;
mod read_identities;
mod run_story;
mod story;
mod subject;
mod verify;

use clap::Args as Flags;
use jiff::Timestamp;

use crate::answer::Answer;
use crate::answer::failure::Failure;
use crate::cluster::connect::Session;

use subject::{Asked, Subject};

/// Options of `explain`.
#[derive(Clone, Debug, Flags)]
pub struct Explain {
    /// `pod NAME`, `job NAME` (or cronjob, jobset, workflow, …), `identity NAME`, `user NAME`; the kind may be left out if only one
    /// of them has this name
    #[arg(value_names = ["KIND", "NAME"], num_args = 1..=2, required = true)]
    pub object: Vec<String>,
    /// Also each rule before the one that matched, and why it did not match; needs the right to read the rules
    #[arg(long)]
    pub trace: bool,
}

pub(crate) async fn run(session: &Session, options: &Explain) -> Result<Answer, Failure> {
    let now = Timestamp::now();
    let namespace = session.namespace.as_ref();
    let namespace = namespace.unwrap_or(&session.default_namespace);
    let (subject, name) = match subject::parse(&options.object)? {
        Asked::Of(subject, name) => (subject, name),
        Asked::Any(name) => (read::subject_named(session, namespace, name).await?, name),
    };
    let story = match subject {
        Subject::Pod => {
            let facts = read::pod(session, namespace, name, options.trace).await?;
            run_story::story(&facts, now)
        }
        Subject::Parent(kind) => {
            let facts = read::parent(session, namespace, (kind, name), options.trace).await?;
            run_story::story(&facts, now)
        }
        Subject::Identity => {
            let (facts, unseen) = read_identities::identity(session, namespace, name).await?;
            identities::of_identity(&facts, &unseen, now)
        }
        Subject::User => {
            let facts = read_identities::user(session, namespace, name, options.trace).await?;
            identities::of_user(&facts, now)
        }
    };
    Ok(story.answer())
}
