//! Several files: one of rules, and others with pins.

use super::{fixtures::EXAMPLE, parse};
use crate::rules::{Rules, Source};

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
    assert_eq!(rules.model.pins.len(), 2);
    assert_eq!(parse(rules.to_yaml()).unwrap(), rules);
}

#[test]
fn pins_up_to_the_largest_size_are_read_and_more_are_refused() {
    let pin = |n: usize| {
        format!("user{n:05}@acme.com: user{n:05}-ml@acme-data.iam.gserviceaccount.com\n")
    };
    let count = (crate::rules::files::MAX_BYTES - EXAMPLE.len()) / pin(0).len();
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
    assert!(rules.model.pins.len() > count && count > 14_000, "{count}");
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
