//! What an edit of the rules does to what exists: counted, for warnings. Pure.

use namesake_core::EditEffect;

/// How many of one kind an edit takes away or changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EditCount {
    /// All that exist.
    pub all: usize,
    /// Those that get another account.
    pub changed: usize,
    /// Those that are taken away.
    pub lost: usize,
}

/// What an edit does to identities and parents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EditCounts {
    /// Identities that work or are being created.
    pub identities: EditCount,
    /// Those of them that stay and lose a grant at Google.
    pub fewer_grants: usize,
    /// Jobs and other parents with a proven user.
    pub parents: EditCount,
}

/// The last warning, if there is any.
const COUNTED_EXACTLY: &str =
    "kubectl namesake replay --rules FILE counts them exactly, and lists them";

impl EditCount {
    /// Counts one.
    pub fn add(&mut self, effect: EditEffect) {
        self.all += 1;
        match effect {
            EditEffect::Keeps => {}
            EditEffect::Changes => self.changed += 1,
            EditEffect::Loses => self.lost += 1,
        }
    }
}

impl EditCounts {
    /// Counts an identity; `loses_grant`: whether the edit removes a grant of its class.
    pub fn add_identity(&mut self, effect: EditEffect, loses_grant: bool) {
        self.identities.add(effect);
        let stays = effect != EditEffect::Loses;
        self.fewer_grants += usize::from(stays && loses_grant);
    }

    /// Warnings for whoever edits the rules; none if nothing is lost or changed. What is known of parents is not all that the rules
    /// may ask for, so another command counts them exactly.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let sentences = self.sentences();
        let last = (!sentences.is_empty()).then_some(COUNTED_EXACTLY);
        let all = sentences.iter().map(String::as_str).chain(last);
        all.map(|sentence| format!("namesake: {sentence}"))
            .collect()
    }

    /// What is lost or changed, a sentence each.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        let mut sentences = Vec::new();
        let EditCount { all, changed, lost } = self.identities;
        if lost > 0 {
            sentences.push(format!("this edit takes away {lost} of {all} identities"));
        }
        if changed > 0 {
            sentences.push(format!(
                "this edit gives {changed} of {all} identities another account at Google"
            ));
        }
        if self.fewer_grants > 0 {
            sentences.push(format!(
                "this edit removes a grant at Google from {} of {all} identities",
                self.fewer_grants
            ));
        }
        let EditCount { all, changed, lost } = self.parents;
        if lost > 0 {
            sentences.push(format!(
                "the next pods of {lost} of {all} Jobs and other parents lose their identity by this edit"
            ));
        }
        if changed > 0 {
            sentences.push(format!(
                "the next pods of {changed} of {all} Jobs and other parents get another account by this edit"
            ));
        }
        sentences
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_that_takes_nothing_away_gives_no_warning_and_others_fit_into_one_each() {
        let mut counts = EditCounts::default();
        counts.identities.add(EditEffect::Keeps);
        assert_eq!(counts.warnings(), [""; 0]);
        let many = EditCount {
            all: 50_000,
            changed: 20_000,
            lost: 30_000,
        };
        let warnings = EditCounts {
            identities: many,
            fewer_grants: 20_000,
            parents: many,
        }
        .warnings();
        assert_eq!(warnings.len(), 6);
        assert_eq!(
            warnings[0],
            "namesake: this edit takes away 30000 of 50000 identities"
        );
        for warning in warnings {
            assert!(warning.len() <= 120, "{warning}");
        }
    }
}
