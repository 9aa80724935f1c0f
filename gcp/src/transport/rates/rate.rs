//! The rates that Google counts.

/// A rate that Google counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rate {
    /// Reads of IAM in a project.
    Read,
    /// Writes to IAM in a project, including creations.
    Write,
    /// Creations of service accounts in a project. Google does not publish this rate.
    Create,
    /// Token exchanges for a pool.
    Exchange,
    /// Access tokens of service accounts.
    Credentials,
    /// Reads of a bucket's policies and settings.
    StorageRead,
    /// Writes to a bucket's policies and folders.
    StorageWrite,
    /// Reads of a project.
    ProjectRead,
    /// Writes of a project's policy.
    ProjectWrite,
}

impl Rate {
    /// Word for metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.words().0
    }

    /// Whether its requests change something at Google.
    #[must_use]
    pub const fn writes(self) -> bool {
        matches!(
            self,
            Self::Write | Self::Create | Self::StorageWrite | Self::ProjectWrite
        )
    }

    /// This rate of a project, pool or bucket.
    pub(crate) const fn of(self, consumer: &str) -> Quota<'_> {
        Quota {
            rate: self,
            consumer,
        }
    }

    /// The word for metrics, and a description for messages.
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Read => ("read", "reads of IAM"),
            Self::Write => ("write", "writes to IAM"),
            Self::Create => ("create", "creations of service accounts"),
            Self::Exchange => ("exchange", "exchanges of tokens"),
            Self::Credentials => ("credentials", "access tokens"),
            Self::StorageRead => ("storage_read", "reads of storage settings"),
            Self::StorageWrite => ("storage_write", "writes of storage settings"),
            Self::ProjectRead => ("project_read", "reads of projects"),
            Self::ProjectWrite => ("project_write", "writes of project policies"),
        }
    }
}

/// The quota that a request counts against: a rate of a project, pool or bucket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quota<'a> {
    pub(crate) rate: Rate,
    pub(crate) consumer: &'a str,
}

/// The message of an error for a turn that would come too late.
pub(crate) fn exhausted_message(rate: Rate, consumer: &str) -> String {
    let (_, requests) = rate.words();
    format!("Google's rate of {requests} for {consumer} is used up for now")
}
