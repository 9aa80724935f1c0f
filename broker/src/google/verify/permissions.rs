//! Permissions that show whether a grant is effective: one or two that the role contains and that can be tested on the resource.

use namesake_gcp::Resource;

/// The permissions to test for a role. Google may change what a role contains; these have been in them from the start.
fn tested(role: &str) -> &'static [&'static str] {
    match role {
        "roles/storage.objectUser" | "roles/storage.objectAdmin" | "roles/storage.admin" => {
            &["storage.objects.get", "storage.objects.create"]
        }
        "roles/storage.objectViewer" => &["storage.objects.get"],
        "roles/storage.objectCreator" => &["storage.objects.create"],
        "roles/storage.legacyBucketReader" => &["storage.objects.list"],
        "roles/bigquery.user" | "roles/bigquery.jobUser" => &["bigquery.jobs.create"],
        "roles/bigquery.dataViewer" => &["bigquery.tables.getData"],
        "roles/aiplatform.user" => &["aiplatform.endpoints.predict"],
        "roles/viewer" => &["resourcemanager.projects.get"],
        "roles/logging.logWriter" => &["logging.logEntries.create"],
        _ => &[],
    }
}

/// The permissions to test for these roles on this resource. For an unknown role nothing is tested: the rest of the verification
/// shows that the identity itself works.
pub(super) fn of<'a>(
    resource: &Resource,
    roles: impl Iterator<Item = &'a str>,
) -> Vec<&'static str> {
    let storage = matches!(
        resource,
        Resource::Bucket { .. } | Resource::ManagedFolder { .. }
    );
    let mut wanted: Vec<_> = roles.flat_map(tested).copied().collect();
    wanted.retain(|permission| !storage || permission.starts_with("storage."));
    wanted.sort_unstable();
    wanted.dedup();
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_on_one_resource_are_tested_together_and_once() {
        let folder = Resource::ManagedFolder {
            bucket: "b".into(),
            folder: "f/".into(),
        };
        let roles = [
            "roles/storage.objectUser",
            "roles/storage.objectViewer",
            "roles/unknown",
        ];
        assert_eq!(
            of(&folder, roles.into_iter()),
            ["storage.objects.create", "storage.objects.get"]
        );
    }

    #[test]
    fn permissions_that_only_a_project_has_are_not_tested_on_a_bucket() {
        let bucket = Resource::Bucket { name: "b".into() };
        assert!(of(&bucket, ["roles/bigquery.user"].into_iter()).is_empty());
        let project = Resource::Project { id: "p".into() };
        assert_eq!(
            of(&project, ["roles/bigquery.user"].into_iter()),
            ["bigquery.jobs.create"]
        );
    }
}
