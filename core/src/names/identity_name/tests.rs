use proptest::prelude::*;
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Vector {
    stack: String,
    cluster: String,
    namespace: String,
    class: String,
    values: BTreeMap<String, String>,
    name: String,
}

#[test]
fn names_are_as_in_the_golden_vectors() {
    let vectors: Vec<Vector> =
        serde_json::from_str(include_str!("../../../testdata/names.json")).unwrap();
    assert!(vectors.len() > 10);
    for v in vectors {
        let values = v
            .values
            .iter()
            .map(|(per, value)| (Per::parse(per).unwrap(), value.clone()))
            .collect();
        let name = IdentityName::derive(&v.stack, &v.cluster, &v.namespace, &v.class, &values);
        assert_eq!(name.as_str(), v.name, "{:?}", v.values);
        assert_eq!(format!("mf-{}", name.key()), v.name);
    }
}

#[test]
fn slugs_are_readable_and_legal() {
    for (value, expected) in [
        ("alice@acme.com", "alice"),
        ("Alice.Smith@acme.com", "alice-smith"),
        ("a__b..c@acme.com", "a-b-c"),
        ("-a-@acme.com", "a"),
        ("eleven-char-x@acme.com", "eleven-char"),
        ("a-very-long-name-indeed", "a-very-long"),
        ("müller", "m-ller"),
        ("日本", "id"),
        ("@", "id"),
        ("", "id"),
    ] {
        assert_eq!(slug(value), expected, "{value}");
    }
}

#[test]
fn only_names_of_the_pattern_are_managed() {
    for name in [
        "mf-a-abcdefghijklm2",
        "mf-alice-smith1-aaaaaaaaaaaaaa",
        "mf-a--b-aaaaaaaaaaaaaa",
        "mf-7-aaaaaaaaaaaaa7",
    ] {
        assert!(is_managed_name(name), "{name}");
    }
    for name in [
        "",
        "mf-",
        "default",
        "mf-aaaaaaaaaaaaaa",
        "mf--aaaaaaaaaaaaaa",
        "mf-a-aaaaaaaaaaaaa",
        "mf-a-aaaaaaaaaaaaaaa",
        "mf-a-aaaaaaaaaaaaa1",
        "mf-a-aaaaaaaaaaaaaA",
        "mf--a-aaaaaaaaaaaaaa",
        "mf-a--aaaaaaaaaaaaaa",
        "xmf-a-aaaaaaaaaaaaaa",
        "mf-thirteenchars-aaaaaaaaaaaaaa",
        "mf-a.b-aaaaaaaaaaaaaa",
        "mf-a-aaaaaaaaaaaaaa\n",
    ] {
        assert!(!is_managed_name(name), "{name}");
    }
}

type Input = (String, String, String, String, BTreeMap<Per, String>);

/// Short fields of few characters, so that inputs that differ only in where one field ends are common.
fn input() -> impl Strategy<Value = Input> {
    let field = || "[aAb@._]{0,3}";
    let per = prop_oneof![
        Just(Per::User),
        Just(Per::Project),
        Just(Per::Flow),
        Just(Per::Step)
    ];
    (
        field(),
        field(),
        field(),
        field(),
        proptest::collection::btree_map(per, "[aAb@._é]{0,3}", 1..3),
    )
}

fn derive((stack, cluster, namespace, class, values): &Input) -> IdentityName {
    IdentityName::derive(stack, cluster, namespace, class, values)
}

/// `[a-z]([-a-z0-9]*[a-z0-9])`, 6 to 30 characters, no `--`: legal for a KSA, a GSA and a label value.
fn assert_legal(name: &str) {
    assert!((6..=30).contains(&name.len()), "{name}");
    assert!(
        name.bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
        "{name}"
    );
    assert!(
        name.starts_with("mf-") && !name.ends_with('-') && !name.contains("--"),
        "{name}"
    );
    assert!(is_managed_name(name), "{name}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_name_is_legal_and_managed(value in any::<String>(), namespace in any::<String>()) {
        let values = BTreeMap::from([(Per::User, value)]);
        assert_legal(IdentityName::derive("s", "c", &namespace, "k", &values).as_str());
    }

    #[test]
    fn names_are_equal_only_for_equal_inputs(a in input(), b in input()) {
        prop_assert_eq!(derive(&a) == derive(&b), a == b);
    }

    #[test]
    fn a_character_that_moves_to_the_next_field_gives_another_name(a in "[ab]{1,4}", b in "[ab]{0,4}") {
        let values = BTreeMap::from([(Per::User, "u".to_owned())]);
        let (head, last) = a.split_at(a.len() - 1);
        let moved = format!("{last}{b}");
        prop_assert_ne!(
            IdentityName::derive(&a, &b, "n", "k", &values),
            IdentityName::derive(head, &moved, "n", "k", &values)
        );
    }
}
