//! google.golang.org/api.

use namesake_sandbox::programs::google_clients;

use crate::google::{Google, run};

async fn go(google: &Google, name: &str) {
    let built = tokio::task::spawn_blocking(|| google_clients::go(&mut |_| ()));
    let program = built.await.unwrap().unwrap();
    let said = run(&program, &[name], google.env()).await;
    assert_eq!(said, format!("ok {name}\n"));
}

#[tokio::test]
async fn go_is_refused_by_a_precondition_that_does_not_hold_and_hears_which_object_does_not_exist()
{
    go(&Google::with_objects().await, "preconditions").await;
}

#[tokio::test]
async fn go_sees_empty_managed_folders_deletes_them_and_cannot_nest_them_deeper_than_google() {
    go(&Google::with_objects().await, "folders").await;
}

#[tokio::test]
async fn go_reads_accounts_as_google_shows_them_and_refusals_that_do_not_tell_what_exists() {
    go(&Google::start().await, "accounts").await;
}

#[tokio::test]
async fn go_is_refused_a_project_for_its_quota_that_it_may_not_use() {
    go(&Google::start().await, "quotaProject").await;
}
