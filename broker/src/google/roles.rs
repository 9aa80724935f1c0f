//! The roles that this broker may grant, by its own configuration. The rules choose among them and cannot add any.

use std::fmt;
use std::str::FromStr;

use namesake_api::{Grant, IdentitySpec, names};
use namesake_core::Glob;

/// Prefix of a role that may be granted on the identity's own GSA only.
const ON_ITSELF: &str = "self:";

/// Patterns of roles, which match whole names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedRoles(Vec<Glob>);

impl Default for AllowedRoles {
    fn default() -> Self {
        Self::of(names::ALLOWED_ROLES)
    }
}

impl AllowedRoles {
    fn of(text: &str) -> Self {
        Self(words(text).map(Glob::new).collect())
    }

    fn allow(&self, grant: &Grant) -> bool {
        let (entry, on_itself) = (entry(grant), grant.service_account.is_some());
        let of_kind = |glob: &&Glob| glob.as_str().starts_with(ON_ITSELF) == on_itself;
        let mut globs = self.0.iter().filter(of_kind);
        globs.any(|glob| glob.matches(&entry))
    }

    /// Why the broker may not grant everything that the spec asks for: the first such grant, and what to do.
    #[must_use]
    pub fn refusal(&self, spec: &IdentitySpec) -> Option<String> {
        let grants = spec.grants.iter().filter(|_| !spec.pinned);
        let mut foreign = grants.clone().filter(|grant| {
            grant.service_account.is_some() && grant.service_account != spec.google_service_account
        });
        if let Some(grant) = foreign.next() {
            return Some(format!(
                "class {} grants {} on {}, which is not this identity's own Google service account: delete this Identity, and the broker will create it again",
                spec.class,
                grant.role,
                grant.service_account.as_deref().unwrap_or_default()
            ));
        }
        let grant = grants.into_iter().find(|grant| !self.allow(grant))?;
        let (class, role) = (&spec.class, &grant.role);
        let (entry, on) = (entry(grant), target(grant));
        Some(format!(
            "class {class} grants {role} on {on}, and this broker may not grant that role: remove the grant from the rules (identities, {class}, grants), or, if it is intended, add {entry} to {} of Deployment {}",
            names::ENV_ALLOWED_ROLES,
            names::BROKER_SERVICE_ACCOUNT
        ))
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
}

/// The pattern that allows exactly this grant's role.
fn entry(grant: &Grant) -> String {
    let prefix = grant.service_account.as_ref().map_or("", |_| ON_ITSELF);
    format!("{prefix}{}", grant.role)
}

fn target(grant: &Grant) -> String {
    let Grant {
        project,
        bucket,
        folder,
        prefix,
        service_account,
        ..
    } = grant;
    if service_account.is_some() {
        return "the account itself".to_owned();
    }
    match (project, bucket, folder.as_ref().or(prefix.as_ref())) {
        (Some(project), ..) => format!("project {project}"),
        (_, Some(bucket), Some(inner)) => format!("{inner} in bucket {bucket}"),
        (_, bucket, _) => format!("bucket {}", bucket.as_deref().unwrap_or_default()),
    }
}

impl FromStr for AllowedRoles {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_role = |word: &str| {
            let word = word.strip_prefix(ON_ITSELF).unwrap_or(word);
            let legal = |c: char| c.is_ascii_alphanumeric() || "/._-*".contains(c);
            word.contains("roles/") && word.chars().all(legal)
        };
        match words(text).find(|word| !is_role(word)) {
            Some(word) => Err(format!(
                "{word:?} is not a pattern of roles: write roles/NAME, projects/P/roles/NAME or organizations/N/roles/NAME, with * for any characters, and self: before a role on the account itself"
            )),
            None => Ok(Self::of(text)),
        }
    }
}

impl fmt::Display for AllowedRoles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<_> = self.0.iter().map(Glob::as_str).collect();
        f.write_str(&all.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(grant: Grant) -> IdentitySpec {
        IdentitySpec {
            grants: vec![grant],
            ..crate::fixtures::identity().spec
        }
    }

    fn on_project(role: &str) -> IdentitySpec {
        spec(Grant {
            role: role.into(),
            project: Some("acme".into()),
            ..Grant::default()
        })
    }

    fn on_account(role: &str, email: Option<String>) -> IdentitySpec {
        spec(Grant {
            role: role.into(),
            service_account: email,
            ..Grant::default()
        })
    }

    #[test]
    fn roles_that_give_more_than_a_user_needs_are_not_granted_by_default() {
        let allowed = AllowedRoles::default();
        assert_eq!(allowed.refusal(&crate::fixtures::identity().spec), None);
        for role in [
            "roles/owner",
            "roles/editor",
            "roles/storage.admin",
            "roles/iam.serviceAccountTokenCreator",
            "roles/iam.serviceAccountUser",
            "projects/acme/roles/mine",
        ] {
            assert!(allowed.refusal(&on_project(role)).is_some(), "{role}");
        }
    }

    #[test]
    fn a_refusal_names_role_and_class_and_where_to_allow_it() {
        let message = AllowedRoles::default()
            .refusal(&on_project("roles/owner"))
            .unwrap();
        for part in [
            "roles/owner",
            "class research",
            "project acme",
            "NAMESAKE_ALLOWED_ROLES",
            "namesake-broker",
        ] {
            assert!(message.contains(part), "{part}: {message}");
        }
    }

    #[test]
    fn a_pattern_matches_whole_names() {
        let allowed: AllowedRoles = "roles/big*, projects/acme/roles/*".parse().unwrap();
        assert_eq!(allowed.refusal(&on_project("roles/bigquery.user")), None);
        assert_eq!(
            allowed.refusal(&on_project("projects/acme/roles/mine")),
            None
        );
        assert!(
            allowed
                .refusal(&on_project("projects/other/roles/big"))
                .is_some()
        );
        assert!(
            allowed
                .refusal(&on_project("roles/xbigquery.user"))
                .is_some()
        );
    }

    #[test]
    fn a_role_on_the_own_account_is_allowed_there_only() {
        let allowed = AllowedRoles::default();
        let signer = "roles/iam.serviceAccountTokenCreator";
        let own = crate::fixtures::identity().spec.google_service_account;
        assert_eq!(allowed.refusal(&on_account(signer, own.clone())), None);
        assert!(
            allowed
                .refusal(&on_account("roles/storage.objectUser", own))
                .is_some()
        );
        let message = allowed
            .refusal(&on_account(signer, Some("root@acme".into())))
            .unwrap();
        assert!(message.contains("not this identity's own"), "{message}");
    }

    #[test]
    fn patterns_that_are_not_roles_are_refused_and_others_print_as_they_parse() {
        for text in ["owner", "roles/a b", "roles/x;roles/y", "self:owner"] {
            assert!(text.parse::<AllowedRoles>().is_err(), "{text}");
        }
        let default = AllowedRoles::default();
        assert_eq!(default.to_string().parse(), Ok(default));
    }
}
