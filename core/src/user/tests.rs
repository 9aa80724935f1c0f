use super::*;

#[test]
fn only_email_addresses_are_changed_to_lower_case() {
    assert_eq!(
        User::canonical("Alice@ACME.com").unwrap().as_str(),
        "alice@acme.com"
    );
    assert_eq!(User::canonical("Alice").unwrap().as_str(), "Alice");
}

#[test]
fn names_that_could_be_confused_with_others_are_refused() {
    let long = format!("{}@acme.com", "a".repeat(300));
    for (name, error) in [
        ("", UserError::Empty),
        (
            &long,
            UserError::TooLong {
                bytes: 309,
                maximum: 254,
            },
        ),
        ("a b@acme.com", UserError::Character(' ')),
        ("a\u{0}@acme.com", UserError::Character('\u{0}')),
        ("a\u{202e}@acme.com", UserError::Character('\u{202e}')),
        ("../bob@acme.com", UserError::Character('/')),
        ("*@acme.com", UserError::Character('*')),
        ("ali\u{1f600}ce@acme.com", UserError::NotAscii('\u{1f600}')),
        ("аlice@acme.com", UserError::NotAscii('а')),
        ("alice@acme.com.", UserError::Dots),
        ("alice.@acme.com", UserError::Dots),
        ("a..b@acme.com", UserError::Dots),
        ("..", UserError::Dots),
        ("@acme.com", UserError::At),
        ("alice@", UserError::At),
        ("mallory@evil.com@acme.com", UserError::At),
    ] {
        assert_eq!(User::canonical(name), Err(error), "{name:?}");
    }
}

#[test]
fn a_listed_name_may_have_letters_that_are_not_ascii() {
    assert_eq!(
        User::listed("Müller@acme.com").unwrap().as_str(),
        "müller@acme.com"
    );
    assert_eq!(
        User::listed("a\u{200b}@acme.com"),
        Err(UserError::Character('\u{200b}'))
    );
}

#[test]
fn a_stored_user_must_be_canonical() {
    assert!(serde_json::from_str::<User>("\"alice@acme.com\"").is_ok());
    assert!(serde_json::from_str::<User>("\"Alice@acme.com\"").is_err());
    assert!(serde_json::from_str::<User>("\"\"").is_err());
}
