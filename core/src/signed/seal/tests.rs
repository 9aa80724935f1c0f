use proptest::prelude::*;

use super::*;

const EPOCH: &str = "q3ltf7xmw2c6nsa5";

fn ring(current: &str, ids: &[(&str, u8)]) -> KeyRing {
    KeyRing::new(
        current,
        ids.iter().map(|(id, byte)| ((*id).to_owned(), [*byte; 32])),
    )
    .unwrap()
}

#[test]
fn what_an_older_key_signed_still_verifies() {
    let old = ring("a", &[("a", 1)]).seal(Purpose::Stamp, EPOCH, &"payload");
    let rotated = ring("b", &[("a", 1), ("b", 2)]);
    assert_eq!(
        rotated.open::<String>(Purpose::Stamp, EPOCH, &old),
        Ok("payload".to_owned())
    );
    assert!(
        rotated
            .seal(Purpose::Stamp, EPOCH, &"payload")
            .starts_with("v2.b.")
    );
    assert_eq!(
        ring("b", &[("b", 2)]).open::<String>(Purpose::Stamp, EPOCH, &old),
        Err(SealError::UnknownKey("\"a\"".to_owned()))
    );
}

#[test]
fn a_seal_for_one_purpose_is_not_valid_for_another() {
    let keys = ring("a", &[("a", 1)]);
    let text = keys.seal(Purpose::Stamp, EPOCH, &"payload");
    assert_eq!(
        keys.open::<String>(Purpose::Resolution, EPOCH, &text),
        Err(SealError::Forged)
    );
}

#[test]
fn a_seal_is_not_valid_with_another_id_of_the_same_key() {
    let keys = ring("a", &[("a", 1), ("b", 1)]);
    let text = keys
        .seal(Purpose::Stamp, EPOCH, &"payload")
        .replacen("v2.a.", "v2.b.", 1);
    assert_eq!(
        keys.open::<String>(Purpose::Stamp, EPOCH, &text),
        Err(SealError::Forged)
    );
}

#[test]
fn a_seal_of_another_epoch_is_not_valid_and_its_epoch_is_signed() {
    let keys = ring("a", &[("a", 1)]);
    let text = keys.seal(Purpose::Stamp, EPOCH, &"payload");
    let another = EPOCH.replace('q', "r");
    assert_eq!(
        keys.open::<String>(Purpose::Stamp, &another, &text),
        Err(SealError::Epoch)
    );
    let moved = text.replace(EPOCH, &another);
    assert_eq!(
        keys.open::<String>(Purpose::Stamp, &another, &moved),
        Err(SealError::Forged)
    );
    let none = keys.seal(Purpose::Stamp, "", &"payload");
    assert_eq!(
        keys.open::<String>(Purpose::Stamp, "", &none),
        Ok("payload".to_owned())
    );
}

#[test]
fn an_epoch_is_long_and_has_no_dot() {
    assert!(is_epoch(EPOCH));
    for text in ["", "short", "with.a.dot.in.it", &"e".repeat(64)] {
        assert!(!is_epoch(text), "{text}");
    }
}

#[test]
fn text_that_is_not_a_seal_is_refused_with_the_cause() {
    let keys = ring("a", &[("a", 1)]);
    let long = "v2.".repeat(MAX_SEALED_BYTES);
    for (text, error) in [
        (long.as_str(), SealError::TooLong(long.len())),
        ("", SealError::Malformed),
        ("v2.a.e.e30", SealError::Malformed),
        ("v1.a.e.e30.e30", SealError::Malformed),
        ("v2.a.e.e30.e30.e30", SealError::Malformed),
        ("v2.a.e.e30=.e30", SealError::Malformed),
        ("v2.a.e.e3\u{0}.e30", SealError::Malformed),
        ("v2..e.e30.e30", SealError::UnknownKey("\"\"".to_owned())),
        ("v2.a.e.e30.", SealError::Forged),
        ("v2.a.e.e30.e30", SealError::Forged),
    ] {
        assert_eq!(
            keys.open::<String>(Purpose::Stamp, EPOCH, text),
            Err(error),
            "{}",
            text.len()
        );
    }
    let other = keys.seal(Purpose::Stamp, EPOCH, &3);
    assert_eq!(
        keys.open::<String>(Purpose::Stamp, EPOCH, &other),
        Err(SealError::Payload)
    );
}

#[test]
fn invalid_keys_are_refused() {
    let one = |id: &str, key: Vec<u8>| KeyRing::new("a", [(id.to_owned(), key)]).map(|_| ());
    assert_eq!(
        one("b", vec![0; 32]),
        Err(KeyRingError::CurrentMissing("\"a\"".to_owned()))
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
fn a_key_ring_never_shows_its_keys() {
    let shown = format!("{:?}", ring("a", &[("a", 77)]));
    assert_eq!(shown, "KeyRing { current: \"a\", ids: [\"a\"], .. }");
}

proptest! {
    #[test]
    fn opening_never_panics(text in any::<String>(), tail in "v2\\.a\\.e?\\.[A-Za-z0-9_-]{0,20}\\.[A-Za-z0-9_-]{0,50}") {
        let keys = ring("a", &[("a", 1)]);
        prop_assert!(keys.open::<serde_json::Value>(Purpose::Stamp, EPOCH, &text).is_err());
        prop_assert!(keys.open::<serde_json::Value>(Purpose::Stamp, EPOCH, &tail).is_err());
    }
}
