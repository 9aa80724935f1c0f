//! Which user a requester is: `users` of the rules.

use crate::{
    names::quoted,
    reason::Reason,
    rules::{Mapping, NoMatch, Rules, UserRule, fill_in, is_carrier},
    user::{Groups, Requester, User, UserError, canonical_case, check_requester},
};

mod privileges;

use super::{Decision, Refusal};

impl Rules {
    /// The user that a requester is. `annotation` reads an annotation of the object in the request. It is called only if the
    /// rules let this requester act for other users.
    ///
    /// # Errors
    /// No entry of `users` matches the requester, its user is not legal, or it is not allowed to act for the user that it names.
    pub fn user(
        &self,
        requester: &Requester,
        annotation: impl Fn(&str) -> Option<String>,
    ) -> Result<User, Refusal> {
        let raw = requester.username.as_str();
        if raw.is_empty() {
            let message =
                "The API server named no requester. Sign in to the cluster and try again.";
            return Err(Refusal::new(Reason::EmptyRequester, message.to_owned()));
        }
        check_requester(raw).map_err(|error| refuse_illegal_user(raw, raw, &error))?;
        let name = canonical_case(raw);
        // A carrier is not a person: what it creates belongs to the user of the parent object, or to no one.
        let is_carrier = is_carrier(&self.model.carriers, raw, None);
        let not_ascii = name.chars().find(|c| !c.is_ascii());
        let is_for = |rule: &&UserRule| {
            !is_carrier
                && (not_ascii.is_none() || rule.requester.is_exact())
                && rule.requester.matches(&name)
        };
        let Some(rule) = self.model.users.iter().find(is_for) else {
            if let Some(c) = not_ascii {
                return Err(refuse_illegal_user(raw, raw, &UserError::NotAscii(c)));
            }
            return Err(self.refuse_unknown_requester(raw));
        };
        if !requester.is_proven() {
            return Err(refuse_impersonation(raw));
        }
        self.map_requester(rule, &name, annotation)
    }

    fn refuse_unknown_requester(&self, requester: &str) -> Refusal {
        let message = format!(
            "No entry of users in the rules of stack {} matches the requester {}. Sign in with another account, or ask your \
             admin to add an entry.",
            self.stack(),
            quoted(requester)
        );
        Refusal::new(Reason::UnknownRequester, message)
    }

    fn map_requester(
        &self,
        rule: &UserRule,
        name: &str,
        annotation: impl Fn(&str) -> Option<String>,
    ) -> Result<User, Refusal> {
        match &rule.mapping {
            Mapping::Identical {} => {
                User::listed(name).map_err(|error| refuse_illegal_user(name, name, &error))
            }
            Mapping::Template { user } => {
                let captured = rule.requester.captures(name).unwrap_or_default();
                let filled = fill_in(user, &captured)
                    .ok_or_else(|| refuse_illegal_user(name, user, &UserError::Empty))?;
                self.parse_user(&filled)
                    .map_err(|error| refuse_illegal_user(name, &filled, &error))
            }
            Mapping::Claim { claim, may_claim } => {
                let key = Mapping::annotation(claim);
                let Some(claimed) = annotation(key).filter(|claimed| !claimed.is_empty()) else {
                    let message = format!(
                        "{} acts for other users, and this request does not say for which. Set the annotation {key} to a user.",
                        quoted(name)
                    );
                    return Err(Refusal::new(Reason::MissingClaim, message));
                };
                let user = self
                    .parse_user(&claimed)
                    .map_err(|error| refuse_illegal_user(name, &claimed, &error))?;
                if may_claim.iter().any(|glob| glob.matches(user.as_str())) {
                    return Ok(user);
                }
                let message = format!(
                    "{} is not allowed to act for {user}, whom the annotation {key} names. Ask your admin to add the user to mayClaim, \
                     or start the run as that user.",
                    quoted(name)
                );
                Err(Refusal::new(Reason::ClaimNotAllowed, message))
            }
        }
    }

    /// Reads a user from text that others wrote: letters that are not ASCII are legal only if the rules list exactly this name.
    pub(super) fn parse_user(&self, name: &str) -> Result<User, UserError> {
        let listed = self.listed_names.contains(canonical_case(name).as_ref());
        if listed {
            User::listed(name)
        } else {
            User::canonical(name)
        }
    }

    /// The user that an admin names, in canonical form.
    ///
    /// # Errors
    /// A name that is not a user.
    pub fn canonical_user(&self, name: &str) -> Result<User, Refusal> {
        self.parse_user(name)
            .map_err(|error| refuse_illegal_user(name, name, &error))
    }

    /// What a pod gets if its requester is not a user: `noMatch` applies to unknown requesters, all others are refused.
    #[must_use]
    pub fn decision_without_user(&self, refusal: Refusal) -> Decision {
        match (refusal.reason, self.no_match()) {
            (Reason::UnknownRequester, NoMatch::Keep) => Decision::Keep,
            _ => Decision::Deny(refusal),
        }
    }

    /// For each group that rules and classes mention, whether a requester is in it. Stamps record only these.
    #[must_use]
    pub fn mentioned_groups(&self, groups: &[String]) -> Groups {
        Groups::new(&self.mentioned_groups, groups)
    }
}

/// Bound tokens of service accounts have a credential id; impersonation and legacy token Secrets do not.
fn refuse_impersonation(requester: &str) -> Refusal {
    let message = format!(
        "The request of {requester} has no credential id: somebody impersonates this service account, or uses a legacy token \
         Secret. Sign in as yourself, or send the request from a pod of the account."
    );
    Refusal::new(Reason::Impersonated, message)
}

fn refuse_illegal_user(requester: &str, name: &str, error: &UserError) -> Refusal {
    let who = if requester == name {
        String::new()
    } else {
        format!(" of requester {}", quoted(requester))
    };
    let message = format!(
        "{}{who} cannot be a user: {error}. Sign in with another account, or ask your admin to map this one to a user.",
        quoted(name)
    );
    Refusal::new(Reason::IllegalUser, message)
}

#[cfg(test)]
mod tests;
