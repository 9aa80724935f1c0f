//! Digests of what an object would run: a stamp signs them, and what is made of the object later must show one of them.
//!
//! A digest does not depend on the order of members, nor on how "nothing" is written (absent, null, empty). The one of
//! a pod template covers everything but what controllers, quotas and the API server fill in by themselves, so that it
//! is the same before and after they did.

use std::fmt;

use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// How many bytes of the hash are kept: nobody finds a second text for one of 2^128.
const KEPT_BYTES: usize = 16;

/// What would run, as one word.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(String);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the API server writes, or leaves out, where nothing was written: members with these values count as absent.
/// A member is here only if its value means the same as its absence wherever a pod has a member of that name.
const FILLED_IN: [(&str, Filled); 25] = [
    ("apiVersion", Filled::Text("v1")),
    ("defaultMode", Filled::Number(420)),
    ("dnsPolicy", Filled::Text("ClusterFirst")),
    ("enableServiceLinks", Filled::Bool(true)),
    ("expirationSeconds", Filled::Number(3600)),
    ("failureThreshold", Filled::Number(3)),
    ("hostIPC", Filled::Bool(false)),
    ("hostNetwork", Filled::Bool(false)),
    ("hostPID", Filled::Bool(false)),
    ("hostPort", Filled::Number(0)),
    ("imagePullPolicy", Filled::Anything),
    ("initialDelaySeconds", Filled::Number(0)),
    ("periodSeconds", Filled::Number(10)),
    ("protocol", Filled::Text("TCP")),
    ("readOnly", Filled::Bool(false)),
    ("restartPolicy", Filled::Text("Always")),
    ("schedulerName", Filled::Text("default-scheduler")),
    ("scheme", Filled::Text("HTTP")),
    ("stdin", Filled::Bool(false)),
    ("successThreshold", Filled::Number(1)),
    ("terminationGracePeriodSeconds", Filled::Number(30)),
    (
        "terminationMessagePath",
        Filled::Text("/dev/termination-log"),
    ),
    ("terminationMessagePolicy", Filled::Text("File")),
    ("timeoutSeconds", Filled::Number(1)),
    ("tty", Filled::Bool(false)),
];

/// Members of a pod's spec that say where and how big it runs, not what; controllers and quotas fill them in.
const PLACEMENT: [&str; 7] = [
    "affinity",
    "nodeSelector",
    "schedulingGates",
    "serviceAccount",
    "subdomain",
    "tolerations",
    "topologySpreadConstraints",
];

/// Amounts, which the API server writes in its own way (`1000m` is `1`).
const AMOUNTS: [&str; 3] = ["limits", "requests", "sizeLimit"];

/// The domain of the labels and annotations that the JobSet controller adds to what it makes.
const JOBSET_DOMAIN: &str = "jobset.sigs.k8s.io";

enum Filled {
    Text(&'static str),
    Number(i64),
    Bool(bool),
    Anything,
}

impl Filled {
    fn is(&self, value: &Value) -> bool {
        match self {
            Filled::Text(text) => value.as_str() == Some(text),
            Filled::Number(number) => value.as_i64() == Some(*number),
            Filled::Bool(yes) => value.as_bool() == Some(*yes),
            Filled::Anything => true,
        }
    }
}

/// The digest of a value: any, whole.
#[must_use]
pub fn digest_of(value: &Value) -> Digest {
    let mut hash = Hash::new("value");
    hash.value(value, &|_, _| true);
    hash.end()
}

/// The digest of several named parts of one object.
#[must_use]
pub fn digest_of_parts(parts: &[(&str, &Value)]) -> Digest {
    let mut hash = Hash::new("parts");
    for (name, value) in parts {
        hash.text(name);
        hash.value(value, &|_, _| true);
    }
    hash.end()
}

/// The digest of what a pod template runs.
#[must_use]
pub fn digest_of_pod_template(template: &Value) -> Digest {
    let nothing = Value::Null;
    let at = |pointer| template.pointer(pointer).unwrap_or(&nothing);
    let mut hash = Hash::new("pod-template");
    for keys in ["/metadata/labels", "/metadata/annotations"] {
        hash.value(at(keys), &|key, _| !is_jobsets(key));
    }
    let named = |pointer| at(pointer).as_str().filter(|name| !name.is_empty());
    let account = named("/spec/serviceAccountName").or(named("/spec/serviceAccount"));
    hash.text(account.unwrap_or_default());
    match at("/spec") {
        Value::Object(spec) => {
            let kept = |key: &str| !PLACEMENT.contains(&key) && key != "serviceAccountName";
            hash.members(
                spec,
                &|key, value| kept(key) && executes(key, value),
                &executes,
            );
        }
        other => hash.value(other, &executes),
    }
    hash.end()
}

fn is_jobsets(key: &str) -> bool {
    let domain = key.split_once('/').map_or("", |(domain, _)| domain);
    domain
        .strip_suffix(JOBSET_DOMAIN)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

fn executes(key: &str, value: &Value) -> bool {
    let mut filled_in = FILLED_IN.iter();
    !AMOUNTS.contains(&key) && !filled_in.any(|(name, filled)| *name == key && filled.is(value))
}

/// Which members count: by key and value.
type Counts<'a> = &'a dyn Fn(&str, &Value) -> bool;

struct Hash(Sha256);

impl Hash {
    fn new(of: &str) -> Hash {
        let mut hash = Hash(Sha256::new_with_prefix(b"namesake/runs/v1\0"));
        hash.text(of);
        hash
    }

    fn end(self) -> Digest {
        let hash = self.0.finalize();
        let kept = hash.get(..KEPT_BYTES).unwrap_or(&hash);
        Digest(BASE32_NOPAD.encode(kept).to_ascii_lowercase())
    }

    fn text(&mut self, text: &str) {
        self.tagged(b's', text.as_bytes());
    }

    // Tag and length before the bytes: no two different values are written alike.
    fn tagged(&mut self, tag: u8, bytes: &[u8]) {
        let mut head = [tag; 9];
        if let Some(length) = head.get_mut(1..) {
            length.copy_from_slice(&(bytes.len() as u64).to_be_bytes());
        }
        self.0.update(head);
        self.0.update(bytes);
    }

    fn value(&mut self, value: &Value, counts: Counts<'_>) {
        if is_nothing(value, counts) {
            return self.tagged(b'0', b"");
        }
        match value {
            Value::Null => {}
            Value::Bool(yes) => self.tagged(b'b', &[u8::from(*yes)]),
            Value::Number(number) => self.tagged(b'n', number.to_string().as_bytes()),
            Value::String(text) => self.text(text),
            Value::Array(all) => {
                self.tagged(b'[', &(all.len() as u64).to_be_bytes());
                all.iter().for_each(|value| self.value(value, counts));
            }
            Value::Object(members) => self.members(members, counts, counts),
        }
    }

    // `Map` keeps its keys in order (serde_json without `preserve_order`).
    fn members(&mut self, members: &Map<String, Value>, here: Counts<'_>, below: Counts<'_>) {
        self.tagged(b'{', b"");
        for (key, value) in members {
            if here(key, value) && !is_nothing(value, below) {
                self.text(key);
                self.value(value, below);
            }
        }
        self.tagged(b'}', b"");
    }
}

// `false` and 0 are something: no token mounted, user 0.
fn is_nothing(value: &Value, counts: Counts<'_>) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(_) | Value::Number(_) => false,
        Value::String(text) => text.is_empty(),
        Value::Array(all) => all.is_empty(),
        Value::Object(members) => members
            .iter()
            .all(|(key, value)| !counts(key, value) || is_nothing(value, counts)),
    }
}

#[cfg(test)]
mod tests;
