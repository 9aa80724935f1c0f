use super::*;
use crate::UserStatus;

pub(crate) mod fixtures;
mod properties;

const EXAMPLE: &str = include_str!("../../testdata/example.yaml");
const EVERYTHING: &str = include_str!("../../testdata/everything.yaml");

fn parse(text: &str) -> Result<Rules, RulesErrors> {
    Rules::parse(&[Source {
        file: "rules.yaml",
        text,
    }])
}

/// The problems of the example with one piece of it replaced.
fn problems(piece: &str, replacement: &str) -> Vec<String> {
    assert!(EXAMPLE.contains(piece), "{piece}");
    let errors = parse(&EXAMPLE.replacen(piece, replacement, 1)).unwrap_err();
    errors.problems.iter().map(Problem::to_string).collect()
}

#[test]
fn the_example_is_legal() {
    let rules = parse(EXAMPLE).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(rules.stack(), "prod");
    assert_eq!(
        rules.cluster(),
        "projects/acme/locations/us-central1/clusters/ml"
    );
    assert_eq!(rules.pool(), "acme.svc.id.goog");
    assert_eq!(rules.no_match(), NoMatch::Deny);
    assert!(rules.is_offboarded(&User::exact("mallory@acme.com").unwrap()));
    assert!(!rules.is_offboarded(&User::exact("alice@acme.com").unwrap()));
}

#[test]
fn printed_rules_parse_to_the_same_rules() {
    for text in [EXAMPLE, EVERYTHING] {
        let rules = parse(text).unwrap_or_else(|e| panic!("{e}"));
        let again = parse(rules.to_yaml()).unwrap_or_else(|e| panic!("{e}\n{}", rules.to_yaml()));
        assert_eq!(rules, again);
        assert_eq!(
            (rules.to_yaml(), rules.revision()),
            (again.to_yaml(), again.revision())
        );
        assert_eq!(rules.revision().len(), 12);
    }
}

#[test]
fn an_offboarded_user_returns_only_by_the_rules_and_no_user_is_both() {
    let rules = parse(EVERYTHING).unwrap();
    assert_eq!(
        rules.user_status("mallory@acme.com"),
        UserStatus::Offboarded
    );
    assert_eq!(rules.user_status("grace@acme.com"), UserStatus::Returned);
    for user in ["alice@acme.com", "", "not a user/"] {
        assert_eq!(rules.user_status(user), UserStatus::Active, "{user}");
    }
    let both = problems(
        "offboarded: [mallory@acme.com]",
        "offboarded: [mallory@acme.com]\nreturned: [mallory@acme.com]",
    );
    assert!(both[0].contains("both offboarded and returned"), "{both:?}");
}

#[test]
fn an_invalid_duration_or_word_of_a_class_is_named() {
    for (key, value) in [
        ("idleAfter", "soon"),
        ("bindBy", "other"),
        ("foreignMembers", "other"),
    ] {
        let wrong = problems("  per: [user]", &format!("  per: [user]\n  {key}: {value}"));
        assert!(
            wrong[0].contains(key) && wrong[0].contains(value),
            "{wrong:?}"
        );
    }
}

#[test]
fn the_revision_changes_only_with_the_meaning() {
    let rules = parse(EXAMPLE).unwrap();
    assert_eq!(
        parse(&format!("# more words\n{EXAMPLE}"))
            .unwrap()
            .revision(),
        rules.revision()
    );
    assert_ne!(
        parse(&EXAMPLE.replace("noMatch: deny", "noMatch: keep"))
            .unwrap()
            .revision(),
        rules.revision()
    );
}

#[test]
fn managed_accounts_are_never_allowed() {
    let rules =
        parse(&EXAMPLE.replace("noMatch: deny", "allowedServiceAccounts: [\"*\"]")).unwrap();
    assert!(rules.allows_service_account("default"));
    assert!(rules.allows_service_account("other"));
    assert!(!rules.allows_service_account("mf-alice-4k72lwgc2tsmxd"));
    let rules = parse(EXAMPLE).unwrap();
    assert!(rules.allows_service_account("default"));
    assert!(!rules.allows_service_account("other"));
}

#[test]
fn an_account_that_a_rule_gives_is_allowed_only_by_its_full_name() {
    let allowing = |globs: &str| {
        parse(&EXAMPLE.replace("noMatch: deny", &format!("allowedServiceAccounts: {globs}")))
            .unwrap()
    };
    let wide = allowing("[\"metaflow-*\"]");
    assert!(wide.allows_service_account("metaflow-other"));
    assert!(!wide.allows_service_account("metaflow-billing"));
    let listed = allowing("[\"metaflow-*\", metaflow-billing]");
    assert!(listed.allows_service_account("metaflow-billing"));
}

#[test]
fn every_problem_is_reported_with_its_place_and_what_to_do() {
    let text = "apiVersion: 3\nkind: Rules\nstack: A_b\nmore: {a: 1}\nusers:\n- {requester: \"*@ACME.com\"}\n- 3: x\n  requester: [a]\n\
                stack: b\npins:\n  Alice@x: foo\nnoMatch: perhaps";
    assert_eq!(
        parse(text).unwrap_err().to_string(),
        include_str!("../../testdata/problems.txt").trim_end(),
    );
}

#[test]
fn a_file_that_is_not_yaml_is_reported_at_its_place() {
    for (text, begins) in [
        ("a: [1, 2\nb: x", "rules.yaml:2:2: this is not valid YAML: "),
        (
            "a: 1\n---\nb: 2",
            "rules.yaml:3:1: this is not valid YAML: ",
        ),
        (
            "users: [{requester: *@acme.com}]",
            "rules.yaml:1:21: this is not valid YAML: ",
        ),
        (
            "stack: *prod",
            "rules.yaml:1:8: this is not valid YAML: a value begins with *, which",
        ),
        (
            "users: &all\n- *all",
            "rules.yaml:2:3: this is not valid YAML: a value contains a reference (*) to itself: write",
        ),
        ("stack: \"prod", "rules.yaml:1:"),
        ("stack: [a]]", "rules.yaml:1:11: this is not valid YAML: "),
        (
            "",
            "rules.yaml:1:1: a map is expected, and this is nothing: ",
        ),
        (
            "[]",
            "rules.yaml:1:1: a map is expected, and this is a list: ",
        ),
        ("\u{0}", "rules.yaml:1:1: "),
    ] {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.starts_with(begins), "{error}");
        assert!(!has_jargon(&error), "{error}");
    }
}

/// Words of the YAML library that users do not know.
fn has_jargon(text: &str) -> bool {
    let words = [
        "recursion",
        "weak",
        "budget",
        "breach",
        "Nodes",
        "replay",
        "scalar",
        "deserializ",
        "from_str",
    ];
    words.iter().any(|word| text.contains(word))
}

#[test]
fn a_file_that_is_too_large_for_the_parser_is_refused_without_jargon() {
    let wide = format!("users: [{}]", "1,".repeat(100_001));
    let deep = format!("users: {}{}", "[".repeat(100), "]".repeat(100));
    let many = format!("users:\n- &a 1\n{}", "- *a\n".repeat(5000));
    for (text, what) in [
        (&wide, "keys and values, more than are allowed: write fewer"),
        (&deep, "deep, deeper than rules ever need: look for"),
        (&many, "references"),
    ] {
        let error = parse(text).unwrap_err().to_string();
        assert!(
            error.starts_with("rules.yaml:") && error.contains(what),
            "{error}"
        );
        assert!(!has_jargon(&error), "{error}");
    }
}

/// Blocks of three lines: a piece of the example, what replaces it (`\n` for a new line), and the one problem of that.
#[test]
fn each_kind_of_broken_rules_has_one_problem() {
    let blocks: Vec<&str> = include_str!("../../testdata/broken.txt")
        .trim_end()
        .split("\n\n")
        .collect();
    assert!(blocks.len() > 40);
    for block in blocks {
        let line = |mark| {
            block
                .lines()
                .find_map(|line| line.strip_prefix(mark))
                .map_or("", str::trim_start)
        };
        let problems = problems(line("-"), &line("+").replace("\\n", "\n"));
        assert_eq!(problems, [line("=")], "{block}");
    }
}

#[test]
fn pins_of_all_files_count() {
    let main = Source {
        file: "rules.yaml",
        text: EXAMPLE,
    };
    let more = Source {
        file: "pins.yaml",
        text: "carol@acme.com: carol-ml@acme-data.iam.gserviceaccount.com",
    };
    let rules = Rules::parse(&[more, main]).unwrap();
    assert_eq!(rules.pins.len(), 2);
    assert_eq!(parse(rules.to_yaml()).unwrap(), rules);
}

#[test]
fn pins_up_to_the_largest_size_are_read_and_more_are_refused() {
    let pin = |n: usize| {
        format!("user{n:05}@acme.com: user{n:05}-ml@acme-data.iam.gserviceaccount.com\n")
    };
    let count = (super::files::MAX_BYTES - EXAMPLE.len()) / pin(0).len();
    let pins: String = (0..count).map(pin).collect();
    let read = |pins: &str| {
        Rules::parse(&[
            Source {
                file: "rules.yaml",
                text: EXAMPLE,
            },
            Source {
                file: "pins.yaml",
                text: pins,
            },
        ])
    };
    let rules = read(&pins).unwrap();
    assert!(rules.pins.len() > count && count > 14_000, "{count}");
    let error = read(&(pins + &pin(count))).unwrap_err().to_string();
    assert!(
        error.starts_with("pins.yaml:1:1: all files of rules have 1000")
            && error.contains("remove pins"),
        "{error}"
    );
}

#[test]
fn two_users_on_one_pin_and_two_pins_of_one_user_are_problems() {
    let main = Source {
        file: "rules.yaml",
        text: EXAMPLE,
    };
    let of = |text| {
        Rules::parse(&[
            main,
            Source {
                file: "pins.yaml",
                text,
            },
        ])
        .unwrap_err()
        .to_string()
    };
    assert_eq!(
        of("carol@acme.com: bob-ml@acme-data.iam.gserviceaccount.com"),
        "pins.yaml:1:17: carol@acme.com: bob-ml@acme-data.iam.gserviceaccount.com is pinned to two users, bob@acme.com \
         (at rules.yaml:22:3) and carol@acme.com: give each user an account of their own"
    );
    assert_eq!(
        of("bob@acme.com: other-ml@acme-data.iam.gserviceaccount.com"),
        "pins.yaml:1:15: bob@acme.com: bob@acme.com is pinned twice, first at rules.yaml:22:3: remove one of the two pins"
    );
}

#[test]
fn there_is_exactly_one_file_of_rules() {
    let main = Source {
        file: "rules.yaml",
        text: EXAMPLE,
    };
    let of = |sources: &[Source<'_>]| Rules::parse(sources).unwrap_err().to_string();
    assert!(
        of(&[
            main,
            Source {
                file: "b.yaml",
                ..main
            }
        ])
        .starts_with("b.yaml:1:1: this is a second file of rules: ")
    );
    assert!(of(&[]).starts_with("rules.yaml:1:1: there is no file of rules: "));
    let pins = Source {
        file: "pins.yaml",
        text: "{}",
    };
    assert!(of(&[pins, pins]).starts_with("pins.yaml:1:1: there is no file of rules: "));
}

#[test]
fn more_groups_than_fit_into_a_stamp_are_a_problem() {
    let groups: Vec<String> = (0..100)
        .map(|i| format!("group-{i}-with-a-rather-long-name@acme.com"))
        .collect();
    let problems = problems(
        "groups: [research@acme.com]",
        &format!("groups: [{}]", groups.join(", ")),
    );
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0].contains("more than 4096 bytes together"),
        "{problems:?}"
    );
}

#[test]
fn stack_and_cluster_must_fit_into_a_mark() {
    let text = EXAMPLE.replace("stack: prod", &format!("stack: {}", "s".repeat(63)));
    let text = text.replace("clusters/ml", &format!("clusters/{}", "c".repeat(40)));
    let error = parse(&text).unwrap_err().to_string();
    assert!(
        error.starts_with("rules.yaml:1:1: stack and cluster have more than 133 bytes together"),
        "{error}"
    );
}
