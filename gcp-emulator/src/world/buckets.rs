//! Buckets: their settings, and the policy of a new one.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::world::World;
use crate::world::controls::clock::rfc3339;
use crate::world::members::Member;
use crate::world::policies::Binding;
use crate::world::resource::Resource;

/// The fields of a bucket that are kept as a client wrote them. Of these only `versioning` has an effect here.
const SETTINGS: [&str; 17] = [
    "autoclass",
    "billing",
    "cors",
    "customPlacementConfig",
    "defaultEventBasedHold",
    "encryption",
    "hierarchicalNamespace",
    "ipFilter",
    "labels",
    "lifecycle",
    "logging",
    "retentionPolicy",
    "rpo",
    "softDeletePolicy",
    "storageClass",
    "versioning",
    "website",
];

/// A bucket and its managed folders.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    pub(crate) name: String,
    pub(crate) project: String,
    /// Uniform bucket-level access.
    pub(crate) uniform: bool,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
    /// Number of changes of the metadata.
    pub(crate) metageneration: u64,
    /// In upper case.
    location: String,
    /// `inherited` or `enforced`.
    public_access_prevention: String,
    /// What a client wrote into the fields that are kept as they are.
    settings: Map<String, Value>,
    /// Managed folders, with their time of creation.
    pub(crate) folders: BTreeMap<String, Timestamp>,
}

impl Bucket {
    pub(crate) fn new(name: &str, project: &str, uniform: bool, created: Timestamp) -> Self {
        Self {
            name: name.to_owned(),
            project: project.to_owned(),
            uniform,
            created,
            updated: created,
            metageneration: 1,
            location: "US".to_owned(),
            public_access_prevention: "inherited".to_owned(),
            settings: Map::from_iter([
                ("storageClass".to_owned(), json!("STANDARD")),
                ("softDeletePolicy".to_owned(), soft_delete(created)),
            ]),
            folders: BTreeMap::new(),
        }
    }

    /// Sets the location of a new bucket.
    pub(crate) fn set_location(&mut self, location: &str) {
        if !location.is_empty() {
            self.location = location.to_ascii_uppercase();
        }
    }

    /// Changes the settings as a client wrote them, at `now`: null removes one, objects are merged.
    pub(crate) fn write_settings(&mut self, body: &Value, now: Timestamp) {
        for name in SETTINGS {
            if let Some(value) = body.get(name) {
                merge_field(&mut self.settings, name, value);
                self.settle(name, now);
            }
        }
        let prevention = body.pointer("/iamConfiguration/publicAccessPrevention");
        if let Some(prevention) = prevention.and_then(Value::as_str) {
            prevention.clone_into(&mut self.public_access_prevention);
        }
        self.updated = now;
    }

    /// Whether older versions of its objects are kept, if somebody has set it.
    pub(crate) fn versioned(&self) -> Option<bool> {
        self.settings.get("versioning")?.get("enabled")?.as_bool()
    }

    /// Adds what the server decides in a setting that was just written.
    fn settle(&mut self, name: &str, now: Timestamp) {
        let Some(setting) = self.settings.get_mut(name) else {
            if name == "softDeletePolicy" {
                self.settings.insert(name.to_owned(), soft_delete(now));
            }
            return;
        };
        let length = match name {
            "softDeletePolicy" => "retentionDurationSeconds",
            "retentionPolicy" => "retentionPeriod",
            _ => return,
        };
        // 64-bit numbers are strings in JSON; a client may send either.
        if let Some(seconds) = setting.get(length).and_then(Value::as_u64) {
            setting[length] = json!(seconds.to_string());
        }
        setting["effectiveTime"] = json!(rfc3339(now));
    }

    fn location_type(&self) -> &'static str {
        match self.location.as_str() {
            "US" | "EU" | "ASIA" => "multi-region",
            _ if self.settings.contains_key("customPlacementConfig") => "dual-region",
            "NAM4" | "EUR4" | "EUR5" | "EUR7" | "EUR8" | "ASIA1" => "dual-region",
            _ => "region",
        }
    }

    /// The JSON of the bucket; `base` is the URL that the client used.
    pub(crate) fn render(&self, number: u64, base: &str) -> Value {
        let mut shown = json!({
            "kind": "storage#bucket",
            "id": self.name,
            "selfLink": format!("{base}/storage/v1/b/{}", self.name),
            "name": self.name,
            "projectNumber": number.to_string(),
            "metageneration": self.metageneration.to_string(),
            "location": self.location,
            "locationType": self.location_type(),
            "etag": "CAE=",
            "timeCreated": rfc3339(self.created),
            "updated": rfc3339(self.updated),
            "iamConfiguration": {
                "bucketPolicyOnly": {"enabled": self.uniform},
                "uniformBucketLevelAccess": {"enabled": self.uniform},
                "publicAccessPrevention": self.public_access_prevention,
            },
        });
        for (name, value) in &self.settings {
            shown[name] = value.clone();
        }
        if self.location_type() != "region" && !self.settings.contains_key("rpo") {
            shown["rpo"] = json!("DEFAULT");
        }
        shown
    }
}

/// The soft delete policy of a bucket that has no other: seven days.
fn soft_delete(since: Timestamp) -> Value {
    json!({"retentionDurationSeconds": "604800", "effectiveTime": rfc3339(since)})
}

/// Writes a field as a JSON merge patch does.
fn merge_field(target: &mut Map<String, Value>, name: &str, patch: &Value) {
    match patch {
        Value::Null => {
            target.remove(name);
        }
        Value::Object(fields) => {
            let place = target.entry(name).or_insert(Value::Null);
            if !place.is_object() {
                *place = json!({});
            }
            if let Some(inner) = place.as_object_mut() {
                for (name, value) in fields {
                    merge_field(inner, name, value);
                }
            }
        }
        other => {
            target.insert(name.to_owned(), other.clone());
        }
    }
}

/// The grants of a new bucket: role, basic role of the project, and whether only with uniform access.
const INITIAL_GRANTS: [(&str, &str, bool); 6] = [
    ("roles/storage.legacyBucketOwner", "projectEditor", false),
    ("roles/storage.legacyBucketOwner", "projectOwner", false),
    ("roles/storage.legacyBucketReader", "projectViewer", false),
    ("roles/storage.legacyObjectOwner", "projectEditor", true),
    ("roles/storage.legacyObjectOwner", "projectOwner", true),
    ("roles/storage.legacyObjectReader", "projectViewer", true),
];

impl World {
    /// Adds a bucket with the policy of a new bucket.
    pub(crate) fn add_bucket(&mut self, bucket: Bucket, since: Timestamp) {
        let mut bindings: Vec<Binding> = Vec::new();
        for (role, member, uniform_only) in INITIAL_GRANTS {
            if uniform_only && !bucket.uniform {
                continue;
            }
            let member = Member::convenience_member(member, &bucket.project);
            match bindings.iter_mut().find(|binding| binding.role == role) {
                Some(binding) => binding.members.push(member),
                None => bindings.push(Binding {
                    role: role.to_owned(),
                    members: vec![member],
                    condition: None,
                }),
            }
        }
        let resource = Resource::Bucket(bucket.name.clone());
        self.policies.set_first(&resource, bindings, since);
        self.buckets.insert(bucket.name.clone(), bucket);
    }
}
