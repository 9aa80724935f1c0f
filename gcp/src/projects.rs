//! Projects.

use crate::transport::http::{Bearer, invalid, url};
use crate::transport::names::check_name;
use crate::transport::retry::Counted;
use crate::{Error, Gcp, Rate};

impl Gcp {
    /// The number of a project, digits only. Principals without a GSA are named by it.
    ///
    /// # Errors
    /// `PermissionDenied` also when there is no such project: Google does not tell the two apart.
    pub async fn project_number(&self, project: &str) -> Result<String, Error> {
        check_name("project", project)?;
        let what = format!("read project {project}");
        let url = url(
            &self.endpoints.resource_manager,
            &["v3", "projects", project],
        )?;
        let counted = Counted {
            rate: Rate::ProjectRead,
            whose: project,
        };
        let answer = self
            .retry()
            .idempotent(&what, counted, || {
                self.send(&what, self.http.get(url.clone()), Bearer::Ours)
            })
            .await?;
        let number = answer["name"]
            .as_str()
            .and_then(|n| n.strip_prefix("projects/"));
        number
            .filter(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
            .map(str::to_owned)
            .ok_or_else(|| invalid(&what, "the answer has no project number"))
    }
}
