//! google-auth, google-cloud-storage and google-api-python-client.

use namesake_sandbox::programs::google_clients;

use crate::google::{Google, run};
use crate::pod;

async fn python(google: &Google, name: &str, more: Vec<(String, String)>) {
    let found = tokio::task::spawn_blocking(|| google_clients::python(&mut |_| ()));
    let program = found.await.unwrap().unwrap().program();
    let client = google_clients::program_folder("python").join("client.py");
    let env = google.env().into_iter().chain(more).collect();
    let said = run(&program, &[&client.display().to_string(), name], env).await;
    assert_eq!(said, format!("ok {name}\n"));
}

#[tokio::test]
async fn python_deletes_an_object_and_hears_which_one_does_not_exist() {
    python(&Google::with_objects().await, "delete_object", Vec::new()).await;
}

#[tokio::test]
async fn python_lists_older_versions_of_an_object() {
    python(&Google::with_objects().await, "versions", Vec::new()).await;
}

#[tokio::test]
async fn python_is_refused_by_a_precondition_that_does_not_hold() {
    python(&Google::with_objects().await, "preconditions", Vec::new()).await;
}

#[tokio::test]
async fn python_sees_empty_managed_folders_in_a_listing() {
    python(
        &Google::with_objects().await,
        "folders_in_listings",
        Vec::new(),
    )
    .await;
}

#[tokio::test]
async fn python_makes_accounts_as_google_shows_them_and_cannot_write_policies_that_google_refuses()
{
    python(&Google::start().await, "accounts", Vec::new()).await;
}

#[tokio::test]
async fn python_makes_and_lists_roles() {
    python(&Google::start().await, "roles", Vec::new()).await;
}

#[tokio::test]
async fn python_grants_the_roles_only_that_a_condition_lets_it_grant() {
    python(&Google::start().await, "limited_grants", Vec::new()).await;
}

#[tokio::test]
async fn python_is_refused_a_project_for_its_quota_that_it_may_not_use() {
    python(&Google::start().await, "quota_project", Vec::new()).await;
}

#[tokio::test]
async fn python_verifies_signatures_and_id_tokens() {
    python(&Google::start().await, "signatures", Vec::new()).await;
}

#[tokio::test]
async fn python_in_a_pod_finds_account_access_token_and_id_token() {
    let google = Google::start().await;
    let server = pod::metadata_server(&google).await;
    python(&google, "metadata_server", server.env()).await;
}
