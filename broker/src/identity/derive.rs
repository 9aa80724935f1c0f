//! From the rules to an Identity: everything about it comes from the broker's own copy of the rules. Pure.

use std::collections::BTreeMap;

use kube::ResourceExt;
use namesake_api::broker_api::IdentityRequest;
use namesake_api::{BindBy, Grant, Identity, IdentitySpec, Mode};
use namesake_core::{GrantTarget, IdentityName, Per, Reason, Refusal, Rules, WhenFull};

/// An Identity as the rules derive it.
#[derive(Clone, Debug, PartialEq)]
pub struct Derived {
    /// Name of Identity, KSA and GSA.
    pub name: String,
    /// Its spec.
    pub spec: IdentitySpec,
}

/// The requested identity, if the user is entitled to it.
///
/// # Errors
/// As [`Rules::derive_identity`]; a key of `values` that the rules do not know.
pub fn identity(rules: &Rules, request: &IdentityRequest) -> Result<Derived, Refusal> {
    let values = parse_values(&request.values)?;
    let granted = rules.derive_identity(&namesake_core::RequestedIdentity {
        namespace: &request.namespace,
        class: &request.class,
        user: &request.user,
        groups: &request.groups,
        values: &values,
    })?;
    Ok(Derived {
        name: granted.name.to_string(),
        spec: spec(rules, granted),
    })
}

/// The spec that the rules derive today for an existing Identity. Whether it is suspended is up to an admin, and stays.
///
/// # Errors
/// As [`Rules::rederive_identity`].
pub fn rederive(rules: &Rules, existing: &Identity) -> Result<IdentitySpec, Refusal> {
    let values = parse_values(&existing.spec.values)?;
    let namespace = existing.namespace().unwrap_or_default();
    let granted = rules.rederive_identity(&namespace, &existing.spec.class, &values)?;
    Ok(IdentitySpec {
        suspended: existing.spec.suspended,
        ..keep_fallback(rules, &existing.spec, spec(rules, granted))
    })
}

fn parse_values(values: &BTreeMap<String, String>) -> Result<BTreeMap<Per, String>, Refusal> {
    let parse = |(key, value): (&String, &String)| match Per::parse(key) {
        Some(per) => Ok((per, value.clone())),
        None => Err(Refusal {
            rule: None,
            reason: Reason::WrongValues,
            message: format!(
                "values: {key:?} is not a key of per: use user, project, flow or step"
            ),
        }),
    };
    values.iter().map(parse).collect()
}

fn spec(rules: &Rules, granted: namesake_core::DerivedIdentity) -> IdentitySpec {
    let account = granted.google_service_account.clone();
    IdentitySpec {
        stack: rules.stack().to_owned(),
        cluster: rules.cluster().to_owned(),
        class: granted.class,
        user: granted
            .user
            .map(|user| user.to_string())
            .unwrap_or_default(),
        values: granted
            .values
            .into_iter()
            .map(|(per, value)| (per.as_str().to_owned(), value))
            .collect(),
        mode: match granted.mode {
            namesake_core::Mode::Impersonate => Mode::Impersonate,
            namesake_core::Mode::Direct => Mode::Direct,
        },
        project: granted.project,
        google_service_account: granted.google_service_account,
        pinned: granted.pinned,
        bind_by: match granted.bind_by {
            namesake_core::BindBy::Name => BindBy::Name,
            namesake_core::BindBy::Uid => BindBy::Uid,
        },
        suspended: false,
        fell_back_to_direct: false,
        grants: (granted.grants.into_iter())
            .map(|granted| grant(granted, account.as_ref()))
            .collect(),
        role_bindings: granted.role_bindings,
        image_pull_secrets: granted.image_pull_secrets,
        key: granted.key,
    }
}

/// Every grant that an identity of this name could have had, by today's classes.
#[must_use]
pub fn all_grants(rules: &Rules, name: &str) -> Vec<Grant> {
    let key = name.strip_prefix("mf-").unwrap_or(name);
    let all = rules.grants_of_key(key).into_iter();
    all.map(|granted| grant(granted, None)).collect()
}

fn grant(granted: namesake_core::Grant, account: Option<&String>) -> Grant {
    let role = granted.role;
    let on = |bucket| Grant {
        bucket: Some(bucket),
        ..Grant::default()
    };
    let grant = match granted.on {
        GrantTarget::Folder { bucket, folder } => Grant {
            folder: Some(folder),
            ..on(bucket)
        },
        GrantTarget::Prefix { bucket, prefix } => Grant {
            prefix: Some(prefix),
            ..on(bucket)
        },
        GrantTarget::Bucket { bucket } => on(bucket),
        GrantTarget::Project { project } => Grant {
            project: Some(project),
            ..Grant::default()
        },
        GrantTarget::OwnServiceAccount => Grant {
            service_account: account.cloned(),
            ..Grant::default()
        },
    };
    Grant { role, ..grant }
}

/// The same identity without a GSA, because its project has no room for one. `None` if the class does not allow that, or the
/// identity needs no GSA of its own anyway.
#[must_use]
pub fn direct_fallback(rules: &Rules, spec: &IdentitySpec) -> Option<IdentitySpec> {
    let is_allowed = rules.when_full(&spec.class) == Some(WhenFull::Direct);
    let needs_account = spec.mode == Mode::Impersonate && !spec.pinned;
    (is_allowed && needs_account).then(|| IdentitySpec {
        mode: Mode::Direct,
        google_service_account: None,
        fell_back_to_direct: true,
        ..spec.clone()
    })
}

/// The derived spec; that of an identity which fell back to mode direct stays in that mode, while its class allows it.
#[must_use]
pub fn keep_fallback(
    rules: &Rules,
    existing: &IdentitySpec,
    derived: IdentitySpec,
) -> IdentitySpec {
    let fallback = existing
        .fell_back_to_direct
        .then(|| direct_fallback(rules, &derived));
    fallback.flatten().unwrap_or(derived)
}

/// Whether an Identity has the name that its spec derives. Otherwise somebody wrote it by hand, and the broker ignores it.
#[must_use]
pub fn has_derived_name(identity: &Identity) -> bool {
    let spec = &identity.spec;
    let Ok(values) = parse_values(&spec.values) else {
        return false;
    };
    let namespace = identity.namespace().unwrap_or_default();
    let name = IdentityName::derive(&spec.stack, &spec.cluster, &namespace, &spec.class, &values);
    let user = spec.values.get(Per::User.as_str());
    name.as_str() == identity.name_any()
        && name.key() == spec.key
        && user.map_or("", String::as_str) == spec.user
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    #[test]
    fn project_account_and_grants_come_from_the_rules_alone() {
        let derived = identity(&fixtures::rules(), &fixtures::request()).unwrap();
        let spec = &derived.spec;
        assert_eq!(spec.project, "acme-identities");
        let email = format!("{}@acme-identities.iam.gserviceaccount.com", derived.name);
        assert_eq!(spec.google_service_account.as_deref(), Some(email.as_str()));
        assert_eq!(
            spec.grants[0].folder.as_deref(),
            Some(format!("users/{}/", spec.key).as_str())
        );
        assert_eq!(
            (spec.stack.as_str(), spec.user.as_str()),
            ("prod", "alice@acme.com")
        );
    }

    #[test]
    fn an_identity_falls_back_to_mode_direct_only_where_its_class_allows_it_and_stays_there() {
        let strict = fixtures::rules();
        let text = fixtures::RULES.replace("  per: [user]", "  per: [user]\n  whenFull: direct");
        let source = namesake_core::Source {
            file: "rules.yaml",
            text: &text,
        };
        let loose = Rules::parse(&[source]).unwrap();
        let derived = identity(&loose, &fixtures::request()).unwrap().spec;
        assert_eq!(direct_fallback(&strict, &derived), None);
        let fallback = direct_fallback(&loose, &derived).unwrap();
        assert_eq!(
            (fallback.mode, &fallback.google_service_account),
            (Mode::Direct, &None)
        );
        assert_eq!(
            (&fallback.key, &fallback.grants),
            (&derived.key, &derived.grants)
        );
        assert_eq!(keep_fallback(&loose, &fallback, derived.clone()), fallback);
        assert_eq!(keep_fallback(&strict, &fallback, derived.clone()), derived);
        assert_eq!(keep_fallback(&loose, &derived, derived.clone()), derived);
        let pinned = IdentitySpec {
            pinned: true,
            ..derived
        };
        assert_eq!(direct_fallback(&loose, &pinned), None);
    }

    #[test]
    fn an_identity_with_another_namespace_or_user_does_not_have_the_derived_name() {
        let derived = identity(&fixtures::rules(), &fixtures::request()).unwrap();
        let derived_identity =
            crate::identity::objects::identity("research", &derived.name, derived.spec.clone());
        assert!(has_derived_name(&derived_identity));
        let elsewhere =
            crate::identity::objects::identity("prod", &derived.name, derived.spec.clone());
        assert!(!has_derived_name(&elsewhere));
        let mut other = derived_identity.clone();
        other.spec.user = "bob@acme.com".into();
        assert!(!has_derived_name(&other));
    }

    #[test]
    fn an_identity_that_was_edited_by_hand_is_derived_as_before_and_stays_suspended() {
        let derived = identity(&fixtures::rules(), &fixtures::request()).unwrap();
        let mut edited =
            crate::identity::objects::identity("research", &derived.name, derived.spec.clone());
        edited.spec.grants[0].role = "roles/owner".into();
        edited.spec.google_service_account =
            Some("root@acme-identities.iam.gserviceaccount.com".into());
        edited.spec.suspended = true;
        let rederived = rederive(&fixtures::rules(), &edited).unwrap();
        assert!(rederived.suspended);
        assert_eq!(
            IdentitySpec {
                suspended: false,
                ..rederived
            },
            derived.spec
        );
    }

    #[test]
    fn a_user_without_the_class_and_an_unknown_value_are_refused() {
        let mut request = fixtures::request();
        request.user = "eve@elsewhere.com".into();
        request.values.insert("user".into(), request.user.clone());
        assert_eq!(
            identity(&fixtures::rules(), &request).unwrap_err().reason,
            Reason::NotEntitled
        );
        let mut request = fixtures::request();
        request.values.insert("colour".into(), "red".into());
        assert_eq!(
            identity(&fixtures::rules(), &request).unwrap_err().reason,
            Reason::WrongValues
        );
    }
}
