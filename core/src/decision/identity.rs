//! What an identity consists of: everything that the broker creates, derived from the rules.

use std::collections::BTreeMap;

use crate::{
    names::{IdentityName, Per, quoted},
    reason::Reason,
    rules::{BindBy, Class, Grant, Mode, Rules, gsa_email},
    user::User,
};

use super::Refusal;

/// The identity that the webhook requests from the broker, which checks everything in it again.
#[derive(Clone, Copy, Debug)]
pub struct RequestedIdentity<'a> {
    /// Namespace of the pod.
    pub namespace: &'a str,
    /// Name of the class.
    pub class: &'a str,
    /// The user whose pod it is, canonical.
    pub user: &'a str,
    /// Groups that the requester is proven to be in.
    pub groups: &'a [String],
    /// The values of the class's `per`.
    pub values: &'a BTreeMap<Per, String>,
}

/// All of one identity: what the broker creates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DerivedIdentity {
    /// Name of KSA, GSA and `Identity`.
    pub name: IdentityName,
    /// What replaces `{key}` in grants.
    pub key: String,
    /// The class.
    pub class: String,
    /// The user, if the class has one identity per user.
    pub user: Option<User>,
    /// The values of `per`.
    pub values: BTreeMap<Per, String>,
    /// How its pods act at Google.
    pub mode: Mode,
    /// The project of the GSA: that of the pinned GSA, otherwise the class's.
    pub project: String,
    /// E-mail address of the GSA; none in [`Mode::Direct`].
    pub google_service_account: Option<String>,
    /// Whether the GSA is pinned: it existed before, and Namesake manages only its binding.
    pub pinned: bool,
    /// How the binding names the KSA.
    pub bind_by: BindBy,
    /// Its roles at Google, with the key filled in.
    pub grants: Vec<Grant>,
    /// `ClusterRole`s that are bound to the KSA in its namespace.
    pub role_bindings: Vec<String>,
    /// Secrets with which the KSA pulls images.
    pub image_pull_secrets: Vec<String>,
}

impl Rules {
    /// Derives the requested identity, if the user is allowed to have it. Its name is the same as [`Rules::decide`] chooses.
    ///
    /// # Errors
    /// A user who is not canonical, is offboarded, or is not allowed to have the class here; a class that does not exist; values
    /// for other keys than the class's `per`.
    pub fn derive_identity(
        &self,
        requested: &RequestedIdentity<'_>,
    ) -> Result<DerivedIdentity, Refusal> {
        let user = self
            .parse_user(requested.user)
            .and_then(|_| User::exact(requested.user))
            .map_err(|error| {
                let message = format!(
                    "{} is not a user: {error}. Request it with the canonical name.",
                    quoted(requested.user)
                );
                Refusal::new(Reason::IllegalUser, message)
            })?;
        if self.is_offboarded(&user) {
            return Err(self.refuse_offboarded(&user));
        }
        let class = self
            .class(requested.class)
            .ok_or_else(|| self.refuse_unknown_class(requested.class))?;
        self.check_entitled(
            class,
            &user,
            |group| requested.groups.iter().any(|member| member == group),
            requested.namespace,
        )?;
        class.check_values(Some(&user), requested.values)?;
        Ok(self.identity_of_class(class, Some(&user), requested.namespace, requested.values))
    }

    /// Derives an existing identity from the rules of today. Everything is checked again except membership in groups, which was
    /// proven only when the identity was requested.
    ///
    /// # Errors
    /// A class that does not exist or needs other values; a user or namespace that it is not for.
    pub fn rederive_identity(
        &self,
        namespace: &str,
        class: &str,
        values: &BTreeMap<Per, String>,
    ) -> Result<DerivedIdentity, Refusal> {
        let class = self
            .class(class)
            .ok_or_else(|| self.refuse_unknown_class(class))?;
        let user = values
            .get(&Per::User)
            .and_then(|user| User::exact(user).ok());
        // Groups, and the requester of an identity that is not per user, are known only during a request.
        match &user {
            Some(user) => self.check_entitled(class, user, |_| true, namespace)?,
            None => self.check_namespace(class, None, namespace)?,
        }
        class.check_values(user.as_ref(), values)?;
        Ok(self.identity_of_class(class, user.as_ref(), namespace, values))
    }

    fn identity_of_class(
        &self,
        class: &Class,
        user: Option<&User>,
        namespace: &str,
        values: &BTreeMap<Per, String>,
    ) -> DerivedIdentity {
        let name = self.identity_name(namespace, &class.name, values);
        // A pin is for the person: an identity of one flow, or a shared one, has its own GSA.
        let pin = user
            .and_then(|user| self.model.pins.get(user))
            .filter(|_| class.is_personal());
        let email = || {
            pin.map_or_else(
                || gsa_email(name.as_str(), &class.project),
                |pin| pin.email().to_owned(),
            )
        };
        DerivedIdentity {
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
            bind_by: class.lifecycle.bind_by,
            grants: class
                .grants
                .iter()
                .map(|grant| grant.with_key(name.key()))
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
