//! What the broker gives: a class that a user may have, with everything derived from the rules.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    names::{IdentityName, Per, quoted},
    reason::Reason,
    rules::{BindBy, Class, Grant, Mode, Rules, pinned_email},
    user::User,
};

use super::Refusal;

/// What the webhook asks the broker for. Everything in it is checked again.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Namespace of the pod.
    pub namespace: &'a str,
    /// Name of the class.
    pub class: &'a str,
    /// Whose pod it is, canonical.
    pub user: &'a str,
    /// Groups that the requester is proven to be in.
    pub groups: &'a [String],
    /// The values of `per`: exactly those that the class asks for.
    pub values: &'a BTreeMap<Per, String>,
}

/// One identity, complete: what the broker makes true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentitySpec {
    /// Name of KSA, GSA and `Identity`.
    pub name: IdentityName,
    /// What `{key}` in grants stands for.
    pub key: String,
    /// The class.
    pub class: String,
    /// The user, if the class makes identities per user.
    pub user: Option<User>,
    /// The values of `per`.
    pub values: BTreeMap<Per, String>,
    /// What it is to Google.
    pub mode: Mode,
    /// The project of the GSA: the pinned one's own, otherwise the class's.
    pub project: String,
    /// E-mail address of the GSA; none in [`Mode::Direct`].
    pub google_service_account: Option<String>,
    /// Whether the GSA was there before: only its binding is ours.
    pub pinned: bool,
    /// What of the KSA the binding names.
    pub bind_by: BindBy,
    /// What it may do at Google, with the key filled in.
    pub grants: Vec<Grant>,
    /// `ClusterRole`s that the KSA gets in its namespace.
    pub role_bindings: Vec<String>,
    /// Secrets with which the KSA pulls images.
    pub image_pull_secrets: Vec<String>,
}

impl Rules {
    /// The identity of a class for a user, if the user may have it. Derives the same name as [`Rules::decide`].
    ///
    /// # Errors
    /// A user who is not canonical, has left, or may not have the class here; a class that is not there; values that are not
    /// exactly those that the class asks for.
    pub fn grant(&self, ask: &Ask<'_>) -> Result<IdentitySpec, Refusal> {
        let user = self
            .known(ask.user)
            .and_then(|_| User::exact(ask.user))
            .map_err(|error| {
                let message = format!(
                    "{} is not a user: {error}. Ask with the canonical name.",
                    quoted(ask.user)
                );
                Refusal::new(Reason::IllegalUser, message)
            })?;
        if self.is_offboarded(&user) {
            return Err(self.offboarded(&user));
        }
        let class = self
            .class(ask.class)
            .ok_or_else(|| self.unknown_class(ask.class))?;
        self.check_entitled(
            class,
            &user,
            |group| ask.groups.iter().any(|member| member == group),
            ask.namespace,
        )?;
        class.check_values(Some(&user), ask.values)?;
        Ok(self.spec(class, Some(&user), ask.namespace, ask.values))
    }

    /// An identity that is there, as the rules make it today. Who may have it was proven when it was asked for; as far as that
    /// can be told without the proof (groups), it is asked again.
    ///
    /// # Errors
    /// A class that is not there or asks for other values; a user or namespace that it is not for.
    pub fn again(
        &self,
        namespace: &str,
        class: &str,
        values: &BTreeMap<Per, String>,
    ) -> Result<IdentitySpec, Refusal> {
        let class = self.class(class).ok_or_else(|| self.unknown_class(class))?;
        let user = values
            .get(&Per::User)
            .and_then(|user| User::exact(user).ok());
        // Groups, and who stands behind an identity that is not per user, are known only while somebody asks.
        match &user {
            Some(user) => self.check_entitled(class, user, |_| true, namespace)?,
            None => self.check_namespace(class, "who uses it", namespace)?,
        }
        class.check_values(user.as_ref(), values)?;
        Ok(self.spec(class, user.as_ref(), namespace, values))
    }

    fn spec(
        &self,
        class: &Class,
        user: Option<&User>,
        namespace: &str,
        values: &BTreeMap<Per, String>,
    ) -> IdentitySpec {
        let name = self.identity_name(namespace, &class.name, values);
        // A pin is for the person: an identity that is finer, or shared, has a GSA of its own.
        let is_personal =
            class.per == BTreeSet::from([Per::User]) && class.mode == Mode::Impersonate;
        let pin = user
            .and_then(|user| self.pins.get(user))
            .filter(|_| is_personal);
        let email = || {
            pin.map_or_else(
                || pinned_email(name.as_str(), &class.project),
                |pin| pin.email().to_owned(),
            )
        };
        IdentitySpec {
            key: name.key().to_owned(),
            class: class.name.clone(),
            user: user.filter(|_| class.per.contains(&Per::User)).cloned(),
            values: values.clone(),
            mode: class.mode,
            project: pin
                .map_or(class.project.as_str(), |pin| pin.project())
                .to_owned(),
            google_service_account: (class.mode == Mode::Impersonate).then(email),
            pinned: pin.is_some(),
            bind_by: class.life.bind_by,
            grants: class
                .grants
                .iter()
                .map(|grant| grant.filled(name.key()))
                .collect(),
            role_bindings: class.role_bindings.clone(),
            image_pull_secrets: class.image_pull_secrets.clone(),
            name,
        }
    }

    pub(crate) fn identity_name(
        &self,
        namespace: &str,
        class: &str,
        values: &BTreeMap<Per, String>,
    ) -> IdentityName {
        IdentityName::derive(self.stack(), self.cluster(), namespace, class, values)
    }
}

#[cfg(test)]
mod tests;
