//! A release on a real API server: installed, tested, upgraded by the other major of Helm, and uninstalled. The programs do not run:
//! the API server could not reach them without a service network (`tests/it/cli` tests what a healthy installation says).

use std::path::Path;

use anyhow::{Context, Result, ensure};
use kube::api::DeleteParams;
use namesake_api::names::SYSTEM_NAMESPACE;
use namesake_tests::{cluster::manifests, eventually::within, namespace::runtime::runtime};
use serde_json::Value;

use super::{
    admin::{Admin, HERE, TIMEOUT, with_chart},
    helms,
};
use crate::cli::connection::session;

/// What an uninstall leaves, so that no identity is deleted without the broker.
const KIND: &str = "CustomResourceDefinition identities.namesake.dev";
const UNINSTALL: [&str; 2] = ["uninstall", "namesake"];
/// What the message says after an uninstall that was refused.
const KEEP: &str = "helm rollback namesake REVISION --namespace=namesake-system";

impl Admin {
    /// An install over a kind that is not this release's is refused with its owner, and nothing is installed. Commands of the message
    /// adopt it, unless it is not Namesake's.
    async fn check_foreign_kind(&self, program: &Path) -> Result<()> {
        let kind = "kubectl label customresourcedefinition identities.namesake.dev";
        let foreign = self
            .install_refused(
                program,
                "it has no label app.kubernetes.io/part-of=namesake",
            )
            .await?;
        ensure!(
            foreign.contains("written by kubectl") && !foreign.contains("kubectl annotate"),
            "{foreign}"
        );
        self.shell(&format!("{kind} app.kubernetes.io/part-of=namesake"))?;
        let said = self
            .install_refused(program, "was not installed by Helm, but by kubectl")
            .await?;
        self.shell(&adopt(&said)?.replace("release-name=namesake", "release-name=other"))?;
        let said = self
            .install_refused(
                program,
                "belongs to the Helm release other in namespace namesake-system",
            )
            .await?;
        ensure!(said.contains("sharedObjects=false"), "{said}");
        self.shell(adopt(&said)?)?;
        Ok(())
    }

    async fn install_refused(&self, program: &Path, why: &str) -> Result<String> {
        let said = self.helm(program, &with_chart("install", HERE)).await?;
        let said = said.refusal()?;
        ensure!(said.contains(why), "{said}");
        ensure!(
            self.there(program).await? == [KIND],
            "something was installed"
        );
        Ok(said)
    }

    /// The check ends with what it found: no program runs here.
    async fn check_finding(&self, program: &Path) -> Result<()> {
        let said = self.helm(program, &["test", "namesake"]).await?.refusal()?;
        ensure!(
            said.contains("FOUND  leader") && said.contains("to do: kubectl"),
            "{said}"
        );
        ensure!(
            !said.contains("forbidden"),
            "its account has too few rights: {said}"
        );
        Ok(())
    }

    /// While there is an identity, an uninstall is refused with the commands, and deletes nothing. The release is kept with another
    /// command that it prints, or uninstalled once no identity is left.
    async fn check_uninstall(&self, program: &Path) -> Result<()> {
        self.create_identity().await?;
        let before = self.there(program).await?;
        let said = self.helm(program, &UNINSTALL).await?.refusal()?;
        ensure!(
            said.contains("namesake-broker clean --stack prod") && said.contains(KEEP),
            "{said}"
        );
        ensure!(
            self.there(program).await? == before && before.len() > 60,
            "{before:?}"
        );
        self.keep(program).await?;
        let gone = DeleteParams::default();
        self.identities()
            .delete("mf-alice-4k72lwgc2tsmxd", &gone)
            .await?;
        self.helm(program, &UNINSTALL).await?.success()?;
        self.only_the_kind_is_left(program).await
    }

    /// Goes on with a release whose uninstall was refused, by the commands of the message.
    async fn keep(&self, program: &Path) -> Result<()> {
        let history = ["history", "namesake", "--max=1", "--output=json"];
        let history = self.helm(program, &history).await?.success()?;
        let history: Value = serde_json::from_str(&history)?;
        let revision = history[0]["revision"].to_string();
        let rollback = ["rollback", "namesake", &revision];
        self.helm(program, &rollback).await?.success()?;
        let upgrade = with_chart("upgrade", HERE);
        self.helm(program, &upgrade).await?.success()?;
        Ok(())
    }

    /// An upgrade that would take away what other stacks or opted-in namespaces need is refused, and changes nothing.
    async fn check_refused_upgrades(&self, program: &Path) -> Result<()> {
        let before = self.there(program).await?;
        for (setting, why) in [
            ("--set=sharedObjects=false", "uninstall this release last"),
            ("--set=stack=gold", "stack prod is installed"),
        ] {
            let upgrade = [&with_chart("upgrade", HERE)[..], &[setting]].concat();
            let said = self.helm(program, &upgrade).await?.refusal()?;
            ensure!(said.contains(why), "{setting}: {said}");
        }
        ensure!(self.there(program).await? == before, "something changed");
        Ok(())
    }

    /// While the cluster has another stack, the release with what all stacks share cannot be uninstalled, and the other one can.
    async fn check_two_stacks(&self, program: &Path) -> Result<()> {
        let other = "namesake-system-blue";
        self.shell(&format!("kubectl create namespace {other}"))?;
        let stack = "--set=stack=blue,nameSuffix=true,sharedObjects=false";
        let install = [&with_chart("install", HERE)[..], &[stack]].concat();
        self.helm_in(other, program, &install).await?.success()?;
        let before = self.there(program).await?;
        let said = self.helm(program, &UNINSTALL).await?.refusal()?;
        let command = format!("kubectl namesake uninstall --system-namespace={other}");
        ensure!(said.contains(&command), "{said}");
        ensure!(self.there(program).await? == before, "something is gone");
        self.keep(program).await?;
        self.helm_in(other, program, &UNINSTALL).await?.success()?;
        ensure!(
            self.there(program).await? == before,
            "the other stack took something with it"
        );
        self.shell(&format!("kubectl delete namespace {other}"))?;
        Ok(())
    }

    async fn only_the_kind_is_left(&self, program: &Path) -> Result<()> {
        within(TIMEOUT, "everything but the kind is deleted", async || {
            let left = self.there(program).await?;
            ensure!(left == [KIND], "{left:?}");
            Ok(())
        })
        .await
    }

    /// An uninstall that goes past the question deletes no identity, and `kubectl namesake` still says how to.
    async fn check_without_hooks(&self, program: &Path) -> Result<()> {
        self.helm(program, &with_chart("install", HERE))
            .await?
            .success()?;
        self.create_identity().await?;
        let uninstall = [&UNINSTALL[..], &["--no-hooks"]].concat();
        self.helm(program, &uninstall).await?.success()?;
        self.only_the_kind_is_left(program).await?;
        self.identities().get("mf-alice-4k72lwgc2tsmxd").await?;
        let said = session(&self.kubeconfig(), &["uninstall"]).await;
        said.answered(1, &["1 identity", "namesake-broker clean --stack prod"])
    }
}

/// The commands of a message that give the kind to the release.
fn adopt(said: &str) -> Result<&str> {
    let mut lines = said.lines().map(str::trim);
    lines
        .find(|line| line.starts_with("kubectl annotate"))
        .with_context(|| format!("no commands: {said}"))
}

#[test]
fn a_release_is_checked_upgraded_by_the_other_helm_and_uninstalled_only_without_identities()
-> Result<()> {
    runtime().block_on(async {
        let admin = Admin::start_with_node().await?;
        let [three, four] = helms()?;
        let kind = manifests::objects(&manifests::file("cluster/crd.yaml")?)?;
        manifests::apply(&admin.client, &kind[0], SYSTEM_NAMESPACE, false).await?;
        admin.check_foreign_kind(three).await?;
        for (first, second) in [(three, four), (four, three)] {
            admin
                .helm(first, &with_chart("install", HERE))
                .await?
                .success()?;
            admin.check_finding(first).await?;
            let upgrade = with_chart("upgrade", HERE);
            admin.helm(second, &upgrade).await?.success()?;
            admin.check_refused_upgrades(second).await?;
            admin.check_uninstall(second).await?;
        }
        admin.check_without_hooks(four).await
    })
}

#[test]
fn the_release_with_what_all_stacks_share_is_uninstalled_last() -> Result<()> {
    runtime().block_on(async {
        let admin = Admin::start_with_node().await?;
        let program = &helms()?[1];
        let install = with_chart("install", HERE);
        admin.helm(program, &install).await?.success()?;
        admin.check_two_stacks(program).await?;
        admin.helm(program, &UNINSTALL).await?.success()?;
        admin.only_the_kind_is_left(program).await
    })
}
