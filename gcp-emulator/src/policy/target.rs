//! The target of a permission check.

use crate::world::World;
use crate::world::resource::Resource;

/// What a permission is checked on: a resource with those that contain it, and the attributes that conditions see.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// The resource and those that contain it, from the inside out.
    pub(crate) chain: Vec<Resource>,
    pub(crate) name: String,
    /// The name for errors, as it was in the request, so that an error does not reveal whether the resource exists.
    pub(crate) shown: Option<String>,
    /// The roles whose bindings a setIamPolicy call changes; `None` for any other call.
    pub(crate) modified_roles: Option<Vec<String>>,
    pub(crate) kind: &'static str,
    pub(crate) service: &'static str,
    pub(crate) list_prefix: Option<String>,
}

impl Target {
    /// `resource` itself, within its project if that is known.
    pub(crate) fn of(resource: &Resource, world: &World) -> Self {
        let (service, kind) = resource.kind();
        let project = match resource {
            Resource::Project(_) => None,
            Resource::ServiceAccount { project, .. } => Some(project.clone()),
            Resource::Bucket(bucket) | Resource::ManagedFolder { bucket, .. } => world
                .buckets
                .get(bucket)
                .map(|bucket| bucket.project.clone()),
        };
        let mut chain = vec![resource.clone()];
        if let Resource::ManagedFolder { bucket, folder } = resource {
            chain.extend(outer_folders(world, bucket, folder));
            chain.push(Resource::Bucket(bucket.clone()));
        }
        chain.extend(project.map(Resource::Project));
        Self {
            chain,
            name: resource.full_name(),
            shown: None,
            modified_roles: None,
            kind,
            service,
            list_prefix: None,
        }
    }

    /// The same target with this name in errors.
    pub(crate) fn shown_as(self, name: &str) -> Self {
        Self {
            shown: Some(name.to_owned()),
            ..self
        }
    }
}

/// The managed folders that contain `folder`.
fn outer_folders(world: &World, bucket: &str, folder: &str) -> Vec<Resource> {
    let Some(parent) = world.buckets.get(bucket) else {
        return Vec::new();
    };
    let outer = parent
        .folders
        .keys()
        .filter(|outer| *outer != folder && folder.starts_with(outer.as_str()));
    outer
        .map(|outer| Resource::ManagedFolder {
            bucket: bucket.to_owned(),
            folder: outer.clone(),
        })
        .collect()
}
