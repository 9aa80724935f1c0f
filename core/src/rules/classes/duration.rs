//! Durations as rules write them.

use serde::{Serialize, Serializer};

use crate::{
    names::quoted,
    rules::yaml::{InvalidValue, invalid},
};

/// Longest duration, in days.
const MAX_DAYS: u64 = 3650;

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

    pub(super) fn read(text: &str) -> Result<Self, InvalidValue> {
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
            _ => Err(invalid(
                format!("{} is not a duration", quoted(text)),
                format!("write a whole number followed by m, h or d, as 90d; at most {MAX_DAYS}d"),
            )),
        }
    }
}

impl std::str::FromStr for RulesDuration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::read(text).map_err(|invalid| format!("{}: {}", invalid.what, invalid.remedy))
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
