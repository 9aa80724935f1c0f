//! Digests of what an object would run: a stamp signs them, and what is created from the object later must have one of them.
//!
//! A digest does not depend on the order of members, nor on whether a value is absent, null or empty. The digest of a pod
//! template covers everything except what controllers, quotas and the API server fill in, so that it is the same before and
//! after that.

use std::fmt;

use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Serialize};

use crate::json::{Json, Text};

use super::hash_input::HashInput;

/// Bytes of the hash that are kept: 128 bits, for which no second text can be found.
const KEPT_BYTES: usize = 16;

/// The digest of what would run, in base32.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(String);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// Whether a member has the default that the API server fills in, and counts as absent. A member is here only if this value has the
// same meaning as its absence wherever a pod has a member of that name.
fn is_default(member: &str, value: &Json<'_>) -> bool {
    let text = |default: &str| matches!(value, Json::String(text) if text.as_str() == default);
    let number = |default: i64| value.as_i64() == Some(default);
    match member {
        "imagePullPolicy" => true,
        "enableServiceLinks" => *value == Json::Bool(true),
        "hostIPC" | "hostNetwork" | "hostPID" | "readOnly" | "stdin" | "tty" => {
            *value == Json::Bool(false)
        }
        "apiVersion" => text("v1"),
        "dnsPolicy" => text("ClusterFirst"),
        "protocol" => text("TCP"),
        "restartPolicy" => text("Always"),
        "schedulerName" => text("default-scheduler"),
        "scheme" => text("HTTP"),
        "terminationMessagePath" => text("/dev/termination-log"),
        "terminationMessagePolicy" => text("File"),
        "hostPort" | "initialDelaySeconds" => number(0),
        "successThreshold" | "timeoutSeconds" => number(1),
        "failureThreshold" => number(3),
        "periodSeconds" => number(10),
        "terminationGracePeriodSeconds" => number(30),
        "defaultMode" => number(420),
        "expirationSeconds" => number(3600),
        _ => false,
    }
}

/// Members of a pod's spec that say where it runs, not what; controllers and quotas fill them in.
const PLACEMENT: [&str; 7] = [
    "affinity",
    "nodeSelector",
    "schedulingGates",
    "serviceAccount",
    "subdomain",
    "tolerations",
    "topologySpreadConstraints",
];

/// Quantities, which the API server normalizes (`1000m` becomes `1`).
const QUANTITIES: [&str; 3] = ["limits", "requests", "sizeLimit"];

/// The domain of the labels and annotations that the JobSet controller adds to what it creates.
const JOBSET_DOMAIN: &str = "jobset.sigs.k8s.io";

/// Labels by which a Job finds its pods. The API server adds them to the template of a new Job.
const JOB_LABELS: [&str; 4] = [
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-name",
    "controller-uid",
    "job-name",
];

/// The digest of what a pod template runs.
#[must_use]
pub fn digest_of_pod_template(template: &Json<'_>) -> Digest {
    digest(template, &|key| !is_of_jobset(key))
}

/// The digest of what the pods of a Job run, the same before and after the API server adds labels to its template.
#[must_use]
pub fn digest_of_job_template(template: &Json<'_>) -> Digest {
    digest(template, &|key| {
        !is_of_jobset(key) && !JOB_LABELS.contains(&key)
    })
}

fn digest(template: &Json<'_>, counts: &dyn Fn(&str) -> bool) -> Digest {
    let (metadata, spec) = (template.get("metadata"), template.get("spec"));
    let mut writer = DigestWriter::new("pod-template");
    for keys in ["labels", "annotations"] {
        writer.value(metadata.get(keys), &|key, _| counts(key));
    }
    let named = |member| spec.get(member).non_empty_str();
    let account = named("serviceAccountName").or_else(|| named("serviceAccount"));
    writer.text(account.unwrap_or_default());
    match spec {
        Json::Object(members) => {
            let kept = |key: &str| !PLACEMENT.contains(&key) && key != "serviceAccountName";
            let counts_here = |key: &str, value: &Json<'_>| kept(key) && is_executed(key, value);
            writer.members(members, &counts_here, &is_executed);
        }
        other => writer.value(other, &is_executed),
    }
    writer.digest()
}

fn is_of_jobset(key: &str) -> bool {
    let domain = key.split_once('/').map_or("", |(domain, _)| domain);
    domain
        .strip_suffix(JOBSET_DOMAIN)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

fn is_executed(key: &str, value: &Json<'_>) -> bool {
    !QUANTITIES.contains(&key) && !is_default(key, value)
}

/// Decides by key and value whether a member counts.
type Counts<'a> = &'a dyn Fn(&str, &Json<'_>) -> bool;

/// Writes values into the input of a hash.
struct DigestWriter(HashInput);

impl DigestWriter {
    fn new(of: &str) -> DigestWriter {
        let mut writer = DigestWriter(HashInput::new(b"namesake/runs/v1\0"));
        writer.text(of);
        writer
    }

    fn digest(&self) -> Digest {
        let hash = self.0.sha256();
        let kept = hash.get(..KEPT_BYTES).unwrap_or(&hash);
        Digest(BASE32_NOPAD.encode(kept).to_ascii_lowercase())
    }

    fn text(&mut self, text: &str) {
        self.0.tagged_bytes(b's', text.as_bytes());
    }

    fn value(&mut self, value: &Json<'_>, counts: Counts<'_>) {
        if !self.value_unless_empty(value, counts) {
            self.0.tagged_bytes(b'0', b"");
        }
    }

    // Writes a value unless it is empty, and returns whether it did. `false` and 0 are not empty: no token mounted, user 0.
    fn value_unless_empty(&mut self, value: &Json<'_>, counts: Counts<'_>) -> bool {
        match value {
            Json::Null => return false,
            Json::Bool(yes) => self.0.tagged_bytes(b'b', &[u8::from(*yes)]),
            Json::Number(number) => self.0.tagged_bytes(b'n', number.to_string().as_bytes()),
            Json::String(text) if text.is_empty() => return false,
            Json::String(text) => self.text(text),
            Json::Array(all) if all.is_empty() => return false,
            Json::Array(all) => {
                self.0.tag_and_size(b'[', all.len());
                all.iter().for_each(|value| self.value(value, counts));
            }
            Json::Object(members) => {
                let before = self.0.size();
                let any = self.members(members, counts, counts);
                if !any {
                    self.0.truncate(before);
                }
                return any;
            }
        }
        true
    }

    // Writes the members that count and are not empty, and returns whether there are any. They are sorted by name already.
    fn members(
        &mut self,
        members: &[(Text<'_>, Json<'_>)],
        counts: Counts<'_>,
        counts_below: Counts<'_>,
    ) -> bool {
        let mut any = false;
        self.0.tagged_bytes(b'{', b"");
        for (key, value) in members {
            let before = self.0.size();
            if counts(key, value) {
                self.text(key);
                if self.value_unless_empty(value, counts_below) {
                    any = true;
                } else {
                    self.0.truncate(before);
                }
            }
        }
        self.0.tagged_bytes(b'}', b"");
        any
    }
}

#[cfg(test)]
pub(crate) mod tests;
