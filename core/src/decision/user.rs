//! Who asked: from the requester, whom the API server names, to the user.

use crate::{
    names::quoted,
    reason::Reason,
    rules::{Mapping, NoMatch, Rules, UserRule, carries, fill},
    user::{Groups, Requester, User, UserError, canonical_case, check_requester},
};

use super::{Decision, Refusal};

impl Rules {
    /// The user that a requester is. `annotation` reads the annotations of the object that the requester makes; it is asked
    /// only where the rules let this requester speak for others.
    ///
    /// # Errors
    /// A requester whom the rules do not know, who is no legal user, or who may not speak for the user that it names.
    pub fn user(
        &self,
        requester: &Requester,
        annotation: impl Fn(&str) -> Option<String>,
    ) -> Result<User, Refusal> {
        let raw = requester.username.as_str();
        if raw.is_empty() {
            let message = "The API server named nobody as the requester. Sign in to the cluster and try again.";
            return Err(Refusal::new(Reason::EmptyRequester, message.to_owned()));
        }
        check_requester(raw).map_err(|error| illegal(raw, raw, &error))?;
        let name = canonical_case(raw);
        // A carrier is nobody's name: what it makes belongs to its parent's user, or to nobody.
        let is_carrier = carries(&self.model.carriers, raw, None);
        let not_ascii = name.chars().find(|c| !c.is_ascii());
        let is_for = |rule: &&UserRule| {
            !is_carrier
                && (not_ascii.is_none() || rule.requester.is_exact())
                && rule.requester.matches(&name)
        };
        let Some(rule) = self.model.users.iter().find(is_for) else {
            if let Some(c) = not_ascii {
                return Err(illegal(raw, raw, &UserError::NotAscii(c)));
            }
            return Err(self.unknown(raw));
        };
        if !requester.is_itself() {
            return Err(impersonated(raw));
        }
        self.mapped(rule, &name, annotation)
    }

    fn unknown(&self, requester: &str) -> Refusal {
        let message = format!(
            "The rules of stack {} do not know the requester {}: no entry of users matches. Sign in with an account that \
             they know, or ask your admin to add it.",
            self.stack(),
            quoted(requester)
        );
        Refusal::new(Reason::UnknownRequester, message)
    }

    fn mapped(
        &self,
        rule: &UserRule,
        name: &str,
        annotation: impl Fn(&str) -> Option<String>,
    ) -> Result<User, Refusal> {
        match &rule.mapping {
            Mapping::Itself {} => User::listed(name).map_err(|error| illegal(name, name, &error)),
            Mapping::Template { user } => {
                let captured = rule.requester.captures(name).unwrap_or_default();
                let filled =
                    fill(user, &captured).ok_or_else(|| illegal(name, user, &UserError::Empty))?;
                self.known(&filled)
                    .map_err(|error| illegal(name, &filled, &error))
            }
            Mapping::Claim { claim, may_claim } => {
                let key = Mapping::annotation(claim);
                let Some(claimed) = annotation(key).filter(|claimed| !claimed.is_empty()) else {
                    let message = format!(
                        "{} speaks for others, and does not say for whom. Set the annotation {key} to a user.",
                        quoted(name)
                    );
                    return Err(Refusal::new(Reason::MissingClaim, message));
                };
                let user = self
                    .known(&claimed)
                    .map_err(|error| illegal(name, &claimed, &error))?;
                if may_claim.iter().any(|glob| glob.matches(user.as_str())) {
                    return Ok(user);
                }
                let message = format!(
                    "{} may not speak for {user}, whom the annotation {key} names. Ask your admin to add the user to mayClaim, \
                     or start the run as that user.",
                    quoted(name)
                );
                Err(Refusal::new(Reason::ClaimNotAllowed, message))
            }
        }
    }

    /// A user made of somebody's text: not ASCII only if the rules list it.
    pub(crate) fn known(&self, name: &str) -> Result<User, UserError> {
        let listed = self.listed.contains(canonical_case(name).as_ref());
        if listed {
            User::listed(name)
        } else {
            User::canonical(name)
        }
    }

    /// The user whom an admin names, in the form in which rules and stamps have it.
    ///
    /// # Errors
    /// A name that is no user.
    pub fn named_user(&self, name: &str) -> Result<User, Refusal> {
        self.known(name)
            .map_err(|error| illegal(name, name, &error))
    }

    /// What becomes of a pod whose requester is no user: kept if the rules keep what they do not know, otherwise refused.
    #[must_use]
    pub fn unmapped(&self, refusal: Refusal) -> Decision {
        match (refusal.reason, self.no_match()) {
            (Reason::UnknownRequester, NoMatch::Keep) => Decision::Keep,
            _ => Decision::Deny(refusal),
        }
    }

    /// Which of the groups that rules and classes mention a requester is in, and which not: all that a stamp needs to say.
    #[must_use]
    pub fn mentioned_groups(&self, groups: &[String]) -> Groups {
        Groups::of(&self.mentioned, groups)
    }
}

/// Real tokens of service accounts carry an id; impersonation does not, nor do the old tokens kept in Secrets.
fn impersonated(requester: &str) -> Refusal {
    let message = format!(
        "{requester} comes without the id of a token of its own, so this is somebody who impersonates that service account, or \
         a token kept in a Secret. Sign in as yourself, or let the account's own pod make the request."
    );
    Refusal::new(Reason::Impersonated, message)
}

fn illegal(requester: &str, name: &str, error: &UserError) -> Refusal {
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
