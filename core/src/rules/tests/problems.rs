//! Problems in rules, as users see them.

use super::{fixtures::EXAMPLE, parse};
use crate::rules::Problem;

/// The problems of the example with one piece of it replaced.
fn problems(piece: &str, replacement: &str) -> Vec<String> {
    assert!(EXAMPLE.contains(piece), "{piece}");
    let errors = parse(&EXAMPLE.replacen(piece, replacement, 1)).unwrap_err();
    errors.problems.iter().map(Problem::to_string).collect()
}

#[test]
fn an_invalid_duration_or_word_of_a_class_is_named() {
    for (key, value) in [
        ("idleAfter", "soon"),
        ("bindBy", "other"),
        ("foreignMembers", "other"),
    ] {
        let invalid = problems("  per: [user]", &format!("  per: [user]\n  {key}: {value}"));
        assert!(
            invalid[0].contains(key) && invalid[0].contains(value),
            "{invalid:?}"
        );
    }
}

#[test]
fn every_problem_is_reported_with_its_place_and_what_to_do() {
    let text = "apiVersion: 3\nkind: Rules\nstack: A_b\nmore: {a: 1}\nusers:\n- {requester: \"*@ACME.com\"}\n- 3: x\n  requester: [a]\n\
                stack: b\npins:\n  Alice@x: foo\nnoMatch: perhaps";
    assert_eq!(
        parse(text).unwrap_err().to_string(),
        include_str!("../../../testdata/problems.txt").trim_end(),
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
    let blocks: Vec<&str> = include_str!("../../../testdata/broken.txt")
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

#[test]
fn no_user_is_both_offboarded_and_returned() {
    let both = problems(
        "offboarded: [mallory@acme.com]",
        "offboarded: [mallory@acme.com]\nreturned: [mallory@acme.com]",
    );
    assert!(both[0].contains("both offboarded and returned"), "{both:?}");
}
