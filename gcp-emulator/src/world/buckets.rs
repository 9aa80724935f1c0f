//! Buckets, and the policy of a new one.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::world::World;
use crate::world::controls::clock::rfc3339;
use crate::world::members::Member;
use crate::world::policies::Binding;
use crate::world::resource::Resource;

/// A bucket and its managed folders.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    pub(crate) name: String,
    pub(crate) project: String,
    /// Uniform bucket-level access.
    pub(crate) uniform: bool,
    pub(crate) created: Timestamp,
    /// Number of changes of the metadata.
    pub(crate) metageneration: u64,
    pub(crate) labels: Value,
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
            metageneration: 1,
            labels: Value::Null,
            folders: BTreeMap::new(),
        }
    }

    /// The JSON of the bucket; `base` is the URL that the client used.
    pub(crate) fn render(&self, number: u64, base: &str) -> Value {
        let mut bucket = json!({
            "kind": "storage#bucket",
            "id": self.name,
            "selfLink": format!("{base}/storage/v1/b/{}", self.name),
            "name": self.name,
            "projectNumber": number.to_string(),
            "metageneration": self.metageneration.to_string(),
            "location": "US",
            "locationType": "multi-region",
            "storageClass": "STANDARD",
            "etag": "CAE=",
            "timeCreated": rfc3339(self.created),
            "updated": rfc3339(self.created),
            "iamConfiguration": {
                "bucketPolicyOnly": {"enabled": self.uniform},
                "uniformBucketLevelAccess": {"enabled": self.uniform},
                "publicAccessPrevention": "inherited",
            },
        });
        if let (Some(bucket), Value::Object(_)) = (bucket.as_object_mut(), &self.labels) {
            bucket.insert("labels".to_owned(), self.labels.clone());
        }
        bucket
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
