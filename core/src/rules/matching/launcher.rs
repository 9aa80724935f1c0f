//! `launcher`: the kind of object from which a pod was created.

use serde::{Deserialize, Serialize};

/// The kind of object that a person created and from which the pod was created, as stamps and requesters prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Launcher {
    /// The pod itself: no controller created it.
    Pod,
    /// A Job.
    Job,
    /// A CronJob.
    CronJob,
    /// A JobSet.
    JobSet,
    /// An Argo Workflow.
    Workflow,
}

impl Launcher {
    pub(crate) const WORDS: [(&'static str, Launcher); 5] = [
        ("Pod", Launcher::Pod),
        ("Job", Launcher::Job),
        ("CronJob", Launcher::CronJob),
        ("JobSet", Launcher::JobSet),
        ("Workflow", Launcher::Workflow),
    ];

    /// The word in the rules, which is the kind.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Launcher::Pod => "Pod",
            Launcher::Job => "Job",
            Launcher::CronJob => "CronJob",
            Launcher::JobSet => "JobSet",
            Launcher::Workflow => "Workflow",
        }
    }
}
