//! Objects of any kind from which pods are created.

use kube::api::{ListParams, ObjectList};
use serde_json::Value;

use crate::console::Progress;

/// How many objects the API server sends at once, unless the parameters say it.
const PAGE: u32 = 500;

/// Reads each page of a list with `list`, such as `Api::list`, and calls `each` with its objects.
pub(crate) async fn each_page<K: Clone>(
    list: impl AsyncFn(&ListParams) -> kube::Result<ObjectList<K>>,
    mut params: ListParams,
    progress: &mut Progress,
    mut each: impl FnMut(K),
) -> kube::Result<()> {
    params.limit.get_or_insert(PAGE);
    loop {
        let page = list(&params).await?;
        progress.add(page.items.len() as u64);
        page.items.into_iter().for_each(&mut each);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(()),
        }
    }
}

/// Whether a Job, JobSet or Workflow has ended.
pub(crate) fn has_ended(object: &Value) -> bool {
    let conditions = object
        .pointer("/status/conditions")
        .and_then(Value::as_array);
    let ends = |condition: &Value| {
        let is = |key: &str, words: &[&str]| {
            let text = condition[key].as_str().unwrap_or_default();
            words.contains(&text)
        };
        is("type", &["Complete", "Completed", "Failed"]) && is("status", &["True"])
    };
    let phase = object.pointer("/status/phase").and_then(Value::as_str);
    conditions.is_some_and(|all| all.iter().any(ends))
        || phase.is_some_and(|phase| ["Succeeded", "Failed", "Error"].contains(&phase))
}
