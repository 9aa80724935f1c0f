//! Objects of the model, with their history.

use std::collections::BTreeSet;

use serde_json::Value;

use super::kinds::{Kind, runs};

/// Who asked for what a version of an object runs: all of them, if several people asked for the same one after another; nobody, if
/// several people contributed to it.
pub(super) type Asked = BTreeSet<&'static str>;

/// An object as the API server keeps it, with every version that controllers may still see.
pub(super) struct Stored {
    pub(super) kind: Kind,
    /// The person who created it, if it was a person.
    pub(super) creator: Option<&'static str>,
    pub(super) versions: Vec<(Value, Asked)>,
    /// The oldest version that a cache may still have.
    pub(super) oldest: usize,
    pub(super) is_there: bool,
}

impl Stored {
    pub(super) fn last(&self) -> (Value, Asked) {
        self.versions.last().cloned().unwrap()
    }

    /// The index of the version that was the newest so many versions ago.
    pub(super) fn behind(&self, behind: usize) -> usize {
        (self.versions.len().saturating_sub(1 + behind)).max(self.oldest)
    }

    /// Who asked for what a version runs, then or later.
    pub(super) fn asked_since(&self, version: usize) -> Asked {
        asked_since(self.kind, &self.versions, version)
    }
}

pub(super) fn asked_since(kind: Kind, versions: &[(Value, Asked)], version: usize) -> Asked {
    let now = runs(kind, &versions[version].0);
    let later = versions[version..].iter();
    let same = later.filter(|(object, _)| runs(kind, object) == now);
    same.flat_map(|(_, asked)| asked.iter().copied()).collect()
}
