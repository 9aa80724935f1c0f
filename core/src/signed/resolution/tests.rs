use proptest::prelude::*;
use serde_json::Value;

use super::*;

const EPOCH: &str = "q3ltf7xmw2c6nsa5";

const SEEN: SeenPod<'static> = SeenPod {
    stack: "prod",
    namespace: "research",
    requester: "system:serviceaccount:kube-system:job-controller",
    credential: true,
    now: 1_795_345_417,
    epoch: EPOCH,
    owner_uid: Some("4a22ac2d-26c4-4194-b2bb-804ae0a41192"),
    service_account: "",
    name: "t-b2bdfea8-gwtfp-x7k2p",
    generate_name: Some("t-b2bdfea8-gwtfp-"),
};

fn golden() -> (KeyRing, Resolution, String) {
    let golden: Value = serde_json::from_str(include_str!("../../../testdata/seals.json")).unwrap();
    let key = data_encoding::HEXLOWER
        .decode(golden["keyHex"].as_str().unwrap().as_bytes())
        .unwrap();
    let id = golden["keyId"].as_str().unwrap();
    let keys = KeyRing::new(id, [(id.to_owned(), key)]).unwrap();
    let resolution = serde_json::from_value(golden["resolution"]["payload"].clone()).unwrap();
    (
        keys,
        resolution,
        golden["resolution"]["text"].as_str().unwrap().to_owned(),
    )
}

#[test]
fn resolutions_are_as_in_the_golden_vectors() {
    let (keys, resolution, text) = golden();
    assert_eq!(resolution.sign(&keys, EPOCH), text);
    let seen = SeenPod {
        service_account: &resolution.service_account,
        ..SEEN
    };
    assert_eq!(
        Resolution::verify(&text, &keys, &seen).as_ref(),
        Ok(&resolution)
    );
}

type Change = fn(&mut SeenPod<'_>);

#[test]
fn a_replayed_resolution_is_not_valid() {
    let changes: [(&str, Change); 12] = [
        ("epoch", |seen| seen.epoch = "r3ltf7xmw2c6nsa5"),
        ("stack", |seen| seen.stack = "dev"),
        ("namespace", |seen| seen.namespace = "other"),
        ("requester", |seen| seen.requester = "mallory@acme.com"),
        ("credential", |seen| seen.credential = false),
        ("service account", |seen| seen.service_account = "default"),
        ("owner", |seen| seen.owner_uid = None),
        ("owner", |seen| seen.owner_uid = Some("another")),
        ("name", |seen| seen.name = "another"),
        ("generateName", |seen| seen.generate_name = Some("t-")),
        ("time", |seen| seen.now += 31),
        ("time", |seen| seen.now -= 31),
    ];
    let (keys, resolution, text) = golden();
    for (field, change) in changes {
        let mut seen = SeenPod {
            service_account: &resolution.service_account,
            ..SEEN
        };
        change(&mut seen);
        let different = match Resolution::verify(&text, &keys, &seen).unwrap_err() {
            SealError::Differs { field, .. } => field,
            SealError::Time { .. } => "time",
            SealError::Epoch => "epoch",
            other => panic!("{other}"),
        };
        assert_eq!(different, field);
    }
}

#[test]
fn a_resolution_of_this_request_is_valid_whatever_service_account_the_pod_names_now() {
    let (keys, resolution, text) = golden();
    let other = SeenPod {
        service_account: "metaflow",
        ..SEEN
    };
    let known = Resolution::verify_request(&text, &keys, &other);
    assert_eq!(known.as_ref(), Ok(&resolution));
    let of_another = SeenPod {
        owner_uid: None,
        ..other
    };
    assert!(Resolution::verify_request(&text, &keys, &of_another).is_err());
}

#[test]
fn a_stamp_is_not_a_resolution() {
    let (keys, _, _) = golden();
    let golden: Value = serde_json::from_str(include_str!("../../../testdata/seals.json")).unwrap();
    let stamp = golden["stamp"]["text"].as_str().unwrap();
    assert_eq!(
        Resolution::verify(stamp, &keys, &SEEN),
        Err(SealError::Forged)
    );
}

proptest! {
    #[test]
    fn a_tampered_resolution_never_verifies(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let (keys, resolution, text) = golden();
        let mut bytes = text.clone().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let tampered = String::from_utf8_lossy(&bytes);
        let seen = SeenPod { service_account: &resolution.service_account, ..SEEN };
        prop_assert!(tampered == text || Resolution::verify(&tampered, &keys, &seen).is_err());
    }
}
