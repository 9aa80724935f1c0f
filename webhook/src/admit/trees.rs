//! What the objects of a review say, read once, when it is first asked for: the largest objects are most of the cost.

use std::sync::OnceLock;

use namesake_core::{Hygiene, User};

use crate::hygiene::{Tidied, tidy};
use crate::kinds::Parts;
use crate::review;
use crate::verdict::Refused;

/// The object of a review as it is, and as it would be. What is not there says nothing.
#[derive(Debug, Default)]
pub(super) struct Both<'b> {
    pub(super) old: Parts<'b>,
    pub(super) new: Parts<'b>,
}

/// A review's bytes, and what was read of them.
pub(super) struct Trees<'b> {
    body: &'b [u8],
    both: OnceLock<Result<Both<'b>, Refused>>,
}

impl<'b> Trees<'b> {
    pub(super) const fn new(body: &'b [u8]) -> Trees<'b> {
        Trees {
            body,
            both: OnceLock::new(),
        }
    }

    /// What a parent says.
    pub(super) fn both(&self) -> Result<&Both<'b>, Refused> {
        let read = || {
            let request = review::parse::<Parts<'b>>(self.body).map_err(unreadable)?;
            Ok(Both {
                old: request.old_object.unwrap_or_default(),
                new: request.object.unwrap_or_default(),
            })
        };
        self.both.get_or_init(read).as_ref().map_err(Clone::clone)
    }

    /// What hygiene would put right in what was read for the decision.
    pub(super) fn tidied(&self, hygiene: Hygiene, user: &User) -> Tidied {
        match self.both.get() {
            Some(Ok(both)) => tidy(hygiene, user, &both.old.spec, &both.new.spec),
            _ => Tidied::default(),
        }
    }

    /// Puts it right: from now on this is what the person wrote.
    pub(super) fn set(&mut self, tidied: &Tidied) {
        let Some(Ok(both)) = self.both.get_mut() else {
            return;
        };
        for (path, value) in &tidied.values {
            let path = path.strip_prefix("/spec").unwrap_or(path);
            if let Some(place) = both.new.spec.at_mut(path) {
                *place = value.clone().into();
            }
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unreadable(error: review::Malformed) -> Refused {
    Refused::bad_request(format!("this object cannot be read: {error}"))
}
