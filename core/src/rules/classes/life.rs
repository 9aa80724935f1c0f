//! The lifecycle of identities: how long an unused one is kept, how it is bound, and who else may act as it.

use serde::{Serialize, Serializer};

use crate::{
    names::quoted,
    rules::yaml::{Fields, Wrong, values::word, wrong},
};

/// Longest duration, in days.
const MAX_DAYS: u64 = 3650;

/// The keys of a class about the lifecycle of its identities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lifecycle {
    /// An identity that no pod has used for this long is removed. By default none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_after: Option<RulesDuration>,
    /// How the binding names the KSA.
    pub bind_by: BindBy,
    /// What happens to others in the IAM policy of the identity's own GSA.
    pub foreign_members: ForeignMembers,
}

/// How a binding names the KSA.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum BindBy {
    /// By namespace and name, as Google documents it.
    #[default]
    Name,
    /// By UID: a KSA of the same name that is created later, or in another cluster of the project, is not bound.
    Uid,
}

/// What happens to others in the IAM policy of the identity's own GSA.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ForeignMembers {
    /// They stay, and the status of the Identity lists them.
    #[default]
    Report,
    /// They are removed from it.
    Remove,
}

/// A duration as rules write it: `30m`, `12h`, `90d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RulesDuration {
    minutes: u64,
}

impl RulesDuration {
    const UNITS: [(char, u64); 3] = [('d', 24 * 60), ('h', 60), ('m', 1)];

    /// The duration in seconds.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.minutes * 60
    }

    fn read(text: &str) -> Result<Self, Wrong> {
        let unit = Self::UNITS
            .into_iter()
            .find_map(|(unit, minutes)| Some((text.strip_suffix(unit)?, minutes)));
        let minutes = unit.and_then(|(digits, minutes)| {
            let plain = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
            digits
                .parse::<u64>()
                .ok()
                .filter(|_| plain)?
                .checked_mul(minutes)
        });
        match minutes {
            Some(minutes @ 1..) if minutes <= MAX_DAYS * 24 * 60 => Ok(Self { minutes }),
            _ => Err(wrong(
                format!("{} is not a duration", quoted(text)),
                format!("write a whole number followed by m, h or d, as 90d; at most {MAX_DAYS}d"),
            )),
        }
    }
}

impl std::str::FromStr for RulesDuration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::read(text).map_err(|wrong| format!("{}: {}", wrong.what, wrong.remedy))
    }
}

impl Serialize for RulesDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let whole = Self::UNITS
            .into_iter()
            .find(|(_, minutes)| self.minutes.is_multiple_of(*minutes));
        let (unit, minutes) = whole.unwrap_or(('m', 1));
        serializer.serialize_str(&format!("{}{unit}", self.minutes / minutes))
    }
}

impl Lifecycle {
    pub(super) fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let by = [("name", BindBy::Name), ("uid", BindBy::Uid)];
        let foreign = [
            ("report", ForeignMembers::Report),
            ("remove", ForeignMembers::Remove),
        ];
        let idle_after = fields
            .get("idleAfter")
            .map_or(Some(None), |item| item.read(RulesDuration::read).map(Some));
        let bind_by = fields
            .get("bindBy")
            .map_or(Some(BindBy::Name), |item| item.read(|t| word(t, &by)));
        let foreign_members = fields
            .get("foreignMembers")
            .map_or(Some(ForeignMembers::Report), |item| {
                item.read(|t| word(t, &foreign))
            });
        Some(Self {
            idle_after: idle_after?,
            bind_by: bind_by?,
            foreign_members: foreign_members?,
        })
    }
}

#[cfg(test)]
impl RulesDuration {
    pub(crate) const fn of_minutes(minutes: u64) -> Self {
        Self { minutes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_whole_number_with_its_unit() {
        for (text, seconds) in [("1m", 60), ("12h", 43_200), ("90d", 7_776_000)] {
            assert_eq!(
                RulesDuration::read(text).unwrap().as_secs(),
                seconds,
                "{text}"
            );
        }
        for text in [
            "",
            "d",
            "0d",
            "-1d",
            "1",
            "1s",
            "1.5h",
            "1 d",
            "01d",
            "3651d",
            "99999999999999999999d",
        ] {
            assert!(RulesDuration::read(text).is_err(), "{text}");
        }
    }
}
