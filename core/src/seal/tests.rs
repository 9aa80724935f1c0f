use proptest::prelude::*;

use super::*;

fn ring(current: &str, ids: &[(&str, u8)]) -> KeyRing {
    KeyRing::new(
        current,
        ids.iter().map(|(id, byte)| ((*id).to_owned(), [*byte; 32])),
    )
    .unwrap()
}

#[test]
fn what_an_older_key_signed_still_verifies() {
    let old = ring("a", &[("a", 1)]).seal(Purpose::Stamp, &"payload");
    let rotated = ring("b", &[("a", 1), ("b", 2)]);
    assert_eq!(
        rotated.open::<String>(Purpose::Stamp, &old),
        Ok("payload".to_owned())
    );
    assert!(
        rotated
            .seal(Purpose::Stamp, &"payload")
            .starts_with("v1.b.")
    );
    assert_eq!(
        ring("b", &[("b", 2)]).open::<String>(Purpose::Stamp, &old),
        Err(SealError::UnknownKey("\"a\"".to_owned()))
    );
}

#[test]
fn a_seal_for_one_purpose_is_void_for_another() {
    let keys = ring("a", &[("a", 1)]);
    let text = keys.seal(Purpose::Stamp, &"payload");
    assert_eq!(
        keys.open::<String>(Purpose::Resolution, &text),
        Err(SealError::Forged)
    );
}

#[test]
fn a_seal_does_not_verify_under_another_id_of_the_same_key() {
    let keys = ring("a", &[("a", 1), ("b", 1)]);
    let text = keys
        .seal(Purpose::Stamp, &"payload")
        .replacen("v1.a.", "v1.b.", 1);
    assert_eq!(
        keys.open::<String>(Purpose::Stamp, &text),
        Err(SealError::Forged)
    );
}

#[test]
fn what_is_not_a_seal_is_named() {
    let keys = ring("a", &[("a", 1)]);
    let long = "v1.".repeat(MAX_SEALED_BYTES);
    for (text, error) in [
        (long.as_str(), SealError::TooLong(long.len())),
        ("", SealError::Malformed),
        ("v1.a.e30", SealError::Malformed),
        ("v2.a.e30.e30", SealError::Malformed),
        ("v1.a.e30.e30.e30", SealError::Malformed),
        ("v1.a.e30=.e30", SealError::Malformed),
        ("v1.a.e3\u{0}.e30", SealError::Malformed),
        ("v1..e30.e30", SealError::UnknownKey("\"\"".to_owned())),
        ("v1.a.e30.", SealError::Forged),
        ("v1.a.e30.e30", SealError::Forged),
    ] {
        assert_eq!(
            keys.open::<String>(Purpose::Stamp, text),
            Err(error),
            "{}",
            text.len()
        );
    }
    let other = keys.seal(Purpose::Stamp, &3);
    assert_eq!(
        keys.open::<String>(Purpose::Stamp, &other),
        Err(SealError::Payload)
    );
}

#[test]
fn keys_that_make_no_ring_are_refused() {
    let one = |id: &str, key: Vec<u8>| KeyRing::new("a", [(id.to_owned(), key)]).map(|_| ());
    assert_eq!(
        one("b", vec![0; 32]),
        Err(KeyRingError::NoCurrent("\"a\"".to_owned()))
    );
    assert_eq!(
        one("a", vec![0; 31]),
        Err(KeyRingError::TooShort {
            id: "a".to_owned(),
            bytes: 31
        })
    );
    assert_eq!(
        one("a.b", vec![0; 32]),
        Err(KeyRingError::Id("\"a.b\"".to_owned()))
    );
}

#[test]
fn a_ring_never_shows_its_keys() {
    let shown = format!("{:?}", ring("a", &[("a", 77)]));
    assert_eq!(shown, "KeyRing { current: \"a\", ids: [\"a\"], .. }");
}

proptest! {
    #[test]
    fn no_text_makes_opening_panic(text in any::<String>(), tail in "v1\\.a\\.[A-Za-z0-9_-]{0,20}\\.[A-Za-z0-9_-]{0,50}") {
        let keys = ring("a", &[("a", 1)]);
        prop_assert!(keys.open::<serde_json::Value>(Purpose::Stamp, &text).is_err());
        prop_assert!(keys.open::<serde_json::Value>(Purpose::Stamp, &tail).is_err());
    }
}
