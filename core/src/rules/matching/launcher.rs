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
    /// All kinds. `Pod` is the first and the only one that is not a parent.
    pub(crate) const ALL: [Launcher; 5] = [
        Launcher::Pod,
        Launcher::Job,
        Launcher::CronJob,
        Launcher::JobSet,
        Launcher::Workflow,
    ];

    /// All words of the rules with their meaning.
    pub(crate) fn words() -> [(&'static str, Launcher); 5] {
        Launcher::ALL.map(|launcher| (launcher.as_str(), launcher))
    }

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
