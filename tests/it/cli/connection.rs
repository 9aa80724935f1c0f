//! Connections of `kubectl namesake` that give no answer: each has its own text and exit code, and changes nothing.

use std::{net::TcpListener, path::Path};

use anyhow::{Result, ensure};
use namesake_cli::{Console, run};
use namesake_sandbox::{
    CLUSTER, ControlPlane, WorkFolder,
    kubernetes::users::{ADMIN, MALLORY},
};
use namesake_tests::{
    cluster::manifests,
    namespace::{runtime::runtime, with_namespace},
};

/// What a command line printed, and its exit code.
pub(crate) struct Session {
    pub(crate) code: u8,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs a command line with a kubeconfig.
pub(crate) async fn session(kubeconfig: &Path, words: &[&str]) -> Session {
    session_with_input(kubeconfig, words, "").await
}

/// The same for a command that asks.
pub(crate) async fn session_with_input(kubeconfig: &Path, words: &[&str], input: &str) -> Session {
    let kubeconfig = kubeconfig.display().to_string();
    let program = ["kubectl-namesake", "--kubeconfig", &kubeconfig];
    let words = program.iter().chain(words).map(ToString::to_string);
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut console = Console {
        out: &mut out,
        err: &mut err,
        input: &mut input.as_bytes(),
    };
    let code = run(words, &mut console).await.code();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Session {
        code,
        out: text(out),
        err: text(err),
    }
}

impl Session {
    /// Checks exit code and error.
    pub(crate) fn failed(&self, code: u8, part: &str) -> Result<()> {
        let Self { code: is, out, err } = self;
        ensure!(
            *is == code && err.contains(part),
            "exit code {is}, not {code}, or without {part:?}\n{out}\n{err}"
        );
        Ok(())
    }

    /// Checks exit code and parts of the answer.
    pub(crate) fn answered(&self, code: u8, parts: &[&str]) -> Result<()> {
        let Self { code: is, out, err } = self;
        ensure!(*is == code, "exit code {is}, not {code}\n{out}\n{err}");
        for part in parts {
            ensure!(out.contains(part), "without {part:?}\n{out}\n{err}");
        }
        Ok(())
    }
}

#[test]
fn without_kubeconfig_context_or_api_server_the_exit_code_is_four() -> Result<()> {
    with_namespace(|ns| async move {
        let cluster = ns.stack.cluster();
        let missing = cluster.folder().data().join("no-kubeconfig");
        session(&missing, &["list"])
            .await
            .failed(4, "no kubeconfig: ")?;
        let admin = cluster.control_plane.kubeconfig(ADMIN);
        session(&admin, &["list", "--context", "nowhere"])
            .await
            .failed(4, "no kubeconfig: ")?;
        // Nobody listens on the port of a listener that is closed.
        let closed = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let text = std::fs::read_to_string(&admin)?;
        let server = text.lines().find(|line| line.contains("server: "));
        let server = server.unwrap_or_default().to_owned();
        let text = text.replace(&server, &format!("    server: https://{closed}"));
        let unreachable = cluster.folder().data().join("unreachable");
        std::fs::write(&unreachable, text)?;
        session(&unreachable, &["check"])
            .await
            .failed(4, "no API server answers: ")
    })
}

#[test]
fn a_cluster_without_namesake_or_with_another_version_says_so() -> Result<()> {
    runtime().block_on(async {
        let folder = WorkFolder::create()?;
        let issuer = format!("https://container.googleapis.com/v1/{CLUSTER}");
        let control_plane = ControlPlane::start_as(&folder, &issuer).await?;
        let admin = control_plane.kubeconfig(ADMIN);
        for command in ["list", "doctor", "check", "quota", "uninstall"] {
            session(&admin, &[command])
                .await
                .failed(4, "this cluster has no Namesake")?;
        }
        session(&admin, &["doctor", "--pre"])
            .await
            .answered(0, &["ok     may-install", "2 checks: 2 fine"])?;
        // She may not see either what is installed already.
        let mallory = control_plane.kubeconfig(MALLORY);
        session(&mallory, &["doctor", "--pre"])
            .await
            .answered(3, &["FOUND  may-install", "you may not create namespaces"])?;
        let crd = manifests::file("cluster/crd.yaml")?.replace("name: v1alpha1", "name: v1beta9");
        let client = control_plane.client(ADMIN).await?;
        for object in manifests::objects(&crd)? {
            manifests::apply(&client, &object, "default", false).await?;
        }
        control_plane
            .wait_until_served(&["identities.namesake.dev"])
            .await?;
        session(&admin, &["doctor", "--pre"])
            .await
            .answered(1, &["it exists, and is not the kind of Namesake"])?;
        session(&admin, &["list"])
            .await
            .failed(4, "it serves namesake.dev in v1beta9")
    })
}

#[test]
fn half_the_rights_give_half_an_answer_and_the_exit_code_three() -> Result<()> {
    with_namespace(|ns| async move {
        let mallory = ns.stack.cluster().control_plane.kubeconfig(MALLORY);
        session(&mallory, &["list", "-n", &ns.name])
            .await
            .answered(0, &["there are no identities"])?;
        // In the namespace of her context mallory has no rights here.
        session(&mallory, &["list"])
            .await
            .failed(3, "not allowed to list identities in namespace research")?;
        let text = std::fs::read_to_string(&mallory)?;
        let text = text.replace("namespace: research", &format!("namespace: {}", ns.name));
        let own = ns.stack.cluster().folder().data();
        let own = own.join(format!("{}-mallory", ns.name));
        std::fs::write(&own, text)?;
        for words in [&["list"][..], &["list", "--not-ready"]] {
            let part = format!("NOT SEEN identities outside namespace {}: ", ns.name);
            session(&own, words).await.answered(3, &[&part])?;
        }
        let json = session(&own, &["list", "-o", "json"]).await;
        json.failed(3, "not seen: identities outside namespace")?;
        ensure!(json.out == "[]\n", "{}", json.out);
        session(&mallory, &["quota"]).await.failed(
            3,
            "not allowed to read ConfigMap namesake-system/namesake-quota",
        )?;
        let doctor = session(&mallory, &["doctor"]).await;
        doctor.answered(
            3,
            &["ok     api-server", "NOT SEEN leader", "NOT SEEN exposure"],
        )?;
        ensure!(!doctor.out.contains("FOUND"), "{}", doctor.out);
        session(&mallory, &["doctor", "--only", "leadr"])
            .await
            .failed(2, "leadr")
    })
}
