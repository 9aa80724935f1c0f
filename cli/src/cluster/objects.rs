//! Objects of any kind from which pods are created.

use kube::api::{ListParams, ObjectList};
pub(crate) use namesake_webhook::decide::kinds::{has_ended, is_child};

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
