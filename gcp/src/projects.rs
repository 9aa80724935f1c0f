//! Projects.

use crate::transport::http::{Bearer, invalid, url};
use crate::transport::names::check_name;
use crate::{Error, Gcp, Rate};

impl Gcp {
    /// The number of a project, digits only. It is part of the names of principals without a GSA.
    ///
    /// # Errors
    /// `PermissionDenied` also if there is no such project: Google does not distinguish the two.
    pub async fn project_number(&self, project: &str) -> Result<String, Error> {
        check_name("project", project)?;
        let what = format!("read project {project}");
        let path = ["v3", "projects", project];
        let url = url(&self.endpoints.resource_manager, &path)?;
        let answer = self
            .retry()
            .idempotent(&what, Rate::ProjectRead.of(project), || {
                self.send(&what, self.http.get(url.clone()), Bearer::Ours)
            })
            .await?;
        let number = answer["name"]
            .as_str()
            .and_then(|name| name.strip_prefix("projects/"));
        number
            .filter(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
            .map(str::to_owned)
            .ok_or_else(|| invalid(&what, "the answer has no project number"))
    }
}
