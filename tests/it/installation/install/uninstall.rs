//! The uninstall in docs/uninstall.md, in the cluster and at Google.

use std::collections::BTreeSet;

use super::*;
use namesake_tests::{
    drafts, google::gcloud::Gcloud, namespace::TestNamespace, stack::SHARED_RULES,
};

const UNINSTALL: &str = "uninstall.md";
const GOOGLE: &str = "## 4. Delete the broker";
/// A second stack of the cluster, and the namespace that is opted in to it.
const GREEN: &str = "green";
const LAB: &str = "lab";

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
    /// Uninstalls a stack whose overlay has this name, up to what all stacks share.
    async fn uninstall(&self, stack: &str, overlay: &str) -> Result<()> {
        let nothing = "No resources found";
        let section = |heading: &str| {
            let blocks = documents::commands(UNINSTALL, heading)?.into_iter();
            let named = blocks.map(|block| {
                let block = block.replace("=prod", &format!("={stack}"));
                let block = block.replace("\"prod\"", &format!("\"{stack}\""));
                block.replace("overlays/acme", &format!("overlays/{overlay}"))
            });
            anyhow::Ok(named.collect::<Vec<_>>())
        };
        let out = section("## 1. Stop giving identities")?;
        self.run(ADMIN, &out[0]).await?;
        // Deletes running pods, because no kubelet finishes them here.
        for namespace in ["try", LAB] {
            let delete =
                format!("kubectl -n {namespace} delete jobs,pods --all --grace-period=0 --force");
            if fs::read_to_string(self.folder.path().join("opted-in.txt"))?.contains(namespace) {
                self.run(ADMIN, &delete).await?;
            }
        }
        eventually("no pod with an identity is left", async || {
            let said = self.run(ADMIN, &out[1]).await?;
            ensure!(said.contains(nothing) && !said.contains("NAME"), "{said}");
            Ok(())
        })
        .await?;
        let identities = section("## 2. Delete the identities")?;
        self.run(ADMIN, &identities[0]).await?;
        self.run(ADMIN, &identities[1]).await?;
        let all: Api<Identity> = Api::all(self.admin().await?);
        let left = all.list(&ListParams::default()).await?.items;
        ensure!(left.iter().all(|one| one.spec.stack != stack), "{left:?}");
        let cluster = section("## 3. Delete Namesake")?;
        self.run(ADMIN, &cluster[0]).await?;
        let said = self.run(ADMIN, &cluster[1]).await?;
        ensure!(said.contains(nothing), "{said}");
        Ok(())
    }

    /// Deletes what all stacks share.
    async fn uninstall_the_rest(&self) -> Result<()> {
        let cluster = documents::commands(UNINSTALL, "## 3. Delete Namesake")?;
        self.run(ADMIN, &cluster[2]).await?;
        let said = self.run(ADMIN, &cluster[3]).await?;
        ensure!(said.matches("No resources found").count() == 2, "{said}");
        Ok(())
    }

    /// What is left in the cluster that could be ours, by the path of its kind.
    async fn left_in_cluster(&self) -> Result<BTreeSet<String>> {
        let client = self.admin().await?;
        let mut left = BTreeSet::new();
        for path in LISTS {
            let names = ours(&client, path).await?.into_iter();
            left.extend(names.map(|name| format!("{path} {name}")));
        }
        Ok(left)
    }

    async fn nothing_is_left(&self) -> Result<()> {
        let left = self.left_in_cluster().await?;
        ensure!(left.is_empty(), "{left:?}");
        let client = self.admin().await?;
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

/// A cluster-wide object as [`Installation::left_in_cluster`] names it, without the path before its kind.
fn in_lists(object: &Value) -> String {
    let kind = object["kind"].as_str().unwrap_or_default().to_lowercase();
    let plural = match kind.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None if kind.ends_with('s') => format!("{kind}es"),
        None => format!("{kind}s"),
    };
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    format!("{plural} /{name}")
}

/// Runs a pod as alice in the namespace of the second stack, and returns the name of her identity.
async fn runs_in_lab(lab: &TestNamespace) -> Result<String> {
    let made = lab.alice().await?.create::<Pod>(drafts::pod()).await?;
    lab.wait_until_ungated(&made).await?;
    Ok(account_of(&made).to_owned())
}

#[test]
fn the_uninstall_of_the_documents_leaves_other_stacks_whole_and_of_the_last_nothing_is_left()
-> Result<()> {
    runtime().block_on(async {
        let installation = Installation::new().await?;
        let google = Arc::clone(installation.stack.google());
        let mut gcloud = Gcloud::of(&google);
        // The harness already has an account of this name.
        let broker = "/v1/projects/acme-identities/serviceAccounts/namesake-broker@acme-identities.iam.gserviceaccount.com";
        ensure!(google.request_as_owner("DELETE", broker, &Value::Null).await == 200);
        for step in ["### 1. Google", "### 2. Google"] {
            for block in documents::commands(INSTALL, step)? {
                gcloud.run(&block).await?;
            }
        }
        ensure!(!gcloud.enabled.is_empty());
        let control_plane = &installation.stack.cluster().control_plane;
        let shared = manifests::objects(&manifests::rendered(control_plane, "cluster")?)?;
        let shared: BTreeSet<_> = shared.iter().map(in_lists).collect();
        installation.first_namespace().await?;
        let before = installation.left_at_google();
        ensure!(before.len() >= 4, "folders, broker, alice: {before:?}");
        let rules = SHARED_RULES.replacen("\nstack: prod\n", &format!("\nstack: {GREEN}\n"), 1);
        let options = Options {
            rules,
            ..Options::default()
        };
        let green = Stack::start_beside(&installation.stack, GREEN, options).await?;
        manifests::overlay_beside(installation.folder.path(), GREEN)?;
        let lab = TestNamespace::create_in(Arc::clone(&green), LAB).await?;
        let alice = runs_in_lab(&lab).await?;

        installation.uninstall(BLUE, "acme").await?;
        let mut left = installation.left_in_cluster().await?;
        left.retain(|name| {
            let is_shared = shared.iter().any(|one| name.ends_with(&format!("/{one}")));
            !is_shared && !name.contains(GREEN) && !name.contains(" lab/")
        });
        ensure!(left.is_empty(), "{left:?}");
        ensure!(google.accounts_of("try").is_empty());
        ensure!(google.accounts_of(LAB).len() == 1);
        ensure!(runs_in_lab(&lab).await? == alice, "alice has another identity");
        let bob = lab.bob().await?.create::<Pod>(drafts::pod()).await?;
        lab.wait_until_ungated(&bob).await?;

        installation.uninstall(GREEN, GREEN).await?;
        installation.uninstall_the_rest().await?;
        lab.delete().await?;
        installation.nothing_is_left().await?;
        ensure!(google.accounts().is_empty(), "{:?}", google.accounts());
        for block in documents::commands(UNINSTALL, GOOGLE)? {
            gcloud.run(&block).await?;
        }
        let left = installation.left_at_google();
        ensure!(left.is_empty(), "{left:#?}");
        installation.stack.stop().await
    })
}
