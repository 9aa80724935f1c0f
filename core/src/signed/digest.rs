//! Digests of what an object would run: a stamp signs them, and what is made of the object later must show one of them.
//!
//! A digest does not depend on the order of members, nor on how "nothing" is written (absent, null, empty). The one of
//! a pod template covers everything but what controllers, quotas and the API server fill in by themselves, so that it
//! is the same before and after they did.

use std::fmt;

use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Serialize};

use crate::json::{Node, Text};

use super::hash_input::Gathered;

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

// What the API server writes, or leaves out, where nothing was written: members with these values count as absent.
// A member is here only if its value means the same as its absence wherever a pod has a member of that name.
fn filled_in(member: &str, value: &Node<'_>) -> bool {
    let text = |filled: &str| matches!(value, Node::Text(text) if text.as_str() == filled);
    let number = |filled: i64| value.whole() == Some(filled);
    match member {
        "imagePullPolicy" => true,
        "enableServiceLinks" => *value == Node::Bool(true),
        "hostIPC" | "hostNetwork" | "hostPID" | "readOnly" | "stdin" | "tty" => {
            *value == Node::Bool(false)
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

/// Labels by which a Job finds its pods. The API server writes them into the template of a new Job.
const JOB_LABELS: [&str; 4] = [
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-name",
    "controller-uid",
    "job-name",
];

/// The digest of what a pod template runs.
#[must_use]
pub fn digest_of_pod_template(template: &Node<'_>) -> Digest {
    digest(template, &|key| !is_jobsets(key))
}

/// The digest of what the pods of a Job run, the same before and after the API server labelled its template.
#[must_use]
pub fn digest_of_job_template(template: &Node<'_>) -> Digest {
    digest(template, &|key| {
        !is_jobsets(key) && !JOB_LABELS.contains(&key)
    })
}

fn digest(template: &Node<'_>, counts: &dyn Fn(&str) -> bool) -> Digest {
    let (metadata, spec) = (template.get("metadata"), template.get("spec"));
    let mut said = Said::new("pod-template");
    for keys in ["labels", "annotations"] {
        said.value(metadata.get(keys), &|key, _| counts(key));
    }
    let named = |member| spec.get(member).text();
    let account = named("serviceAccountName").or_else(|| named("serviceAccount"));
    said.text(account.unwrap_or_default());
    match spec {
        Node::Map(members) => {
            let kept = |key: &str| !PLACEMENT.contains(&key) && key != "serviceAccountName";
            let here = |key: &str, value: &Node<'_>| kept(key) && executes(key, value);
            said.members(members, &here, &executes);
        }
        other => said.value(other, &executes),
    }
    said.digest()
}

fn is_jobsets(key: &str) -> bool {
    let domain = key.split_once('/').map_or("", |(domain, _)| domain);
    domain
        .strip_suffix(JOBSET_DOMAIN)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

fn executes(key: &str, value: &Node<'_>) -> bool {
    !AMOUNTS.contains(&key) && !filled_in(key, value)
}

/// Which members count: by key and value.
type Counts<'a> = &'a dyn Fn(&str, &Node<'_>) -> bool;

struct Said(Gathered);

impl Said {
    fn new(of: &str) -> Said {
        let mut said = Said(Gathered::of(b"namesake/runs/v1\0"));
        said.text(of);
        said
    }

    fn digest(&self) -> Digest {
        let hash = self.0.hash();
        let kept = hash.get(..KEPT_BYTES).unwrap_or(&hash);
        Digest(BASE32_NOPAD.encode(kept).to_ascii_lowercase())
    }

    fn text(&mut self, text: &str) {
        self.0.bytes(b's', text.as_bytes());
    }

    fn value(&mut self, value: &Node<'_>, counts: Counts<'_>) {
        if !self.something(value, counts) {
            self.0.bytes(b'0', b"");
        }
    }

    // Writes a value, unless it says nothing. `false` and 0 are something: no token mounted, user 0.
    fn something(&mut self, value: &Node<'_>, counts: Counts<'_>) -> bool {
        match value {
            Node::Null => return false,
            Node::Bool(yes) => self.0.bytes(b'b', &[u8::from(*yes)]),
            Node::Number(number) => self.0.bytes(b'n', number.to_string().as_bytes()),
            Node::Text(text) if text.is_empty() => return false,
            Node::Text(text) => self.text(text),
            Node::List(all) if all.is_empty() => return false,
            Node::List(all) => {
                self.0.sized(b'[', all.len());
                all.iter().for_each(|value| self.value(value, counts));
            }
            Node::Map(members) => {
                let before = self.0.size();
                let any = self.members(members, counts, counts);
                if !any {
                    self.0.take_back(before);
                }
                return any;
            }
        }
        true
    }

    // Whether any of them says something. A tree has its members in order.
    fn members(
        &mut self,
        members: &[(Text<'_>, Node<'_>)],
        here: Counts<'_>,
        below: Counts<'_>,
    ) -> bool {
        let mut any = false;
        self.0.bytes(b'{', b"");
        for (key, value) in members {
            let before = self.0.size();
            if here(key, value) {
                self.text(key);
                if self.something(value, below) {
                    any = true;
                } else {
                    self.0.take_back(before);
                }
            }
        }
        self.0.bytes(b'}', b"");
        any
    }
}

#[cfg(test)]
pub(crate) mod tests;
