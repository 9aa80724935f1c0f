//! Subjects of RBAC, and which of them are expected to have rights. Pure.

use std::collections::BTreeSet;
use std::fmt;

use k8s_openapi::api::rbac::v1::Subject as Listed;
use namesake_api::names;
use namesake_core::{Glob, Requester, Rules};
use serde::Serialize;

/// How the API server names service accounts and their groups.
const ACCOUNT: &str = "system:serviceaccount:";
const ACCOUNTS: &str = "system:serviceaccounts";
const CLUSTER: &str = "kube-system";
/// Groups of everybody.
const EVERYBODY: [&str; 2] = ["system:authenticated", "system:unauthenticated"];
const ANONYMOUS: &str = "system:anonymous";
/// Prefix of `--trust` for groups, and for webhook configurations.
const GROUP: &str = "group:";

/// A subject of a binding. A service account has two names, and is the same subject by both.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A user, as the API server names it.
    User(String),
    /// A group, as the API server names it.
    Group(String),
    /// A service account: namespace and name.
    Account(String, String),
}

/// Why a subject is expected to have rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Trust {
    /// Is allowed to `administer` Identities in the whole cluster, or is an admin of the rules.
    Admin,
    /// One of Namesake's two accounts.
    Namesake,
    /// A component of Kubernetes.
    Cluster,
    /// A carrier: a trusted controller, which creates the pods of others.
    Carrier,
    /// Given by `--trust`.
    Listed,
}

impl Trust {
    /// As in the report.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admins",
            Self::Namesake => "Namesake",
            Self::Cluster => "the cluster's own",
            Self::Carrier => "carriers",
            Self::Listed => "by --trust",
        }
    }
}

impl Subject {
    /// A subject of a binding in namespace `home`; `None` if its kind is unknown.
    #[must_use]
    pub fn of(listed: &Listed, home: Option<&str>) -> Option<Subject> {
        match listed.kind.as_str() {
            "User" => Some(Self::user(&listed.name)),
            "Group" => Some(Self::Group(listed.name.clone())),
            "ServiceAccount" => {
                let namespace = listed.namespace.as_deref().or(home)?;
                Some(Self::Account(namespace.to_owned(), listed.name.clone()))
            }
            _ => None,
        }
    }

    /// The subject that the API server names so.
    #[must_use]
    pub fn user(name: &str) -> Subject {
        let account = name
            .strip_prefix(ACCOUNT)
            .and_then(|rest| rest.split_once(':'));
        match account {
            Some((namespace, name)) => Self::Account(namespace.to_owned(), name.to_owned()),
            None => Self::User(name.to_owned()),
        }
    }

    /// Its name in the API server.
    #[must_use]
    pub fn api_name(&self) -> String {
        match self {
            Self::User(name) | Self::Group(name) => name.clone(),
            Self::Account(namespace, name) => format!("{ACCOUNT}{namespace}:{name}"),
        }
    }

    /// The groups of a service account; those of others only the identity provider knows.
    #[must_use]
    pub fn groups(&self) -> Vec<Subject> {
        match self {
            Self::Account(namespace, _) => {
                [EVERYBODY[0], ACCOUNTS, &format!("{ACCOUNTS}:{namespace}")]
                    .map(|group| Self::Group(group.to_owned()))
                    .to_vec()
            }
            Self::User(_) | Self::Group(_) => Vec::new(),
        }
    }

    /// Whether it is the group of all users, or of all accounts: no binding makes those admins.
    fn is_everybody(&self) -> bool {
        match self {
            Self::User(name) => name == ANONYMOUS,
            Self::Group(name) => EVERYBODY.contains(&name.as_str()) || name.starts_with(ACCOUNTS),
            Self::Account(..) => false,
        }
    }

    /// Whether it is a program (a service account, or all accounts of one namespace), which stops working without its rights.
    pub(in crate::check) fn is_program(&self) -> bool {
        match self {
            Self::Account(..) => true,
            Self::Group(name) => name
                .strip_prefix(ACCOUNTS)
                .is_some_and(|rest| rest.starts_with(':')),
            Self::User(_) => false,
        }
    }

    /// The namespace of a program.
    pub(in crate::check) fn namespace(&self) -> Option<&str> {
        match self {
            Self::Account(namespace, _) => Some(namespace),
            Self::Group(name) => name.strip_prefix(ACCOUNTS)?.strip_prefix(':'),
            Self::User(_) => None,
        }
    }

    fn is_of_cluster(&self) -> bool {
        match self {
            // Only the API server assigns names with this prefix.
            Self::User(name) => name.starts_with("system:") && name != ANONYMOUS,
            Self::Group(name) => {
                ["system:masters", "system:nodes"].contains(&name.as_str())
                    || name.strip_prefix(ACCOUNTS) == Some(&format!(":{CLUSTER}"))
            }
            Self::Account(namespace, _) => namespace == CLUSTER,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => write!(f, "User {name}"),
            Self::Group(name) => write!(f, "Group {name}"),
            Self::Account(namespace, name) => write!(f, "ServiceAccount {namespace}/{name}"),
        }
    }
}

/// Subjects that are expected to have rights.
#[derive(Clone, Debug, Default)]
pub(in crate::check) struct Trusted<'a> {
    /// Our own namespace.
    pub(in crate::check) home: &'a str,
    /// The namespaces of the other stacks of the cluster.
    pub(in crate::check) other_homes: BTreeSet<String>,
    /// The rules in force, if they could be read.
    pub(in crate::check) rules: Option<&'a Rules>,
    /// Subjects that are allowed to `administer` Identities in the whole cluster.
    pub(in crate::check) administer: BTreeSet<Subject>,
    /// Carriers of the rules: they create the pods of others, wherever their parents are.
    pub(in crate::check) carriers: BTreeSet<Subject>,
    /// Namespaces that are opted in: whoever can create pods there can act as any of its accounts.
    pub(in crate::check) opted_in: BTreeSet<String>,
    /// Globs of names; those of groups have the prefix `group:`.
    pub(in crate::check) listed: &'a [String],
}

impl Trusted<'_> {
    /// Why a subject is expected to have rights; `None` if it is not.
    #[must_use]
    pub(in crate::check) fn why(&self, subject: &Subject) -> Option<Trust> {
        let ours = [
            names::WEBHOOK_SERVICE_ACCOUNT,
            names::BROKER_SERVICE_ACCOUNT,
        ];
        if self.is_listed(subject) {
            Some(Trust::Listed)
        } else if matches!(subject, Subject::Account(namespace, name) if (namespace == self.home || self.other_homes.contains(namespace)) && ours.contains(&name.as_str()))
        {
            Some(Trust::Namesake)
        } else if subject.is_of_cluster() && !self.is_inside(subject) {
            Some(Trust::Cluster)
        } else if self.is_admin(subject) && !self.is_inside(subject) && !subject.is_everybody() {
            Some(Trust::Admin)
        } else {
            None
        }
    }

    /// Whether it is an account of an opted-in namespace.
    pub(in crate::check) fn is_inside(&self, subject: &Subject) -> bool {
        matches!(subject, Subject::Account(namespace, _) if self.opted_in.contains(namespace))
    }

    /// Whether a subject is a carrier outside opted-in namespaces.
    pub(in crate::check) fn is_carrier(&self, subject: &Subject) -> bool {
        self.carriers.contains(subject) && !self.is_inside(subject)
    }

    fn is_listed(&self, subject: &Subject) -> bool {
        let name = subject.api_name();
        self.listed
            .iter()
            .any(|listed| match (listed.strip_prefix(GROUP), subject) {
                (Some(group), Subject::Group(_)) => Glob::new(group).matches(&name),
                (None, Subject::User(_) | Subject::Account(..)) => Glob::new(listed).matches(&name),
                _ => false,
            })
    }

    fn is_admin(&self, subject: &Subject) -> bool {
        let of_rules = |rules: &Rules| match subject {
            Subject::Group(group) => rules.is_admin_group(group),
            _ => rules.is_admin(&Requester {
                username: subject.api_name(),
                groups: Vec::new(),
                has_credential_id: true,
            }),
        };
        self.administer.contains(subject) || self.rules.is_some_and(of_rules)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trusted(listed: &[String]) -> Trusted<'_> {
        Trusted {
            home: "namesake-system",
            other_homes: BTreeSet::from(["namesake-system-blue".to_owned()]),
            administer: [
                "ops@acme.com",
                "system:serviceaccount:flux:apply",
                "system:serviceaccount:research:bot",
            ]
            .map(Subject::user)
            .into_iter()
            .chain([
                Subject::Group("system:authenticated".into()),
                Subject::Group("ops".into()),
            ])
            .collect(),
            opted_in: BTreeSet::from(["research".to_owned()]),
            listed,
            ..Trusted::default()
        }
    }

    #[test]
    fn an_account_is_the_same_subject_by_both_of_its_names() {
        let listed = |kind: &str, name: &str, namespace: Option<&str>| Listed {
            kind: kind.into(),
            name: name.into(),
            namespace: namespace.map(str::to_owned),
            api_group: None,
        };
        let account = Subject::Account("ci".into(), "runner".into());
        for one in [
            Subject::of(
                &listed("User", "system:serviceaccount:ci:runner", None),
                None,
            ),
            Subject::of(
                &listed("ServiceAccount", "runner", Some("ci")),
                Some("other"),
            ),
            Subject::of(&listed("ServiceAccount", "runner", None), Some("ci")),
        ] {
            assert_eq!(one.as_ref(), Some(&account));
        }
        assert_eq!(Subject::of(&listed("Robot", "r2", None), None), None);
        assert_eq!(account.api_name(), "system:serviceaccount:ci:runner");
    }

    #[test]
    fn kubernetes_admins_and_namesakes_accounts_are_expected_to_have_rights() {
        let none: Vec<String> = Vec::new();
        let all = trusted(&none);
        let user = |name: &str| all.why(&Subject::user(name));
        let group = |name: &str| all.why(&Subject::Group(name.into()));
        assert_eq!(user("system:kube-controller-manager"), Some(Trust::Cluster));
        assert_eq!(
            user("system:serviceaccount:kube-system:job-controller"),
            Some(Trust::Cluster)
        );
        assert_eq!(group("system:masters"), Some(Trust::Cluster));
        assert_eq!(
            group("system:serviceaccounts:kube-system"),
            Some(Trust::Cluster)
        );
        assert_eq!(
            user("system:serviceaccount:namesake-system:namesake-broker"),
            Some(Trust::Namesake)
        );
        assert_eq!(user("ops@acme.com"), Some(Trust::Admin));
        assert_eq!(group("ops"), Some(Trust::Admin));
        assert_eq!(user("system:serviceaccount:flux:apply"), Some(Trust::Admin));
    }

    #[test]
    fn others_and_accounts_in_opted_in_namespaces_are_not_expected_to_have_rights() {
        let none: Vec<String> = Vec::new();
        let all = trusted(&none);
        for name in [
            "mallory@acme.com",
            "system:anonymous",
            "system:serviceaccount:namesake-system:other",
            "system:serviceaccount:research:bot",
            "system:serviceaccount:elsewhere:namesake-webhook",
        ] {
            assert_eq!(all.why(&Subject::user(name)), None, "{name}");
        }
        for name in [
            "devs",
            "system:authenticated",
            "system:unauthenticated",
            "system:serviceaccounts",
            "system:serviceaccounts:flux",
        ] {
            assert_eq!(all.why(&Subject::Group(name.into())), None, "{name}");
        }
    }

    #[test]
    fn subjects_given_by_trust_are_expected_to_have_rights_and_a_group_is_not_a_user() {
        let listed = [
            "mallory@*".to_owned(),
            "group:devs".to_owned(),
            "system:serviceaccount:argo:*".to_owned(),
        ];
        let all = trusted(&listed);
        for subject in [
            Subject::user("mallory@acme.com"),
            Subject::Group("devs".into()),
            Subject::user("system:serviceaccount:argo:argo"),
        ] {
            assert_eq!(all.why(&subject), Some(Trust::Listed), "{subject}");
        }
        assert_eq!(all.why(&Subject::user("devs")), None);
        assert_eq!(all.why(&Subject::Group("mallory@acme.com".into())), None);
    }
}
