//! The uninstall in docs/operate.md, in the cluster and at Google.

use super::*;
use namesake_tests::google::gcloud::Gcloud;

const OPERATE: &str = "operate.md";
const GOOGLE: &str = "### 4. Delete the broker";

/// The URL paths of cluster-wide kinds, and of namespaced kinds in all namespaces.
const LISTS: [&str; 13] = [
    "/api/v1/namespaces",
    "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "/apis/rbac.authorization.k8s.io/v1/rolebindings",
    "/apis/scheduling.k8s.io/v1/priorityclasses",
    "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
    "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "/api/v1/serviceaccounts",
    "/api/v1/configmaps",
    "/api/v1/secrets",
];

impl Installation {
    async fn uninstall(&self) -> Result<()> {
        let nothing = "No resources found";
        let out = documents::commands(OPERATE, "### 1. Stop giving identities")?;
        self.run(ADMIN, &out[0]).await?;
        // Deletes running pods, because no kubelet finishes them here.
        self.run(ALICE, "kubectl -n try delete job hello").await?;
        eventually("no pod with an identity is left", async || {
            let said = self.run(ADMIN, &out[1]).await?;
            ensure!(said.contains(nothing), "{said}");
            Ok(())
        })
        .await?;
        let identities = documents::commands(OPERATE, "### 2. Delete the identities")?;
        self.run(ADMIN, &identities[0]).await?;
        let said = self.run(ADMIN, &identities[1]).await?;
        ensure!(said.contains(nothing), "{said}");
        let cluster = documents::commands(OPERATE, "### 3. Delete Namesake")?;
        self.run(ADMIN, &cluster[0]).await?;
        let said = self.run(ADMIN, &cluster[1]).await?;
        ensure!(said.matches(nothing).count() == 2, "{said}");
        Ok(())
    }

    async fn nothing_is_left(&self) -> Result<()> {
        let client = self.admin().await?;
        for path in LISTS {
            let left = ours(&client, path).await?;
            ensure!(left.is_empty(), "{path}: {left:?}");
        }
        let namespaces: Api<Namespace> = Api::all(client);
        for namespace in namespaces.list(&ListParams::default()).await? {
            let text =
                json!([namespace.metadata.labels, namespace.metadata.annotations]).to_string();
            ensure!(
                !text.contains("namesake.dev/"),
                "{:?}: {text}",
                namespace.metadata.name
            );
        }
        Ok(())
    }

    /// The remaining GSAs, and our members in the policies of projects, buckets and folders.
    fn left_at_google(&self) -> Vec<String> {
        let listing = self.stack.google().state().listing();
        let policies = listing["policies"].as_object().into_iter().flatten();
        let of_accounts = |name: &str| name.contains("/serviceAccounts/");
        let policies = policies.filter(|(name, _)| !of_accounts(name));
        let naming = |text: &str| {
            ["namesake-broker@acme-identities", "/mf-", ":mf-"]
                .iter()
                .any(|word| text.contains(word))
        };
        let policies = policies.map(|(name, policy)| format!("{name}: {}", policy["bindings"]));
        let mut left: Vec<_> = policies.filter(|text| naming(text)).collect();
        let accounts = listing["serviceAccounts"].as_array().into_iter().flatten();
        let alive = accounts.filter(|account| account["deleted"].is_null());
        left.extend(alive.map(|account| account["email"].to_string()));
        left
    }
}

#[test]
fn the_uninstall_of_the_documents_leaves_nothing_in_the_cluster_and_nothing_at_google() -> Result<()>
{
    runtime().block_on(async {
        let installation = Installation::new().await?;
        let google = Arc::clone(installation.stack.google());
        let mut gcloud = Gcloud::of(&google)?;
        // The harness already has an account of this name.
        let broker = "/v1/projects/acme-identities/serviceAccounts/namesake-broker@acme-identities.iam.gserviceaccount.com";
        ensure!(google.request_as_owner("DELETE", broker, &Value::Null).await == 200);
        for step in ["## 1. Google", "## 2. Google"] {
            for block in documents::commands(INSTALL, step)? {
                gcloud.run(&block).await?;
            }
        }
        ensure!(!gcloud.enabled.is_empty());
        installation.first_namespace().await?;
        let before = installation.left_at_google();
        ensure!(before.len() >= 4, "folders, broker, alice: {before:?}");
        installation.uninstall().await?;
        installation.nothing_is_left().await?;
        ensure!(google.accounts().is_empty(), "{:?}", google.accounts());
        for block in documents::commands(OPERATE, GOOGLE)? {
            gcloud.run(&block).await?;
        }
        let left = installation.left_at_google();
        ensure!(left.is_empty(), "{left:#?}");
        installation.stack.stop().await
    })
}
