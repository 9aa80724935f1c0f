//! Reasons: the stable words by which people and programs tell apart why a request is refused, a pod waits or a condition has its
//! status. docs/reasons.md explains each.

mod table;

use std::fmt;
use std::str::FromStr;

pub use table::Reason;

/// Whether something has to be done about a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing is wrong.
    Done,
    /// It may pass by itself; trying again is right.
    Passing,
    /// It stays as it is until a person changes something.
    Lasting,
}

impl Kind {
    const fn default_code(self) -> u16 {
        match self {
            Self::Done => 200,
            Self::Passing => 503,
            Self::Lasting => 403,
        }
    }
}

/// A word that is not one of the reasons of this version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a reason that this version of Namesake knows")]
pub struct UnknownReason(pub String);

impl Reason {
    /// Whether it does not pass by itself: a person has to do something first.
    #[must_use]
    pub const fn is_lasting(self) -> bool {
        matches!(self.kind(), Kind::Lasting)
    }

    /// HTTP status code of an admission response that refuses for it: 400 and 403 are final for whoever asked, and controllers
    /// try again after 503.
    #[must_use]
    pub const fn admission_code(self) -> u16 {
        match (self.code(), self.is_lasting()) {
            (code @ (400 | 403), true) => code,
            _ => 503,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Reason {
    type Err = UnknownReason;

    fn from_str(word: &str) -> Result<Self, UnknownReason> {
        let known = Self::ALL.iter().find(|reason| reason.as_str() == word);
        known.copied().ok_or_else(|| UnknownReason(word.to_owned()))
    }
}

/// Defines [`Reason`] from groups of rows `Word(Kind, HTTP code) "meaning" => "remedy";`. Without a code it is the kind's.
macro_rules! reasons {
    (@code $kind:ident) => { $crate::reason::Kind::$kind.default_code() };
    (@code $kind:ident $code:literal) => { $code };
    ($($group:literal: $($reason:ident($kind:ident $(, $code:literal)?) $meaning:literal => $remedy:literal;)+)+) => {
        /// Why a request is refused, a pod waits, or a condition or an Event says what it says.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $($(#[doc = $meaning] $reason,)+)+
        }

        impl Reason {
            /// All of them, in the order of the table.
            pub const ALL: &'static [Reason] = &[$($(Reason::$reason,)+)+];

            /// `CamelCase`, as in reasons of Kubernetes conditions.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $($(Reason::$reason => stringify!($reason),)+)+ }
            }

            /// Heading of docs/reasons.md under which it stands.
            #[must_use]
            pub const fn group(self) -> &'static str {
                match self { $($(Reason::$reason => $group,)+)+ }
            }

            /// What it means.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $($(Reason::$reason => $meaning,)+)+ }
            }

            /// What to do about it; empty if there is nothing to do.
            #[must_use]
            pub const fn remedy(self) -> &'static str {
                match self { $($(Reason::$reason => $remedy,)+)+ }
            }

            /// HTTP status code of an answer that is refused for it: 403 if it lasts and 503 if it may pass by itself, unless the
            /// table has a more precise one.
            #[must_use]
            pub const fn code(self) -> u16 {
                match self { $($(Reason::$reason => $crate::reason::reasons!(@code $kind $($code)?),)+)+ }
            }

            pub(crate) const fn kind(self) -> $crate::reason::Kind {
                match self { $($(Reason::$reason => $crate::reason::Kind::$kind,)+)+ }
            }
        }
    };
}
use reasons;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_read_from_its_own_word_and_from_no_other() {
        for reason in Reason::ALL {
            assert_eq!(reason.as_str().parse(), Ok(*reason));
        }
        let unknown = "NoMatches".parse::<Reason>().unwrap_err();
        assert_eq!(
            unknown.to_string(),
            "\"NoMatches\" is not a reason that this version of Namesake knows"
        );
    }

    #[test]
    fn every_reason_that_lasts_says_what_to_do() {
        for reason in Reason::ALL {
            assert!(!reason.meaning().is_empty(), "{reason}");
            assert!(
                !reason.is_lasting() || !reason.remedy().is_empty(),
                "{reason}"
            );
        }
    }

    #[test]
    fn the_code_follows_from_the_kind_unless_the_table_says_more() {
        let codes = |reason: Reason| (reason.code(), reason.admission_code());
        assert_eq!(codes(Reason::NoMatch), (403, 403));
        assert_eq!(codes(Reason::BadRequest), (400, 400));
        assert_eq!(codes(Reason::BrokerUnavailable), (503, 503));
        assert_eq!(codes(Reason::Conflict), (409, 503));
        assert_eq!(codes(Reason::NotTheWebhook), (403, 503));
    }
}
