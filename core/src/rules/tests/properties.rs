//! Properties of generated rules: what is printed is read back unchanged, and reading never panics.

use proptest::{collection::vec, option, prelude::*, sample::subsequence};

use super::super::*;
use crate::{
    names::{Glob, Per},
    rules::{
        classes::Entitlement,
        model::{API_VERSION, KIND},
        pods::{Pods, Sidecar},
        users::{
            endpoints::{EndpointMode, Endpoints, Members},
            pins::Pin,
            trusted::{Admins, Carrier},
        },
        yaml::values,
    },
    user::User,
};

/// Names that YAML could read as something other than text.
const NAMES: [&str; 12] = [
    "research", "null", "true", "no", "on", "y", "1", "1e3", "0x1f", "12-34", "0o7", "e-1",
];
/// Globs over users; `*` alone needs quotes in YAML.
const USERS: [&str; 8] = [
    "*@acme.com",
    "*",
    "null",
    "~",
    "alice@acme.com",
    "#a",
    "-",
    "{1}",
];

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(&NAMES[..]).prop_map(str::to_owned)
}

fn user_glob() -> impl Strategy<Value = Glob> {
    let listed = prop::sample::select(&USERS[..]).prop_map(str::to_owned);
    let made = "[a-z!#$%&'+=?^_`{|}~:,\"-]{1,6}(\\*)?(@[a-z-]{1,5}(\\*)?)?";
    prop_oneof![listed, made].prop_filter_map("legal", |text| values::user_glob(&text).ok())
}

fn proven_glob() -> impl Strategy<Value = Glob> {
    user_glob().prop_filter("a proof", |glob| !glob.matches_everything())
}

fn word_glob() -> impl Strategy<Value = Glob> {
    prop_oneof!["[a-z0-9]{1,4}(\\*)?", Just("*".to_owned()), name()]
        .prop_map(|text| Glob::new(&text))
}

fn group() -> impl Strategy<Value = String> {
    prop_oneof!["[a-zA-Z:@'\"#{\\[!&|>%-]{1,8}", name()]
}

fn mapping() -> impl Strategy<Value = (Glob, Mapping)> {
    let claim = vec(user_glob(), 1..3).prop_map(|may_claim| Mapping::Claim {
        claim: "annotation:metaflow/user".to_owned(),
        may_claim,
    });
    prop_oneof![
        user_glob().prop_map(|requester| (requester, Mapping::Identical {})),
        Just((
            Glob::new("oidc:*"),
            Mapping::Template {
                user: "{1}".to_owned()
            }
        )),
        Just((
            Glob::new("*-*"),
            Mapping::Template {
                user: "a{2}.{1}@acme.com".to_owned()
            }
        )),
        claim.prop_map(|claim| (Glob::new("system:serviceaccount:ci:runner"), claim)),
    ]
}

fn grant() -> impl Strategy<Value = Grant> {
    let on = prop_oneof![
        "[a-z]{3,5}".prop_map(|bucket| GrantTarget::Bucket { bucket }),
        name()
            .prop_filter("a letter first", |name| name
                .starts_with(|c: char| c.is_ascii_lowercase()))
            .prop_map(|project| GrantTarget::Project { project }),
        ("[a-z]{3,5}", "([a-z0-9=@~]{1,4}/){1,2}").prop_map(|(bucket, prefix)| {
            GrantTarget::Prefix {
                bucket,
                prefix: prefix + "{key}/",
            }
        }),
        Just(GrantTarget::OwnServiceAccount),
        ("[0-9]{3,5}", "([!-)+-.0-9:-@A-Z^-z]{1,4}/){1,2}").prop_map(|(bucket, folder)| {
            GrantTarget::Folder {
                bucket,
                folder: folder.replace(['*', '?', '[', ']', '\\', '#', '.', '{', '}', '/'], "-")
                    + "{key}/",
            }
        }),
    ];
    ("(roles/[a-zA-Z.]{1,5}|organizations/1/roles/true)", on)
        .prop_map(|(role, on)| Grant { role, on })
}

fn lifecycle() -> impl Strategy<Value = Lifecycle> {
    let span = (1u64..5_000_000).prop_map(RulesDuration::of_minutes);
    let bind_by = prop_oneof![Just(BindBy::Name), Just(BindBy::Uid)];
    let foreign = prop_oneof![Just(ForeignMembers::Report), Just(ForeignMembers::Remove)];
    (option::of(span), bind_by, foreign).prop_map(|(idle_after, bind_by, foreign_members)| {
        Lifecycle {
            idle_after,
            bind_by,
            foreign_members,
        }
    })
}

fn class() -> impl Strategy<Value = Class> {
    let entitlement = (
        vec(user_glob(), 1..3),
        vec(group(), 0..2),
        option::of(vec(word_glob(), 1..3)),
    )
        .prop_map(|(users, groups, namespaces)| Entitlement {
            users,
            groups,
            namespaces,
        });
    let per = subsequence(vec![Per::User, Per::Project, Per::Flow, Per::Step], 1..4);
    let mode = prop_oneof![
        Just((Mode::Impersonate, WhenFull::Wait)),
        Just((Mode::Impersonate, WhenFull::Direct)),
        Just((Mode::Direct, WhenFull::Wait)),
    ];
    (
        entitlement,
        per,
        mode,
        vec(grant(), 0..3),
        vec(name(), 0..2),
        vec(name(), 0..2),
        lifecycle(),
    )
        .prop_map(
            |(
                entitlement,
                per,
                (mode, when_full),
                mut grants,
                role_bindings,
                image_pull_secrets,
                lifecycle,
            )| {
                let without = mode == Mode::Direct || when_full == WhenFull::Direct;
                grants.retain(|grant: &Grant| {
                    !(without && matches!(grant.on, GrantTarget::OwnServiceAccount))
                });
                Class {
                    name: String::new(),
                    entitlement,
                    per: per.into_iter().collect(),
                    mode,
                    when_full,
                    project: "null".to_owned(),
                    grants,
                    role_bindings,
                    image_pull_secrets,
                    lifecycle,
                }
            },
        )
}

fn launcher() -> impl Strategy<Value = Launcher> {
    prop::sample::select(&Launcher::ALL[..])
}

fn conditions() -> impl Strategy<Value = Conditions> {
    let words = (
        option::of(word_glob()),
        option::of(word_glob()),
        option::of(word_glob()),
        option::of(word_glob()),
    );
    let labels = prop::collection::btree_map(name(), word_glob(), 0..3);
    (option::of(group()), words, option::of(launcher()), labels).prop_map(
        |(group, (namespace, flow, step, project), launcher, labels)| Conditions {
            user: None,
            group,
            anyone: false,
            namespace,
            launcher,
            flow,
            step,
            project,
            labels,
        },
    )
}

fn rule() -> impl Strategy<Value = Rule> {
    let deny = "[ -~é—]{1,80}".prop_filter("not blank", |text: &String| !text.trim().is_empty());
    let rule = |conditions, effect| Rule {
        name: String::new(),
        conditions,
        effect,
    };
    let given = prop_oneof![
        name().prop_map(|service_account| Effect::ServiceAccount { service_account }),
        Just(Effect::Identity {
            identity: NAMES[0].to_owned()
        }),
    ];
    prop_oneof![
        (conditions(), deny)
            .prop_map(move |(conditions, deny)| rule(conditions, Effect::Deny { deny })),
        (conditions(), proven_glob(), given).prop_map(move |(conditions, user, effect)| rule(
            Conditions {
                user: Some(user),
                ..conditions
            },
            effect
        )),
    ]
}

/// Gives each element its own name, and the first one always the same.
fn named<T>(items: Vec<T>, name: impl Fn(T, String) -> T) -> Vec<T> {
    items
        .into_iter()
        .zip(NAMES)
        .map(|(item, text)| name(item, text.to_owned()))
        .collect()
}

fn user() -> impl Strategy<Value = User> {
    "[a-z#~]{1,6}(@[a-z]{1,4})?".prop_filter_map("legal", |text| User::exact(&text).ok())
}

fn pods() -> impl Strategy<Value = Pods> {
    let sidecar = (name(), word_glob()).prop_map(|(name, image)| Sidecar {
        name: Glob::new(&format!("{name}*")),
        image,
    });
    (vec(sidecar, 0..3), any::<[bool; 3]>()).prop_map(|(sidecars, [require, user, tokens])| Pods {
        sidecars,
        require_metadata_server: require,
        hygiene: Hygiene {
            set_user: user,
            strip_tokens: tokens,
        },
    })
}

fn endpoints() -> impl Strategy<Value = Endpoints> {
    let members = || {
        (vec(user_glob(), 1..3), vec(group(), 0..2))
            .prop_map(|(users, groups)| Members { users, groups })
    };
    let modes = prop::sample::select(&[EndpointMode::Enforce, EndpointMode::Shadow][..]);
    let flags = (modes, any::<bool>());
    (
        flags,
        option::of(members()),
        option::of(members()),
        members(),
    )
        .prop_map(|((mode, pod_tokens), read, write, admin)| Endpoints {
            mode,
            pod_tokens,
            read,
            write,
            admin: Some(admin),
        })
}

fn model() -> impl Strategy<Value = Model> {
    let lists = (vec(mapping(), 0..4), vec(class(), 1..4), vec(rule(), 0..5));
    let admins = (vec(proven_glob(), 0..2), vec(group(), 0..2))
        .prop_map(|(users, groups)| Admins { users, groups });
    let carrier = (
        group(),
        subsequence(
            vec![Launcher::Job, Launcher::CronJob, Launcher::JobSet],
            1..3,
        ),
    )
        .prop_map(|(account, parents)| Carrier {
            account: format!("carrier:{account}"),
            parents: parents.into_iter().collect(),
        });
    let others = (
        admins,
        vec(carrier, 0..2),
        vec(group(), 0..2),
        (vec(word_glob(), 0..3), pods(), option::of(endpoints())),
    );
    let people = (
        prop::collection::btree_set(user(), 0..4),
        prop::collection::btree_set(user(), 0..3),
        prop::collection::btree_set(user(), 0..3),
    );
    (name(), any::<bool>(), lists, others, people).prop_map(
        |(
            stack,
            keep,
            (users, classes, rules),
            (admins, carriers, updaters, (allowed, pods, endpoints)),
            (pinned, offboarded, returned),
        )| Model {
            api_version: API_VERSION,
            kind: KIND,
            stack,
            cluster: "projects/acme/locations/null/clusters/1".to_owned(),
            users: users
                .into_iter()
                .map(|(requester, mapping)| UserRule { requester, mapping })
                .collect(),
            identities: named(classes, |class, name| Class { name, ..class }),
            rules: named(rules, |rule, name| Rule { name, ..rule }),
            no_match: if keep { NoMatch::Keep } else { NoMatch::Deny },
            admins,
            carriers,
            updaters,
            allowed_service_accounts: allowed,
            pods,
            endpoints,
            pins: pinned
                .into_iter()
                .enumerate()
                .map(|(i, user)| (user, Pin::new(&format!("account-{i}"), "acme")))
                .collect(),
            returned: returned.difference(&offboarded).cloned().collect(),
            offboarded,
            tests: Vec::new(),
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_is_printed_is_read_back_unchanged(model in model()) {
        let text = serde_saphyr::to_string(&model).unwrap();
        let rules = Rules::parse(&[Source { file: "rules.yaml", text: &text }]);
        prop_assert_eq!(rules.map(|rules| rules.model).map_err(|e| format!("{e}\n{text}")), Ok(model));
    }

    #[test]
    fn reading_never_panics(text in any::<String>()) {
        let parsed = Rules::parse(&[Source { file: "rules.yaml", text: &text }]);
        prop_assert!(parsed.is_err());
    }

    #[test]
    fn reading_changed_rules_never_panics(at in any::<prop::sample::Index>(), piece in "[\\[\\]{}:,&*#!|>\"'%@`a-z0-9 \\n-]{0,5}", length in 0_usize..20) {
        let text = super::fixtures::EVERYTHING;
        let start = text.floor_char_boundary(at.index(text.len()));
        let end = text.floor_char_boundary((start + length).min(text.len()));
        let changed = format!("{}{piece}{}", &text[..start], &text[end..]);
        let parsed = Rules::parse(&[Source { file: "rules.yaml", text: &changed }]);
        let is_whole = parsed.map_or_else(|errors| !errors.problems.is_empty(), |rules| !rules.to_yaml().is_empty());
        prop_assert!(is_whole);
    }

    #[test]
    fn a_canonical_user_stays_canonical(name in "[a-zA-Z0-9.@é +-]{1,9}") {
        if let Ok(user) = User::canonical(&name) {
            prop_assert_eq!(User::canonical(user.as_str()), Ok(user.clone()));
            prop_assert_eq!(User::exact(user.as_str()), Ok(user));
        }
    }
}
