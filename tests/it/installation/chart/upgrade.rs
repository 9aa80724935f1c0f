//! Upgrades and rollbacks of a release: an older chart is refused, a rollback is not, and the API server can verify the webhook all the
//! time.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, stream::BoxStream};
use jiff::Timestamp;
use k8s_openapi::api::{
    admissionregistration::v1::MutatingWebhookConfiguration, apps::v1::Deployment,
};
use kube::{
    Api, ResourceExt,
    api::{WatchEvent, WatchParams},
};
use namesake_api::names::{SYSTEM_NAMESPACE, WEBHOOK_CONFIGURATION, WEBHOOK_SERVICE_ACCOUNT};
use namesake_certs::{Authority, apply_ca_bundle};
use namesake_tests::{cluster::manifests, namespace::runtime::runtime};
use tempfile::TempDir;

use super::{
    admin::{Admin, HERE, TIMEOUT, with_chart},
    chart, file, helms,
};

/// The label that says which version an object is of.
const VERSION: &str = "app.kubernetes.io/version";
const NEWER: &str = "9.1.0";
/// The manifests of the release before this one, which had no chart.
const PREVIOUS: &str = include_str!("../../../fixtures/previous-release.yaml");

/// The version of this workspace.
const OURS: &str = env!("CARGO_PKG_VERSION");

/// Copies a file or a folder.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if !from.is_dir() {
        fs::copy(from, to)?;
        return Ok(());
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

/// A copy of the chart in which a text of each file is replaced.
fn changed(replace: impl Fn(&str) -> String) -> Result<TempDir> {
    let folder = tempfile::tempdir()?;
    copy(&chart(), folder.path())?;
    for name in [
        "Chart.yaml",
        "templates/generated/cluster.yaml",
        "templates/generated/stack.yaml",
    ] {
        let text = replace(&file(name)?);
        fs::write(folder.path().join(name), text)?;
    }
    Ok(folder)
}

/// This chart as that of a newer version.
fn newer() -> Result<TempDir> {
    changed(|text| {
        let text = text.replace(&format!("ersion: {OURS}\n"), &format!("ersion: {NEWER}\n"));
        text.replace(
            &format!("{VERSION}: \"{OURS}\"\n"),
            &format!("{VERSION}: \"{NEWER}\"\n"),
        )
    })
}

/// The chart that the release before this one would have had.
fn previous() -> Result<TempDir> {
    let folder = tempfile::tempdir()?;
    fs::create_dir(folder.path().join("templates"))?;
    let about = file("Chart.yaml")?.replace(&format!("ersion: {OURS}\n"), "ersion: 0.0.9\n");
    fs::write(folder.path().join("Chart.yaml"), about)?;
    let documents = PREVIOUS.split("\n---\n");
    let documents: Vec<_> = documents
        .filter(|text| !text.contains("\nkind: Namespace\n"))
        .collect();
    fs::write(
        folder.path().join("release.yaml"),
        documents.join("\n---\n"),
    )?;
    fs::write(
        folder.path().join("templates/all.yaml"),
        "{{ .Files.Get \"release.yaml\" }}",
    )?;
    Ok(folder)
}

fn path(folder: &TempDir) -> Result<&str> {
    folder.path().to_str().context("not UTF-8")
}

impl Admin {
    /// The version that the webhook's Deployment says.
    async fn version(&self) -> Result<Option<String>> {
        let all: Api<Deployment> = Api::namespaced(self.client.clone(), SYSTEM_NAMESPACE);
        let webhook = all.get(WEBHOOK_SERVICE_ACCOUNT).await?;
        Ok(webhook.labels().get(VERSION).cloned())
    }

    async fn upgrade(&self, program: &Path, chart: &str) -> Result<()> {
        let upgrade = with_chart("upgrade", chart);
        self.helm(program, &upgrade).await?.success()?;
        Ok(())
    }

    /// The older chart is refused, also in a dry run, and with another version than the installed one.
    async fn check_older_is_refused(&self, program: &Path) -> Result<()> {
        let history = ["history", "namesake"];
        let before = self.helm(program, &history).await?.success()?;
        for more in ["--dry-run=server", "--set=downgradeFrom=8.0.0"] {
            let mut upgrade = with_chart("upgrade", HERE);
            upgrade.push(more);
            let said = self.helm(program, &upgrade).await?.refusal()?;
            let parts = [
                format!("version {NEWER} of Namesake is installed"),
                format!("the older version {OURS}"),
                "helm rollback namesake REVISION --namespace=namesake-system".to_owned(),
                format!("downgradeFrom={NEWER}"),
            ];
            for part in parts {
                ensure!(said.contains(&part), "without {part:?}: {said}");
            }
        }
        ensure!(self.helm(program, &history).await?.success()? == before);
        ensure!(self.version().await?.as_deref() == Some(NEWER));
        Ok(())
    }
}

#[test]
fn an_older_chart_is_refused_before_anything_is_changed_and_a_rollback_is_not() -> Result<()> {
    runtime().block_on(async {
        let admin = Admin::start().await?;
        let newer = newer()?;
        let newer = path(&newer)?;
        let install = with_chart("install", newer);
        admin.helm(&helms()?[1], &install).await?.success()?;
        for program in helms()? {
            admin.check_older_is_refused(program).await?;
            let named = format!("--set=downgradeFrom={NEWER}");
            let upgrade = [&with_chart("upgrade", HERE)[..], &[named.as_str()]].concat();
            admin.helm(program, &upgrade).await?.success()?;
            ensure!(admin.version().await?.as_deref() == Some(OURS));
            admin.upgrade(program, newer).await?;
            ensure!(admin.version().await?.as_deref() == Some(NEWER));
            admin
                .helm(program, &["rollback", "namesake"])
                .await?
                .success()?;
            ensure!(admin.version().await?.as_deref() == Some(OURS));
            admin.upgrade(program, newer).await?;
        }
        // The kind stays, and what it is of is not older either.
        let uninstall = ["uninstall", "namesake", "--no-hooks"];
        admin.helm(&helms()?[1], &uninstall).await?.success()?;
        let said = admin
            .helm(&helms()?[1], &with_chart("install", HERE))
            .await?;
        let said = said.refusal()?;
        ensure!(
            said.contains("CustomResourceDefinition identities.namesake.dev"),
            "{said}"
        );
        ensure!(
            !said.contains("helm rollback"),
            "there is no release: {said}"
        );
        Ok(())
    })
}

#[test]
fn a_release_of_the_version_before_is_upgraded_and_rolled_back() -> Result<()> {
    runtime().block_on(async {
        let admin = Admin::start().await?;
        let chart = previous()?;
        let install = ["install", "namesake", path(&chart)?];
        admin.helm(&helms()?[0], &install).await?.success()?;
        let before = manifests::objects(&fs::read_to_string(chart.path().join("release.yaml"))?)?;
        let ours = admin.there(&helms()?[0]).await?;
        for program in helms()? {
            admin.upgrade(program, HERE).await?;
            ensure!(admin.version().await?.as_deref() == Some(OURS));
            let upgraded = admin.there(program).await?;
            ensure!(upgraded.len() > ours.len() + 5, "{upgraded:?}");
            admin
                .helm(program, &["rollback", "namesake", "1"])
                .await?
                .success()?;
            ensure!(admin.version().await?.is_none());
            ensure!(admin.there(program).await? == ours);
            for object in &before {
                let is_there = manifests::exists(&admin.client, object, SYSTEM_NAMESPACE).await?;
                ensure!(is_there, "{}", manifests::title(object));
            }
        }
        Ok(())
    })
}

type Configurations = BoxStream<'static, kube::Result<WatchEvent<MutatingWebhookConfiguration>>>;

/// Reads the changes of a configuration up to this generation: in each, every webhook has its caBundle.
async fn all_have_it(changes: &mut Configurations, generation: i64) -> Result<()> {
    loop {
        let event = tokio::time::timeout(TIMEOUT, changes.next()).await;
        let now = match event?.context("the watch ended")?? {
            WatchEvent::Added(now) | WatchEvent::Modified(now) => now,
            WatchEvent::Bookmark(_) => continue,
            other => anyhow::bail!("not a change: {other:?}"),
        };
        let at = now.metadata.generation.unwrap_or_default();
        for webhook in now.webhooks.iter().flatten() {
            let has = webhook.client_config.ca_bundle.is_some();
            ensure!(has, "{} has no caBundle in generation {at}", webhook.name);
        }
        if at >= generation {
            return Ok(());
        }
    }
}

#[test]
fn an_upgrade_and_a_rollback_leave_every_ca_bundle_in_place_all_the_time() -> Result<()> {
    runtime().block_on(async {
        let admin = Admin::start().await?;
        let [three, four] = helms()?;
        let other =
            changed(|text| text.replace("    timeoutSeconds: 10\n", "    timeoutSeconds: 9\n"))?;
        let other = path(&other)?;
        let all: Api<MutatingWebhookConfiguration> = Api::all(admin.client.clone());
        for first in [three, four] {
            admin
                .helm(first, &with_chart("install", HERE))
                .await?
                .success()?;
            let authority =
                Authority::ensure(&admin.client, SYSTEM_NAMESPACE, Timestamp::now()).await?;
            apply_ca_bundle(&admin.client, WEBHOOK_CONFIGURATION, authority.bundle_pem()).await?;
            let now = all.get(WEBHOOK_CONFIGURATION).await?;
            let version = now.resource_version().context("no version")?;
            let only =
                WatchParams::default().fields(&format!("metadata.name={WEBHOOK_CONFIGURATION}"));
            let mut changes = all.watch(&only, &version).await?.boxed();
            let mut generation = now.metadata.generation.unwrap_or_default();
            for (program, chart) in [(three, other), (four, HERE), (four, other), (three, HERE)] {
                admin.upgrade(program, chart).await?;
                generation += 1;
                all_have_it(&mut changes, generation).await?;
            }
            for program in [three, four] {
                admin
                    .helm(program, &["rollback", "namesake"])
                    .await?
                    .success()?;
                generation += 1;
                all_have_it(&mut changes, generation).await?;
            }
            let uninstall = ["uninstall", "namesake", "--no-hooks", "--wait"];
            admin.helm(first, &uninstall).await?.success()?;
        }
        Ok(())
    })
}

/// The version of this release is written where a test finds it missing.
#[test]
fn chart_and_manifests_say_the_version_of_the_workspace() -> Result<()> {
    let about = file("Chart.yaml")?;
    for key in ["version", "appVersion"] {
        ensure!(about.contains(&format!("\n{key}: {OURS}\n")), "{about}");
    }
    for folder in ["cluster", "base"] {
        let text = manifests::file(&format!("{folder}/kustomization.yaml"))?;
        ensure!(text.contains(&format!("{VERSION}: {OURS}}}\n")), "{text}");
    }
    // Neither in a selector nor in a template, where it would restart every pod.
    let stack = file("templates/generated/stack.yaml")?;
    let deep = format!("      {VERSION}");
    ensure!(!stack.contains(&deep) && stack.contains(VERSION), "{stack}");
    Ok(())
}
