//! Rules and pods that the tests of several modules use.

use crate::{Claims, Groups, Launcher, PodAttributes, Requester, Rules, Source, User};

/// Text of `testdata/example.yaml`.
pub(crate) const EXAMPLE: &str = include_str!("../../../testdata/example.yaml");
/// Text of `testdata/everything.yaml`.
pub(crate) const EVERYTHING: &str = include_str!("../../../testdata/everything.yaml");

/// Rules of `testdata/everything.yaml`.
pub(crate) fn everything() -> Rules {
    rules(EVERYTHING)
}

/// Rules of `testdata/example.yaml`.
pub(crate) fn example() -> Rules {
    rules(EXAMPLE)
}

pub(crate) fn rules(text: &str) -> Rules {
    Rules::parse(&[Source {
        file: "rules.yaml",
        text,
    }])
    .unwrap_or_else(|errors| panic!("{errors}"))
}

pub(crate) fn user(name: &str) -> User {
    User::exact(name).unwrap()
}

/// The recorded groups of a requester who is in these groups.
pub(crate) fn groups(rules: &Rules, groups: &[&str]) -> Groups {
    rules.mentioned_groups(
        &groups
            .iter()
            .map(|group| (*group).to_owned())
            .collect::<Vec<_>>(),
    )
}

/// A pod of a Job in namespace `research` that claims nothing.
pub(crate) fn pod_attributes<'a>(user: &'a User, groups: &'a Groups) -> PodAttributes<'a> {
    let claims = Claims {
        flow: None,
        step: None,
        project: None,
        labels: &|_| None,
    };
    PodAttributes {
        user,
        groups,
        namespace: "research",
        launcher: Launcher::Job,
        claims,
    }
}

/// A requester with a credential id and without groups.
pub(crate) fn requester(username: &str) -> Requester {
    Requester {
        username: username.to_owned(),
        groups: Vec::new(),
        has_credential_id: true,
    }
}
