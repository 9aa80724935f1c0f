//! What the objects of a review say, read once, when it is first asked for: the largest objects are most of the cost.

use std::sync::OnceLock;

use namesake_core::{Hygiene, User};

use super::unreadable;
use crate::decide::kinds::Parts;
use crate::decide::mutate::environment::{Tidied, tidy};
use crate::review;
use crate::review::verdict::Refused;

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
    /// Whether what was read was put right.
    changed: bool,
}

impl<'b> Trees<'b> {
    pub(super) const fn new(body: &'b [u8]) -> Trees<'b> {
        Trees {
            body,
            both: OnceLock::new(),
            changed: false,
        }
    }

    /// What a parent says.
    pub(super) fn both(&self) -> Result<&Both<'b>, Refused> {
        let read = || {
            let request = review::parse::<Parts<'b>>(self.body).map_err(|e| self.unreadable(&e))?;
            Ok(Both {
                old: request.old_object.unwrap_or_default(),
                new: request.object.unwrap_or_default(),
            })
        };
        self.both.get_or_init(read).as_ref().map_err(Clone::clone)
    }

    fn unreadable(&self, error: &review::Malformed) -> Refused {
        match error {
            review::Malformed::Json(error) => unreadable::refused("object", self.body, error),
            other => Refused::bad_request(other.to_string()),
        }
    }

    /// Puts right what hygiene finds, for this user: from now on that is what the person wrote. For nobody it is as it came.
    pub(super) fn tidy(&mut self, hygiene: Hygiene, user: Option<&User>) -> Tidied {
        if std::mem::take(&mut self.changed) {
            self.both = OnceLock::new();
        }
        let Some((user, Ok(Both { old, new }))) = user.map(|user| (user, self.both())) else {
            return Tidied::default();
        };
        let tidied = tidy(hygiene, user, &old.spec, &new.spec);
        if let Some(Ok(both)) = self.both.get_mut() {
            for (path, value) in &tidied.values {
                let path = path.strip_prefix("/spec").unwrap_or(path);
                if let Some(place) = both.new.spec.pointer_mut(path) {
                    *place = value.clone().into();
                    self.changed = true;
                }
            }
        }
        tidied
    }
}
