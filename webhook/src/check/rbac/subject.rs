//! Whom RBAC gives rights to, and who of them is expected to have any. Pure.

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
/// Groups that everybody is in, or becomes a member of by himself.
const EVERYBODY: [&str; 2] = ["system:authenticated", "system:unauthenticated"];
const ANONYMOUS: &str = "system:anonymous";
/// Prefix of `--trust` for groups, and for webhook configurations.
const GROUP: &str = "group:";

/// A subject of a binding. An account is the same by each of its two names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// As the API server names it.
    User(String),
    /// As the API server names it.
    Group(String),
    /// Namespace and name.
    Account(String, String),
}

/// Why somebody is expected to have such rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Trust {
    /// May `administer` Identities in the whole cluster, or is an admin of the rules.
    Admin,
    /// One of Namesake's two accounts.
    Namesake,
    /// A part of the cluster itself.
    Cluster,
    /// A carrier, which makes the pods of others.
    Carrier,
    /// The caller said so.
    Listed,
}

impl Trust {
    /// As the report says it.
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
    /// Reads a subject of a binding; of a kind that RBAC does not know, none. `home` is the binding's namespace.
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

    /// By the name that the API server has for it.
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

    /// The name that the API server has for it.
    #[must_use]
    pub fn api_name(&self) -> String {
        match self {
            Self::User(name) | Self::Group(name) => name.clone(),
            Self::Account(namespace, name) => format!("{ACCOUNT}{namespace}:{name}"),
        }
    }

    /// The groups that a service account is in; of others only the identity provider knows.
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

    /// Whether it is everybody, or every account: whom no binding makes an admin.
    fn is_everybody(&self) -> bool {
        match self {
            Self::User(name) => name == ANONYMOUS,
            Self::Group(name) => EVERYBODY.contains(&name.as_str()) || name.starts_with(ACCOUNTS),
            Self::Account(..) => false,
        }
    }

    /// A program's own account, or all accounts of one namespace: what a person is not, and what stops working without its rights.
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
            // Names that begin so are the API server's to give.
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

/// Who is expected to have rights.
#[derive(Clone, Debug, Default)]
pub(in crate::check) struct Trusted<'a> {
    /// Our own namespace.
    pub(in crate::check) home: &'a str,
    /// The rules in force, if they could be read.
    pub(in crate::check) rules: Option<&'a Rules>,
    /// Who may `administer` Identities in the whole cluster.
    pub(in crate::check) administer: BTreeSet<Subject>,
    /// Carriers of the rules: they make the pods of others, wherever their parents are.
    pub(in crate::check) carriers: BTreeSet<Subject>,
    /// Namespaces that are opted in: whoever may make pods there is any account of it.
    pub(in crate::check) opted_in: BTreeSet<String>,
    /// Globs over names, `group:` before those of groups.
    pub(in crate::check) listed: &'a [String],
}

impl Trusted<'_> {
    /// Why somebody is expected to have such rights; none: nobody said so.
    #[must_use]
    pub(in crate::check) fn why(&self, subject: &Subject) -> Option<Trust> {
        let ours = [
            names::WEBHOOK_SERVICE_ACCOUNT,
            names::BROKER_SERVICE_ACCOUNT,
        ];
        let is_inside =
            matches!(subject, Subject::Account(namespace, _) if self.opted_in.contains(namespace));
        if self.is_listed(subject) {
            Some(Trust::Listed)
        } else if matches!(subject, Subject::Account(namespace, name) if namespace == self.home && ours.contains(&name.as_str()))
        {
            Some(Trust::Namesake)
        } else if subject.is_of_cluster() && !is_inside {
            Some(Trust::Cluster)
        } else if self.is_admin(subject) && !is_inside && !subject.is_everybody() {
            Some(Trust::Admin)
        } else {
            None
        }
    }

    /// Whether somebody is a carrier, and lives where carriers may.
    pub(in crate::check) fn carries(&self, subject: &Subject) -> bool {
        let is_inside =
            matches!(subject, Subject::Account(namespace, _) if self.opted_in.contains(namespace));
        self.carriers.contains(subject) && !is_inside
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
    fn an_account_is_the_same_by_both_of_its_names() {
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
    fn the_clusters_own_admins_and_our_two_accounts_are_expected_to_have_rights() {
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
    fn nobody_else_is_and_neither_is_everybody_nor_who_lives_among_users() {
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
    fn whom_the_caller_names_is_trusted_and_a_group_is_no_user() {
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
