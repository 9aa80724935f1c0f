//! The pods that recorded requests created.

use serde_json::Value;

/// The requests that created pods.
pub(super) fn created(requests: &[Value]) -> impl Iterator<Item = &Value> {
    requests.iter().filter(|r| creates(r, "pods"))
}

/// The name of the object of a request.
pub(super) fn name(request: &Value) -> String {
    let name = request["object"]["metadata"]["name"].as_str();
    name.unwrap_or_default().to_owned()
}

/// The first pod of each Workflow that runs a template, in the order of creation. Argo stores the merged spec of such a Workflow
/// only after its first pod.
pub(super) fn first_of_runs_of_templates(requests: &[Value]) -> Vec<String> {
    let workflows = requests.iter().filter(|r| creates(r, "workflows"));
    let runs = workflows.filter(|r| r["object"]["spec"].get("workflowTemplateRef").is_some());
    let first = runs.filter_map(|run| {
        let uid = &run["object"]["metadata"]["uid"];
        let mut pods = created(requests);
        let owner = |pod: &Value| pod["object"]["metadata"]["ownerReferences"][0]["uid"].clone();
        pods.find(|pod| owner(pod) == *uid).map(name)
    });
    first.collect()
}

fn creates(request: &Value, plural: &str) -> bool {
    request["operation"] == "CREATE"
        && request["resource"]["resource"] == plural
        && request.get("subResource").is_none()
}
