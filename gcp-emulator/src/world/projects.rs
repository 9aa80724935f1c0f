//! Projects, the services enabled in them, and long-running operations.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::world::World;
use crate::world::controls::clock::rfc3339;

/// The services of a new project: those that this emulator has (at Google it is another list).
const FIRST_SERVICES: [&str; 8] = [
    "cloudbilling.googleapis.com",
    "cloudresourcemanager.googleapis.com",
    "iam.googleapis.com",
    "iamcredentials.googleapis.com",
    "serviceusage.googleapis.com",
    "storage.googleapis.com",
    "storage-api.googleapis.com",
    "sts.googleapis.com",
];

/// A project.
#[derive(Clone, Debug)]
pub(crate) struct Project {
    pub(crate) id: String,
    pub(crate) number: u64,
    /// Name for people.
    pub(crate) name: String,
    /// `{"type", "id"}` of the folder or organization; null without one.
    pub(crate) parent: Value,
    pub(crate) labels: Map<String, Value>,
    pub(crate) created: Timestamp,
    /// Whether its deletion was requested.
    pub(crate) deleted: bool,
    /// `billingAccounts/…`; empty without one.
    pub(crate) billing_account: String,
    /// Names of the enabled services.
    pub(crate) services: BTreeSet<String>,
}

impl Project {
    pub(crate) fn new(id: &str, number: u64, created: Timestamp) -> Self {
        Self {
            id: id.to_owned(),
            number,
            name: id.to_owned(),
            parent: Value::Null,
            labels: Map::new(),
            created,
            deleted: false,
            billing_account: String::new(),
            services: FIRST_SERVICES.map(str::to_owned).into(),
        }
    }

    fn state(&self) -> &'static str {
        match self.deleted {
            true => "DELETE_REQUESTED",
            false => "ACTIVE",
        }
    }

    /// The project as Resource Manager v1 shows it; empty fields are omitted.
    pub(crate) fn render(&self) -> Value {
        let mut shown = json!({
            "projectId": self.id,
            "projectNumber": self.number.to_string(),
            "lifecycleState": self.state(),
            "name": self.name,
            "createTime": rfc3339(self.created),
        });
        if !self.labels.is_empty() {
            shown["labels"] = json!(self.labels);
        }
        if !self.parent.is_null() {
            shown["parent"] = self.parent.clone();
        }
        shown
    }

    /// The project as Resource Manager v3 shows it.
    pub(crate) fn render_v3(&self) -> Value {
        let mut shown = json!({
            "name": format!("projects/{}", self.number),
            "projectId": self.id,
            "displayName": self.name,
            "state": self.state(),
            "createTime": rfc3339(self.created),
        });
        if !self.labels.is_empty() {
            shown["labels"] = json!(self.labels);
        }
        let text = |name: &str| self.parent.get(name).and_then(Value::as_str);
        if let (Some(kind), Some(id)) = (text("type"), text("id")) {
            shown["parent"] = json!(format!("{kind}s/{id}"));
        }
        shown
    }
}

impl World {
    /// The project with this id or number; none if its deletion was requested.
    pub(crate) fn project(&self, name: &str) -> Option<&Project> {
        self.any_project(name).filter(|project| !project.deleted)
    }

    /// The project with this id or number, even if its deletion was requested.
    pub(crate) fn any_project(&self, name: &str) -> Option<&Project> {
        self.projects.get(name).or_else(|| {
            self.projects
                .values()
                .find(|project| project.number.to_string() == name)
        })
    }

    /// The number of a project; 0 if it does not exist.
    pub(crate) fn number(&self, project: &str) -> u64 {
        self.any_project(project)
            .map_or(0, |project| project.number)
    }

    /// Stores a finished operation and returns it as the call that started it does: not done yet.
    pub(crate) fn start_operation(&mut self, family: &str, response: &Value) -> Value {
        let id = self.random.unique_id();
        let name = format!("operations/{family}.{id}");
        let done = json!({"name": name, "done": true, "response": response});
        self.operations.insert(name.clone(), done);
        json!({ "name": name })
    }
}
