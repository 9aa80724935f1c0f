use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::MAX_SEALED_BYTES;

const GOLDEN: &str = include_str!("../../../testdata/seals.json");

const EPOCH: &str = "q3ltf7xmw2c6nsa5";

const SEEN: SeenObject<'static> = SeenObject {
    stack: "prod",
    namespace: "research",
    kind: "batch/Job",
    name: "t-b2bdfea8-gwtfp",
    generate_name: Some("t-b2bdfea8-"),
    uid: "4a22ac2d-26c4-4194-b2bb-804ae0a41192",
    created: 1_795_345_415,
    epoch: EPOCH,
};

const CRON: SeenObject<'static> = SeenObject {
    kind: "batch/CronJob",
    name: "nightly",
    generate_name: None,
    created: 0,
    ..SEEN
};

fn golden(which: &str) -> (KeyRing, Stamp, String) {
    let golden: Value = serde_json::from_str(GOLDEN).unwrap();
    let key = data_encoding::HEXLOWER
        .decode(golden["keyHex"].as_str().unwrap().as_bytes())
        .unwrap();
    let id = golden["keyId"].as_str().unwrap();
    let keys = KeyRing::new(id, [(id.to_owned(), key)]).unwrap();
    let stamp = serde_json::from_value(golden[which]["payload"].clone()).unwrap();
    (
        keys,
        stamp,
        golden[which]["text"].as_str().unwrap().to_owned(),
    )
}

#[test]
fn stamps_are_as_in_the_golden_vectors() {
    let (keys, stamp, text) = golden("stamp");
    assert_eq!(stamp.sign(&keys, EPOCH), text);
    assert_eq!(Stamp::verify(&text, &keys, &SEEN), Ok(stamp));
    let (keys, stamp, text) = golden("uidStamp");
    assert_eq!(stamp.sign(&keys, EPOCH), text);
    assert_eq!(Stamp::verify(&text, &keys, &CRON), Ok(stamp));
}

/// The field in which an object differs from the signed one.
fn differs(which: &str, seen: &SeenObject<'_>) -> &'static str {
    let (keys, _, text) = golden(which);
    match Stamp::verify(&text, &keys, seen).unwrap_err() {
        SealError::Differs { field, .. } => field,
        SealError::Time { .. } => "time",
        SealError::Epoch => "epoch",
        other => panic!("{other}"),
    }
}

type Change = fn(&mut SeenObject<'static>);

#[test]
fn a_copied_stamp_is_not_valid() {
    let changes: [(&str, Change); 10] = [
        ("epoch", |seen| seen.epoch = "r3ltf7xmw2c6nsa5"),
        ("stack", |seen| seen.stack = "dev"),
        ("namespace", |seen| seen.namespace = "other"),
        ("kind", |seen| seen.kind = "batch/CronJob"),
        ("generateName", |seen| seen.generate_name = None),
        ("generateName", |seen| {
            seen.generate_name = Some("t-b2bdfea8-g");
        }),
        ("name", |seen| seen.name = "other"),
        ("time", |seen| seen.created += 31),
        ("time", |seen| seen.created -= 31),
        ("time", |seen| seen.created = i64::MIN),
    ];
    for (field, change) in changes {
        let mut seen = SEEN;
        change(&mut seen);
        assert_eq!(differs("stamp", &seen), field);
    }
}

#[test]
fn a_generate_name_that_the_api_server_truncates_still_matches() {
    let (keys, stamp, _) = golden("stamp");
    let beginning = "a".repeat(80);
    let object = ObjectName::GenerateName(beginning.clone());
    let text = Stamp { object, ..stamp }.sign(&keys, EPOCH);
    let (generated, shorter) = ("a".repeat(58) + "x7k2m", "a".repeat(57) + "x7k2m");
    let mut seen = SeenObject {
        generate_name: Some(&beginning),
        name: &generated,
        ..SEEN
    };
    Stamp::verify(&text, &keys, &seen).unwrap();
    seen.name = &shorter;
    assert!(Stamp::verify(&text, &keys, &seen).is_err());
}

#[test]
fn a_stamp_for_a_uid_is_not_valid_for_another_uid_or_name() {
    let changes: [(&str, Change); 2] = [
        ("uid", |seen| seen.uid = "another"),
        ("name", |seen| seen.name = "hourly"),
    ];
    for (field, change) in changes {
        let mut seen = CRON;
        change(&mut seen);
        assert_eq!(differs("uidStamp", &seen), field);
    }
}

#[test]
fn thirty_seconds_between_signing_and_creation_are_allowed() {
    let (keys, _, text) = golden("stamp");
    for created in [SEEN.created - 30, SEEN.created + 30] {
        assert!(Stamp::verify(&text, &keys, &SeenObject { created, ..SEEN }).is_ok());
    }
}

#[test]
fn a_name_takes_precedence_over_generate_name() {
    assert_eq!(
        ObjectName::new(Some("a"), Some("b-")),
        ObjectName::Name("a".to_owned())
    );
    assert_eq!(
        ObjectName::new(Some(""), Some("b-")),
        ObjectName::GenerateName("b-".to_owned())
    );
    assert_eq!(
        ObjectName::new(None, Some("b-")),
        ObjectName::GenerateName("b-".to_owned())
    );
    assert_eq!(ObjectName::new(None, None), ObjectName::Name(String::new()));
}

#[test]
fn a_signed_payload_with_other_fields_is_refused() {
    let (keys, stamp, _) = golden("stamp");
    let signed = |change: fn(&mut Value)| {
        let mut payload = serde_json::to_value(&stamp).unwrap();
        change(&mut payload);
        Stamp::verify(&keys.seal(Purpose::Stamp, EPOCH, &payload), &keys, &SEEN)
    };
    assert!(signed(|_| {}).is_ok());
    assert_eq!(
        signed(|payload| payload["more"] = json!(1)),
        Err(SealError::Payload)
    );
    assert_eq!(
        signed(|payload| payload["user"] = json!("Alice@acme.com")),
        Err(SealError::Payload)
    );
    assert_eq!(
        signed(|payload| payload["user"] = json!("")),
        Err(SealError::Payload)
    );
    assert_eq!(
        signed(|payload| payload["bound"] = json!({"written": "now"})),
        Err(SealError::Payload)
    );
}

#[test]
fn the_longest_stamp_is_still_read() {
    let (keys, stamp, _) = golden("stamp");
    let groups = (0..16)
        .map(|i| format!("{i:02}{}", "\"".repeat(250)))
        .collect::<Vec<_>>();
    let longest = Stamp {
        requester: "\"".repeat(1024),
        user: Some(User::exact(&"\"".repeat(254)).unwrap()),
        groups: Groups::new(&groups.iter().cloned().collect(), &groups),
        object: ObjectName::Name("n".repeat(253)),
        namespace: "n".repeat(63),
        taken_over_at: Some(i64::MAX),
        root: Some(Launcher::Workflow),
        runs: (0..MAX_DIGESTS)
            .map(|i| super::super::digest::tests::digest_of(&json!(i)))
            .collect(),
        ..stamp
    };
    assert!(longest.sign(&keys, EPOCH).len() <= MAX_SEALED_BYTES);
    // A Job has no digests, and up to 64 containers.
    let container = |i| (format!("{i:063}"), "f".repeat(22));
    let of_job = Stamp {
        runs: Vec::new(),
        containers: (0..64).map(container).collect(),
        taken_over_at: Some(i64::MIN),
        ..longest
    };
    assert!(of_job.sign(&keys, EPOCH).len() <= MAX_SEALED_BYTES);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_tampered_stamp_never_verifies(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let (keys, _, text) = golden("stamp");
        let mut bytes = text.clone().into_bytes();
        let at = at.index(bytes.len());
        if cut {
            bytes.remove(at);
        } else {
            bytes[at] = byte;
        }
        let tampered = String::from_utf8_lossy(&bytes);
        prop_assert!(tampered == text || Stamp::verify(&tampered, &keys, &SEEN).is_err());
    }

    #[test]
    fn a_stamp_survives_signing(requester in "[ -~é]{1,40}", groups in prop::collection::vec("[a-z@.]{1,9}", 0..5), second in any::<i64>()) {
        let (keys, stamp, _) = golden("stamp");
        let mentioned = groups.iter().cloned().chain(["other".to_owned()]).collect();
        let groups = Groups::new(&mentioned, &groups);
        let stamp = Stamp { requester, groups, bound: Bound::SignedAt(second), ..stamp };
        let seen = SeenObject { created: second, ..SEEN };
        prop_assert_eq!(Stamp::verify(&stamp.sign(&keys, EPOCH), &keys, &seen), Ok(stamp));
    }
}
