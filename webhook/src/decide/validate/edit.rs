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
    /// Jobs and other parents with a proven user.
    pub parents: EditCount,
}

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
    /// Warnings for whoever edits the rules; none if nothing is lost or changed.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let EditCount { all, changed, lost } = self.identities;
        if lost > 0 {
            warnings.push(format!(
                "namesake: this edit takes away {lost} of {all} identities"
            ));
        }
        if changed > 0 {
            warnings.push(format!(
                "namesake: this edit gives {changed} of {all} identities another account at Google"
            ));
        }
        let EditCount { all, changed, lost } = self.parents;
        if lost > 0 {
            warnings.push(format!(
                "namesake: this edit refuses the next pods of {lost} of {all} Jobs and other parents, or keeps their account"
            ));
        }
        if changed > 0 {
            warnings.push(format!(
                "namesake: this edit gives the next pods of {changed} of {all} Jobs and other parents another account"
            ));
        }
        warnings
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
            parents: many,
        }
        .warnings();
        assert_eq!(warnings.len(), 4);
        assert_eq!(
            warnings[0],
            "namesake: this edit takes away 30000 of 50000 identities"
        );
        for warning in warnings {
            assert!(warning.len() <= 120, "{warning}");
        }
    }
}
