//! google-auth-library and gcp-metadata.

use namesake_sandbox::programs::google_clients;

use crate::google::{Google, run};
use crate::pod;

#[tokio::test]
async fn node_in_a_pod_finds_the_metadata_server_account_access_token_and_id_token() {
    let google = Google::start().await;
    let server = pod::metadata_server(&google).await;
    let found = tokio::task::spawn_blocking(|| google_clients::node(&mut |_| ()));
    let node = found.await.unwrap().unwrap();
    let modules = (
        "NODE_PATH".to_owned(),
        node.folder.join("node_modules").display().to_string(),
    );
    let env = google.env().into_iter().chain(server.env());
    let env = env.chain([modules]).collect();
    let client = google_clients::program_folder("node").join("client.cjs");
    let said = run(&node.program, &[&client.display().to_string()], env).await;
    assert_eq!(said, "ok\n");
}
