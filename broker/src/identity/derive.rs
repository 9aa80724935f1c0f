//! From the rules to an Identity: everything about it comes from the broker's own copy of the rules. Pure.

use std::collections::BTreeMap;

use kube::ResourceExt;
use namesake_api::{BindBy, Grant, Identity, IdentitySpec, Mode};
use namesake_core::{GrantTarget, IdentityName, Per, Reason, Refusal, Rules, WhenFull};

use crate::api::Ask;

/// An Identity as the rules want it.
#[derive(Clone, Debug, PartialEq)]
pub struct Derived {
    /// Name of Identity, KSA and GSA.
    pub name: String,
    /// What it is.
    pub spec: IdentitySpec,
}

/// The identity that is asked for, if this user may have it.
///
/// # Errors
/// As [`Rules::derive_identity`]; a key of `values` that the rules do not know.
pub fn identity(rules: &Rules, ask: &Ask) -> Result<Derived, Refusal> {
    let values = ask.values.iter().map(|(key, value)| match Per::parse(key) {
        Some(per) => Ok((per, value.clone())),
        None => Err(Refusal {
            rule: None,
            reason: Reason::WrongValues,
            message: format!(
                "values: {key:?} is no key of per: it may be user, project, flow or step"
            ),
        }),
    });
    let values: BTreeMap<Per, String> = values.collect::<Result<_, _>>()?;
    let granted = rules.derive_identity(&namesake_core::RequestedIdentity {
        namespace: &ask.namespace,
        class: &ask.class,
        user: &ask.user,
        groups: &ask.groups,
        values: &values,
    })?;
    Ok(Derived {
        name: granted.name.to_string(),
        spec: spec(rules, granted),
    })
}

/// What the rules make of an Identity that is there today; whether it is suspended stays an admin's to say.
///
/// # Errors
/// As [`Rules::rederive_identity`].
pub fn again(rules: &Rules, there: &Identity) -> Result<IdentitySpec, Refusal> {
    let known = |(key, value): (&String, &String)| Some((Per::parse(key)?, value.clone()));
    let values: BTreeMap<Per, String> = there.spec.values.iter().filter_map(known).collect();
    let namespace = there.namespace().unwrap_or_default();
    let granted = rules.rederive_identity(&namespace, &there.spec.class, &values)?;
    Ok(IdentitySpec {
        suspended: there.spec.suspended,
        ..as_before(rules, &there.spec, spec(rules, granted))
    })
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
        fallen_over: false,
        grants: (granted.grants.into_iter())
            .map(|granted| grant(granted, account.as_ref()))
            .collect(),
        role_bindings: granted.role_bindings,
        image_pull_secrets: granted.image_pull_secrets,
        key: granted.key,
    }
}

/// Every grant that an identity of this name could have had, by the classes of today.
#[must_use]
pub fn all_grants(rules: &Rules, name: &str) -> Vec<Grant> {
    let key = name.strip_prefix("mf-").unwrap_or(name);
    let all = rules.grants_of_key(key).into_iter();
    all.map(|granted| grant(granted, None)).collect()
}

fn grant(granted: namesake_core::Grant, account: Option<&String>) -> Grant {
    let role = granted.role;
    let on = |bucket| Grant {
        role: String::new(),
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

/// The same identity without a GSA, because its project has no room for one. None when the class does not allow that, or it
/// needs no GSA of its own anyway.
#[must_use]
pub fn fallen_over(rules: &Rules, spec: &IdentitySpec) -> Option<IdentitySpec> {
    let may = rules.when_full(&spec.class) == Some(WhenFull::Direct);
    let needs = spec.mode == Mode::Impersonate && !spec.pinned;
    (may && needs).then(|| IdentitySpec {
        mode: Mode::Direct,
        google_service_account: None,
        fallen_over: true,
        ..spec.clone()
    })
}

/// What is derived for an Identity that is there: one that fell over stays so, while its class allows it.
#[must_use]
pub fn as_before(rules: &Rules, there: &IdentitySpec, derived: IdentitySpec) -> IdentitySpec {
    let again = there.fallen_over.then(|| fallen_over(rules, &derived));
    again.flatten().unwrap_or(derived)
}

/// Whether an Identity has the name that its spec derives: one that was written by hand under another name is nobody's.
#[must_use]
pub fn is_derived(identity: &Identity) -> bool {
    let spec = &identity.spec;
    let values = spec
        .values
        .iter()
        .map(|(key, value)| Some((Per::parse(key)?, value.clone())));
    let Some(values) = values.collect::<Option<BTreeMap<_, _>>>() else {
        return false;
    };
    let namespace = identity.namespace().unwrap_or_default();
    let name = IdentityName::derive(&spec.stack, &spec.cluster, &namespace, &spec.class, &values);
    name.as_str() == identity.name_any()
        && name.key() == spec.key
        && spec
            .values
            .get(Per::User.as_str())
            .map_or("", String::as_str)
            == spec.user
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    #[test]
    fn the_rules_alone_say_project_account_and_grants() {
        let derived = identity(&fixtures::rules(), &fixtures::ask()).unwrap();
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
    fn an_identity_falls_over_only_where_its_class_allows_it_and_stays_so() {
        let strict = fixtures::rules();
        let text = fixtures::RULES.replace("  per: [user]", "  per: [user]\n  whenFull: direct");
        let source = namesake_core::Source {
            file: "rules.yaml",
            text: &text,
        };
        let loose = Rules::parse(&[source]).unwrap();
        let derived = identity(&loose, &fixtures::ask()).unwrap().spec;
        assert_eq!(fallen_over(&strict, &derived), None);
        let fallen = fallen_over(&loose, &derived).unwrap();
        assert_eq!(
            (fallen.mode, &fallen.google_service_account),
            (Mode::Direct, &None)
        );
        assert_eq!(
            (&fallen.key, &fallen.grants),
            (&derived.key, &derived.grants)
        );
        assert_eq!(as_before(&loose, &fallen, derived.clone()), fallen);
        assert_eq!(as_before(&strict, &fallen, derived.clone()), derived);
        assert_eq!(as_before(&loose, &derived, derived.clone()), derived);
        let pinned = IdentitySpec {
            pinned: true,
            ..derived
        };
        assert_eq!(fallen_over(&loose, &pinned), None);
    }

    #[test]
    fn an_identity_under_another_name_or_user_is_not_derived() {
        let derived = identity(&fixtures::rules(), &fixtures::ask()).unwrap();
        let made =
            crate::identity::objects::identity("research", &derived.name, derived.spec.clone());
        assert!(is_derived(&made));
        let elsewhere =
            crate::identity::objects::identity("prod", &derived.name, derived.spec.clone());
        assert!(!is_derived(&elsewhere));
        let mut other = made.clone();
        other.spec.user = "bob@acme.com".into();
        assert!(!is_derived(&other));
    }

    #[test]
    fn an_identity_edited_by_hand_is_derived_as_before_but_stays_suspended() {
        let derived = identity(&fixtures::rules(), &fixtures::ask()).unwrap();
        let mut edited =
            crate::identity::objects::identity("research", &derived.name, derived.spec.clone());
        edited.spec.grants[0].role = "roles/owner".into();
        edited.spec.google_service_account =
            Some("root@acme-identities.iam.gserviceaccount.com".into());
        edited.spec.suspended = true;
        let again = again(&fixtures::rules(), &edited).unwrap();
        assert!(again.suspended);
        assert_eq!(
            IdentitySpec {
                suspended: false,
                ..again
            },
            derived.spec
        );
    }

    #[test]
    fn what_the_rules_do_not_give_is_refused() {
        let mut ask = fixtures::ask();
        ask.user = "eve@elsewhere.com".into();
        ask.values.insert("user".into(), ask.user.clone());
        assert_eq!(
            identity(&fixtures::rules(), &ask).unwrap_err().reason,
            Reason::NotEntitled
        );
        let mut ask = fixtures::ask();
        ask.values.insert("colour".into(), "red".into());
        assert_eq!(
            identity(&fixtures::rules(), &ask).unwrap_err().reason,
            Reason::WrongValues
        );
    }
}
