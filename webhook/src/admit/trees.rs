//! What the objects of a review say, read once, when it is first asked for: the largest objects are most of the cost.

use std::sync::OnceLock;

use namesake_core::{Hygiene, User};

use crate::argo::changes::Parts as ArgoParts;
use crate::hygiene::{Tidied, tidy};
use crate::kinds::Parts;
use crate::review;
use crate::verdict::Refused;

/// The object of a review as it is, and as it would be. What is not there says nothing.
#[derive(Debug, Default)]
pub(super) struct Both<P> {
    pub(super) old: P,
    pub(super) new: P,
}

/// A review's bytes, and what was read of them.
pub(super) struct Trees<'b> {
    body: &'b [u8],
    parts: OnceLock<Result<Both<Parts>, Refused>>,
    argo: OnceLock<Result<Both<ArgoParts<'b>>, Refused>>,
}

impl<'b> Trees<'b> {
    pub(super) const fn new(body: &'b [u8]) -> Trees<'b> {
        Trees {
            body,
            parts: OnceLock::new(),
            argo: OnceLock::new(),
        }
    }

    /// Of a Job, a CronJob or a JobSet.
    pub(super) fn parts(&self) -> Result<&Both<Parts>, Refused> {
        let read = || {
            let request = review::parse::<Parts>(self.body).map_err(unreadable)?;
            Ok(both(request.old_object, request.object))
        };
        self.parts.get_or_init(read).as_ref().map_err(Clone::clone)
    }

    /// Of an object of Argo.
    pub(super) fn argo(&self) -> Result<&Both<ArgoParts<'b>>, Refused> {
        let read = || {
            let request = review::parse::<ArgoParts<'b>>(self.body).map_err(unreadable)?;
            Ok(both(request.old_object, request.object))
        };
        self.argo.get_or_init(read).as_ref().map_err(Clone::clone)
    }

    /// What hygiene would put right in what was read for the decision.
    pub(super) fn tidied(&self, hygiene: Hygiene, user: &User) -> Tidied {
        let parts = || self.parts.get()?.as_ref().ok();
        match self.argo.get() {
            Some(Ok(both)) => tidy(hygiene, user, &both.old.spec, &both.new.spec),
            _ => parts().map_or_else(Tidied::default, |both| {
                tidy(hygiene, user, &both.old.spec, &both.new.spec)
            }),
        }
    }

    /// Puts it right: from now on this is what the person wrote.
    pub(super) fn set(&mut self, tidied: &Tidied) {
        for (path, value) in &tidied.values {
            let path = path.strip_prefix("/spec").unwrap_or(path);
            if let Some(Ok(both)) = self.parts.get_mut()
                && let Some(place) = both.new.spec.pointer_mut(path)
            {
                *place = value.as_str().into();
            }
            if let Some(Ok(both)) = self.argo.get_mut()
                && let Some(place) = both.new.spec.at_mut(path)
            {
                *place = value.clone().into();
            }
        }
    }
}

fn both<P: Default>(old: Option<P>, new: Option<P>) -> Both<P> {
    Both {
        old: old.unwrap_or_default(),
        new: new.unwrap_or_default(),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unreadable(error: review::Malformed) -> Refused {
    Refused::bad_request(format!("this object cannot be read: {error}"))
}
