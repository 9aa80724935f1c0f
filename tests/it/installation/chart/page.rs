//! The commands of docs/helm.md, with both majors of Helm.

use std::{fs, os::unix::fs::symlink, path::Path};

use anyhow::{Context, Result, ensure};
use namesake_sandbox::host::work_folder::workspace_root;
use namesake_tests::{
    cluster::manifests, documents, eventually::within, namespace::runtime::runtime,
};
use serde_json::Value;

use super::{
    EXAMPLE,
    admin::{Admin, TIMEOUT},
    file, helms,
};

const PAGE: &str = "helm.md";

/// An admin's folder: the charts, the values, and the programs `helm` and `kubectl`.
struct Reader {
    admin: Admin,
    folder: tempfile::TempDir,
}

impl Reader {
    async fn new(helm: &Path) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let admin = Admin::start_with_node().await?;
        admin.shell("kubectl delete namespace namesake-system")?;
        symlink(helm, folder.path().join("helm"))?;
        symlink(admin.kubectl(), folder.path().join("kubectl"))?;
        symlink(
            workspace_root().join("charts"),
            folder.path().join("charts"),
        )?;
        let mut values: Value = serde_saphyr::from_str(&file(EXAMPLE)?)?;
        values["webhook"]["replicas"] = 0.into();
        values["broker"]["replicas"] = 0.into();
        fs::write(folder.path().join("acme.yaml"), values.to_string())?;
        Ok(Self { admin, folder })
    }

    /// Runs all commands of a section, with what the page says to add for Helm 4.
    async fn section(&self, heading: &str, of_four: &str) -> Result<String> {
        let page = fs::read_to_string(workspace_root().join("docs").join(PAGE))?;
        let added = format!("With Helm 4 add `{of_four}`");
        ensure!(of_four.is_empty() || page.contains(&added), "{added}");
        let blocks = documents::commands(PAGE, heading)?;
        let mut said = String::new();
        for block in blocks
            .into_iter()
            .filter(|block| !block.contains("helm test"))
        {
            let (folder, kubeconfig) = (self.folder.path().to_owned(), self.admin.kubeconfig());
            let kubectl = folder.join("kubectl");
            let block = format!("export HOME=$PWD\n{} {of_four}\n", block.trim_end());
            let run = move || documents::run(&block, &folder, &kubectl, &kubeconfig);
            said += &tokio::task::spawn_blocking(run).await??;
        }
        Ok(said)
    }

    /// The objects of the manifests that an admin has applied before.
    async fn apply_manifests(&self) -> Result<()> {
        let shared = self.admin.shell(&format!(
            "kubectl kustomize {}",
            workspace_root().join("manifests/cluster").display()
        ))?;
        for object in manifests::objects(&shared)? {
            manifests::apply(&self.admin.client, &object, "", false).await?;
        }
        Ok(())
    }
}

#[test]
fn the_commands_of_the_page_install_adopt_upgrade_roll_back_and_remove_a_release() -> Result<()> {
    runtime()
        .block_on(async {
            for (helm, of_four) in helms()?.iter().zip(["", "--force-conflicts"]) {
                let reader = Reader::new(helm).await?;
                let installed = reader.section("## Install", "").await?;
                ensure!(installed.contains("STATUS: deployed"), "{installed}");
                let upgraded = reader.section("## Upgrade", "").await?;
                ensure!(upgraded.contains("REVISION: 2"), "{upgraded}");
                let back = reader.section("## Roll back", "").await?;
                ensure!(back.contains("Rollback was a success"), "{back}");
                let gone = reader.section("## Uninstall", "").await?;
                ensure!(gone.contains("release \"namesake\" uninstalled"), "{gone}");
                within(TIMEOUT, "nothing is left", async || {
                    let left = reader.admin.there(helm).await?;
                    ensure!(left.is_empty(), "{left:?}");
                    Ok(())
                })
                .await?;
                reader.apply_manifests().await?;
                let again = "kubectl create namespace namesake-system";
                within(TIMEOUT, "the namespace is gone", async || {
                    reader.admin.shell(again)
                })
                .await?;
                let adopted = reader.section("## From kubectl to Helm", of_four).await?;
                ensure!(adopted.contains("STATUS: deployed"), "{adopted}");
            }
            Ok(())
        })
        .context(PAGE)
}
