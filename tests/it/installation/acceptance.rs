//! The acceptance script (docs/acceptance.md), run against a real API server and the emulator, and the replay of its report.

use std::{collections::BTreeSet, fs, path::PathBuf, process::Stdio, sync::Arc};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{admissionregistration::v1::ValidatingAdmissionPolicy, core::v1::Namespace};
use kube::{Api, ResourceExt, api::ListParams};
use namesake_gcp_emulator::replay::replay;
use namesake_sandbox::{
    CLUSTER, Node, NodeOptions, host::work_folder::workspace_root, kubernetes::users::ADMIN,
    programs::python::Python,
};
use namesake_tests::{
    cluster::Cluster, eventually::eventually, google::Google, namespace::runtime::runtime,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
    sync::OnceCell,
};

/// Who runs the script.
const OWNER: &str = "owner@acme.com";
/// What a sandbox does not have: facts that are not as docs/acceptance.md assumes for GKE.
const NOT_HERE: [(&str, &str); 1] = [("network-policy", "network policies are enforced")];

/// A cluster with a node, a Google, and their owner.
struct Owner {
    cluster: Cluster,
    google: Arc<Google>,
    _node: Node,
}

impl Owner {
    async fn shared() -> Result<&'static Self> {
        static SHARED: OnceCell<Owner> = OnceCell::const_new();
        SHARED.get_or_try_init(Self::start).await
    }

    async fn start() -> Result<Self> {
        // Metadata servers of pods know the cluster of this name.
        let cluster = Cluster::start(CLUSTER).await?;
        let google = Arc::new(Google::start(&cluster).await?);
        google.grant_owner(OWNER)?;
        google.change_settings(|all| {
            all.delays.service_account_get = 1.0;
            all.delays.service_account_member = 2.0;
            all.delays.policy = 3.0;
            all.limits.bucket_updates_per_second = Some(1);
        })?;
        let node = NodeOptions {
            google: Some(google.base_url().to_owned()),
            ..NodeOptions::default()
        };
        let node = Node::start(&cluster.control_plane, cluster.folder(), node).await?;
        Ok(Self {
            cluster,
            google,
            _node: node,
        })
    }

    /// The script, on the owner's machine.
    fn command(&self, args: &[&str]) -> Command {
        let control_plane = &self.cluster.control_plane;
        let kubectl = control_plane.binaries().folder().display().to_string();
        let path = std::env::var("PATH").unwrap_or_default();
        let google = self.google.base_url();
        let mut command = Command::new("python3");
        command
            .arg(workspace_root().join("acceptance"))
            .args(["--project", "acme-identities", "--limit", "60"])
            .args(args)
            .current_dir(self.cluster.folder().data())
            .env("KUBECONFIG", control_plane.kubeconfig(ADMIN))
            .env("PATH", format!("{kubectl}:{path}"))
            .env("NO_PROXY", "127.0.0.1")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env(
                "CLOUDSDK_AUTH_ACCESS_TOKEN",
                self.google.state().user_token(OWNER),
            )
            .stdin(Stdio::null())
            .kill_on_drop(true);
        for service in [
            "IAM",
            "IAMCREDENTIALS",
            "STS",
            "CLOUDRESOURCEMANAGER",
            "OAUTH2",
        ] {
            command.env(format!("CLOUDSDK_API_ENDPOINT_OVERRIDES_{service}"), google);
        }
        let storage = format!("{google}/storage/v1/");
        command.env("CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE", storage);
        command
    }

    /// What the run with this id left in the cluster and at Google.
    async fn left(&self, run: &str) -> Result<Vec<String>> {
        let mark = format!("nsa-{run}");
        let listing = self.google.state().listing();
        let accounts = self.google.accounts().into_iter();
        let mut left: Vec<String> = accounts.filter(|it| it.contains(&mark)).collect();
        let buckets = listing["buckets"].as_object().into_iter().flatten();
        left.extend(
            buckets
                .map(|(name, _)| name.clone())
                .filter(|it| it.contains(&mark)),
        );
        let projects = [listing["policies"]["projects/acme-identities"].to_string()];
        left.extend(projects.into_iter().filter(|it| it.contains(&mark)));
        let client = self.cluster.control_plane.client(ADMIN).await?;
        let policies: Api<ValidatingAdmissionPolicy> = Api::all(client.clone());
        let policies = policies.list(&ListParams::default()).await?.items;
        left.extend(
            policies
                .iter()
                .map(ResourceExt::name_any)
                .filter(|it| it.contains(&mark)),
        );
        let namespaces: Api<Namespace> = Api::all(client);
        let namespaces = namespaces.list(&ListParams::default()).await?.items;
        left.extend(
            namespaces
                .iter()
                .map(ResourceExt::name_any)
                .filter(|it| it.contains(&mark)),
        );
        Ok(left)
    }
}

/// The report of a whole run, as text and as JSON, and what the run printed.
struct Recorded {
    text: String,
    report: Value,
    printed: String,
}

/// One run for all tests: it takes about a minute.
async fn recorded() -> Result<&'static Recorded> {
    static RUN: OnceCell<Recorded> = OnceCell::const_new();
    RUN.get_or_try_init(async || {
        let owner = Owner::shared().await?;
        let file = owner.cluster.folder().data().join("report.json");
        let path = file.display().to_string();
        // The sandbox has one cluster: it stands for the second one as well.
        let args = [
            "--output",
            &path,
            "--project-policy",
            "--other-context",
            "sandbox",
        ];
        let output = owner.command(&args).output().await?;
        let printed = [output.stderr, output.stdout].concat();
        let printed = String::from_utf8_lossy(&printed).into_owned();
        ensure!(output.status.success(), "{}:\n{printed}", output.status);
        let text = fs::read_to_string(&file)?;
        let report = serde_json::from_str(&text)?;
        Ok(Recorded {
            text,
            report,
            printed,
        })
    })
    .await
}

fn test<F: Future<Output = Result<()>>>(body: F) -> Result<()> {
    runtime().block_on(body)
}

#[test]
fn the_acceptance_script_records_every_row_and_removes_what_it_created() -> Result<()> {
    test(async {
        let run = recorded().await?;
        let rows = run.report["rows"].as_array().context("no rows")?;
        let results = rows.iter().filter(|row| row["id"] != "setup");
        for row in results {
            let is_here = NOT_HERE.iter().all(|(id, _)| row["id"] != *id);
            let wanted = if is_here { "recorded" } else { "differs" };
            ensure!(row["result"] == wanted, "{row}:\n{}", run.printed);
        }
        let id = run.report["about"]["run"].as_str().context("no run")?;
        let owner = Owner::shared().await?;
        eventually("everything is removed", async || {
            let left = owner.left(id).await?;
            ensure!(left.is_empty(), "{left:?}");
            Ok(())
        })
        .await?;
        ensure!(!run.printed.contains("NOT REMOVED"), "{}", run.printed);
        Ok(())
    })
}

#[test]
fn a_report_contains_no_token_and_none_of_the_owners_names() -> Result<()> {
    test(async {
        let text = &recorded().await?.text;
        for secret in [
            "eyJ",
            "ya29.c.c",
            "acme",
            "us-central1",
            OWNER,
            "314159265358",
        ] {
            let place = text.find(secret);
            let around = place.map(|at| text.get(at.saturating_sub(80)..at + 80));
            ensure!(place.is_none(), "{secret} is in the report: {around:?}");
        }
        let token = token_in(text);
        ensure!(token.is_none(), "a token is in the report: {token:?}");
        Ok(())
    })
}

/// The first text that begins as a token of Google's and is longer than its kind.
fn token_in(text: &str) -> Option<&str> {
    text.match_indices("ya29.")
        .map(|(at, _)| text.get(at..at + 9).unwrap_or_default())
        .find(|found| found.chars().skip(7).all(|c| c.is_ascii_alphanumeric()))
}

#[test]
fn the_emulator_answers_as_its_own_report_says() -> Result<()> {
    test(async {
        let found = replay(&recorded().await?.text).await?;
        let (here, elsewhere): (Vec<_>, Vec<_>) = found
            .into_iter()
            .partition(|it| !NOT_HERE.contains(&(it.row.as_str(), it.what.as_str())));
        let shown: Vec<String> = here.iter().map(ToString::to_string).collect();
        ensure!(here.is_empty(), "{}", shown.join("\n"));
        ensure!(elsewhere.len() == NOT_HERE.len(), "{elsewhere:?}");
        Ok(())
    })
}

#[test]
fn an_answer_that_google_gives_otherwise_is_reported_with_the_rows_that_it_is_about() -> Result<()>
{
    test(async {
        let mut report = recorded().await?.report.clone();
        let exchanges = report["exchanges"].as_array_mut().context("none")?;
        let mut undeletes = exchanges
            .iter_mut()
            .filter(|it| it["row"] == "account-undelete" && it["status"] == 409);
        let changed = undeletes.next().context("the row has no 409")?;
        changed["status"] = json!(400);
        changed["answer"]["error"]["status"] = json!("FAILED_PRECONDITION");
        let found = replay(&report.to_string()).await?;
        let found: Vec<_> = found
            .iter()
            .filter(|it| it.row == "account-undelete")
            .collect();
        let [one] = found.as_slice() else {
            anyhow::bail!("{found:?}");
        };
        ensure!(
            one.differences[0].contains("Google: 400, emulator: 409"),
            "{one}"
        );
        ensure!(
            one.claims[0].starts_with("undelete when the name is taken"),
            "{one}"
        );
        Ok(())
    })
}

#[test]
fn an_interrupted_acceptance_script_removes_what_it_created() -> Result<()> {
    test(async {
        let owner = Owner::shared().await?;
        let file = owner.cluster.folder().data().join("interrupted.json");
        let path = file.display().to_string();
        let only = [
            "--only",
            "time-of-binding",
            "--only",
            "who-requests-tokens",
            "--only",
            "policy-etag",
        ];
        let mut child = owner
            .command(&[&["--output", &path], &only[..]].concat())
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        let mut lines = BufReader::new(child.stderr.take().context("no stderr")?).lines();
        let mut printed = Vec::new();
        let process = child.id().context("it has ended")?;
        while let Some(line) = lines.next_line().await? {
            if line.ends_with("who-requests-tokens …") {
                let ended = Command::new("kill")
                    .arg(process.to_string())
                    .status()
                    .await?;
                ensure!(ended.success(), "kill: {ended}");
            }
            printed.push(line);
        }
        let ended = child.wait().await?;
        ensure!(ended.code() == Some(130), "{ended}: {printed:#?}");
        let report: Value = serde_json::from_str(&fs::read_to_string(&file)?)?;
        let id = report["about"]["run"].as_str().context("no run")?;
        ensure!(
            printed
                .iter()
                .any(|it| it.contains(&format!("removed account nsa-{id}-bind"))),
            "{printed:#?}"
        );
        eventually("everything is removed", async || {
            let left = owner.left(id).await?;
            ensure!(left.is_empty(), "{left:?}: {printed:#?}");
            Ok(())
        })
        .await?;
        Ok(())
    })
}

/// The rows that the script lists.
fn listed() -> Result<Vec<Value>> {
    let script = workspace_root().join("acceptance");
    let output = std::process::Command::new("python3")
        .arg(script)
        .arg("--list")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text.lines()
        .map(|line| Ok(serde_json::from_str(line)?))
        .collect()
}

#[test]
fn every_row_of_the_acceptance_script_is_documented_and_names_what_it_tests() -> Result<()> {
    let read =
        |path: &str| fs::read_to_string(workspace_root().join(path)).context(path.to_owned());
    let (page, table) = (read("docs/acceptance.md")?, read("gcp-emulator/README.md")?);
    let mut ids = BTreeSet::new();
    for row in listed()? {
        let id = row["id"].as_str().context("no id")?.to_owned();
        ensure!(
            page.contains(&format!("| `{id}` |")),
            "docs/acceptance.md has no row {id}"
        );
        for claim in row["claims"].as_array().into_iter().flatten() {
            let claim = claim.as_str().context("not a text")?;
            let found = match claim
                .strip_prefix("docs/")
                .and_then(|it| it.split_once(": "))
            {
                Some((file, words)) => read(&format!("docs/{file}"))?.matches(words).count(),
                None => table.matches(&format!("\n| {claim}")).count(),
            };
            ensure!(found == 1, "{id}: {claim:?} begins {found} rows");
        }
        ensure!(ids.insert(id), "{row} is there twice");
    }
    ensure!(ids.len() > 25, "{ids:?}");
    Ok(())
}

#[tokio::test]
async fn the_acceptance_script_has_no_lint_and_sound_types() -> Result<()> {
    let install = || Python::for_client_package(&mut |line| tracing::info!("{line}"));
    let python = tokio::task::spawn_blocking(install).await??;
    let folder: PathBuf = workspace_root().join("acceptance");
    for words in ["ruff check .", "ruff format --check .", "mypy"] {
        let mut args = words.split(' ');
        let output = Command::new(python.bin().join(args.next().unwrap_or_default()))
            .args(args)
            .current_dir(&folder)
            .kill_on_drop(true)
            .output()
            .await?;
        let text = [output.stdout, output.stderr].concat();
        ensure!(
            output.status.success(),
            "{words}:\n{}",
            String::from_utf8_lossy(&text)
        );
    }
    Ok(())
}
