//! The outcome of a review as one word, for the log, the cluster's audit log and metrics.

/// The outcome of a review.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Nothing yet.
    #[default]
    Undecided,
    /// The pod runs as an identity that works.
    Identity,
    /// The pod runs as an identity, and waits at its scheduling gate until that works.
    Gated,
    /// The pod runs as a KSA that a rule names.
    ServiceAccount,
    /// The pod keeps its KSA.
    Kept,
    /// A dry run: the identity does not exist, and was not created.
    DryRun,
    /// The object was stamped.
    Stamped,
    /// The object changed, and has the stamp that belongs to it.
    Restored,
    /// An admin assigned the object to a user.
    Adopted,
    /// The final pod is as it was signed.
    Checked,
    /// The final pod has no identity, and its KSA is open to everybody.
    CheckedKept,
    /// Nothing speaks against entering the pod, or against what was written for an Argo step.
    Guarded,
    /// Somebody asked whether signed texts are valid.
    Verified,
    /// The rules as edited are valid.
    RulesChecked,
    /// The namespace was opted in.
    OptedIn,
    /// The namespace is of no concern to Namesake.
    Unchanged,
    /// The namespace is in shadow mode.
    Shadow,
    /// The request was refused.
    Refused,
}

impl Outcome {
    /// The word in logs, audit annotations and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Undecided => "",
            Self::Identity => "identity",
            Self::Gated => "gated",
            Self::ServiceAccount => "service-account",
            Self::Kept => "kept",
            Self::DryRun => "dry-run",
            Self::Stamped => "stamped",
            Self::Restored => "restored",
            Self::Adopted => "adopted",
            Self::Checked => "checked",
            Self::CheckedKept => "checked-kept",
            Self::Guarded => "guarded",
            Self::Verified => "verified",
            Self::RulesChecked => "rules-checked",
            Self::OptedIn => "opted-in",
            Self::Unchanged => "unchanged",
            Self::Shadow => "shadow",
            Self::Refused => "refused",
        }
    }
}
