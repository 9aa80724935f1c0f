//! The demo: alice and bob run one flow at once, each task shows its identity at Google, and the gateway whose run it is.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use futures::future::{join_all, try_join_all};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::{Api, Client, api::ListParams};
use namesake_api::names::GSA_ANNOTATION;
use tokio::time::{Instant, sleep};

use self::{
    laptop::Laptop,
    report::{Expected, Printed, Report, Task, read_output},
};
use crate::{
    RESEARCH, Sandbox, WorkFolder,
    cli::output::{print, say},
    host::{children::Child, work_folder::workspace_root},
    kubernetes::users::{ADMIN, ALICE, BOB},
    sandbox::Options,
};

mod gateway;
pub mod laptop;
mod report;

const STEPS: [&str; 2] = ["start", "end"];
/// A flow takes about half a minute, on a busy machine longer.
const LIMIT: Duration = Duration::from_secs(300);
const POLL: Duration = Duration::from_millis(200);

/// Runs the demo. Returns whether everything is as Namesake promises.
///
/// # Errors
/// A part of the sandbox does not start.
pub async fn run(folder: &WorkFolder, options: Options) -> Result<bool> {
    let propagation = options.propagation.as_secs_f64();
    let sandbox = Sandbox::start(folder, options, say).await?;
    say(&format!(
        "Namesake is running; IAM propagates a change within {propagation} s here (2 to 7 minutes at Google)"
    ));
    let laptops = logged_in(&sandbox, folder).await?;
    say(
        "alice and bob each run: python whoami_flow.py run --with kubernetes (bob with METAFLOW_USER=alice@acme.com)",
    );
    let flags = laptops
        .each_ref()
        .map(|laptop| laptop.flow_flags(&laptops, sandbox.google.url()));
    let runs = laptops
        .iter()
        .zip(&flags)
        .map(|(laptop, flags)| follow(laptop, &sandbox, flags));
    let ended: Vec<Result<bool>> = join_all(runs).await;
    let admin = sandbox.control_plane.client(ADMIN).await?;
    let (mut tasks, mut problems, mut runs) = (Vec::new(), Vec::new(), Vec::new());
    for (laptop, ended) in laptops.iter().zip(ended) {
        match ended {
            Ok(true) => {}
            Ok(false) => problems.push(format!("the flow of {} failed", laptop.person())),
            Err(error) => problems.push(format!("the flow of {}: {error:#}", laptop.person())),
        }
        let (run, printed) = output_of(laptop, folder);
        let Some(run) = run else { continue };
        let recorded_as = gateway::recorded_user(&sandbox.gateway, &run).await?;
        tasks.extend(tasks_of(laptop, &admin, &run, &printed, &recorded_as).await?);
        runs.push((laptop, run));
    }
    let answers = match runs.as_slice() {
        [(alice, hers), (bob, his)] => {
            gateway::answers(&sandbox, (alice, hers), (bob, his)).await?
        }
        _ => Vec::new(),
    };
    let expected = laptops.each_ref().map(|laptop| Expected {
        user: laptop.person().to_owned(),
        identity: laptop.identity().to_string(),
        steps: STEPS.into(),
    });
    let report = Report::new(tasks, answers, &expected, problems);
    let path = write(&report)?;
    print(&format!("\n{}\n\n{}\n", report.table(), report.answers()));
    report
        .problems
        .iter()
        .for_each(|problem| print(&format!("NOT AS EXPECTED: {problem}")));
    if report.ok {
        print(
            "Each task was its own user to Google, read its own data, and was refused the other's. Each run is recorded as its own user's.",
        );
    }
    say(&format!("written to {}", path.display()));
    sandbox.stop().await;
    Ok(report.ok)
}

/// The laptops of alice and bob, each of whom logs in.
async fn logged_in(sandbox: &Sandbox, folder: &WorkFolder) -> Result<[Laptop; 2]> {
    let laptops = [
        Laptop::open(sandbox, folder, ALICE, ALICE).await?,
        // Anybody can set this user name. It proves and changes nothing.
        Laptop::open(sandbox, folder, BOB, ALICE).await?,
    ];
    say("alice and bob each log in: python -m metaflow_namesake login");
    try_join_all(laptops.iter().map(|laptop| laptop.log_in(sandbox))).await?;
    Ok(laptops)
}

/// Runs the flow of a laptop and prints its output line by line. Returns whether it succeeded.
async fn follow(laptop: &Laptop, sandbox: &Sandbox, flags: &[String]) -> Result<bool> {
    let name = laptop.name();
    let client = laptop.run(sandbox, flags)?;
    let start = Instant::now();
    let mut shown = 0;
    loop {
        let ended = client.ended();
        shown = show_new_lines(&client, name, shown);
        match ended {
            Some(end) => return Ok(end.code == 0),
            None if start.elapsed() > LIMIT => {
                client.stop(Duration::from_secs(1)).await;
                anyhow::bail!("it did not finish within {} s", LIMIT.as_secs());
            }
            None => sleep(POLL).await,
        }
    }
}

/// Prints what the client wrote since; returns how many bytes were printed in total.
fn show_new_lines(client: &Child, name: &str, shown: usize) -> usize {
    let text = fs::read(client.log()).unwrap_or_default();
    let new = text.get(shown..).unwrap_or_default();
    let Some(end) = new.iter().rposition(|byte| *byte == b'\n') else {
        return shown;
    };
    let whole = new.get(..=end).unwrap_or_default();
    for line in String::from_utf8_lossy(whole)
        .lines()
        .filter(|line| !line.trim().is_empty())
    {
        say(&format!("{name:5} | {}", without_time(line)));
    }
    shown + whole.len()
}

/// Removes date and time from Metaflow's lines: ours have a time already.
fn without_time(line: &str) -> &str {
    let rest = line
        .get(24..)
        .filter(|_| line.starts_with("20") && line.get(10..11) == Some(" "));
    rest.unwrap_or(line)
}

/// The id of a person's run, and what its tasks printed.
fn output_of(laptop: &Laptop, folder: &WorkFolder) -> (Option<String>, Vec<Printed>) {
    let log = folder
        .logs()
        .join(format!("metaflow-{}.log", laptop.name()));
    let output = fs::read(log).unwrap_or_default();
    read_output(&String::from_utf8_lossy(&output))
}

/// A person's tasks: what the cluster says about each pod, and what the task printed.
async fn tasks_of(
    laptop: &Laptop,
    admin: &Client,
    run: &str,
    printed: &[Printed],
    recorded_as: &str,
) -> Result<Vec<Task>> {
    let pods = Api::<Pod>::namespaced(admin.clone(), RESEARCH)
        .list(&ListParams::default())
        .await
        .context("cannot list the pods")?;
    let annotation = |pod: &Pod, key: &str| {
        pod.metadata
            .annotations
            .as_ref()
            .and_then(|all| all.get(key))
            .cloned()
    };
    let mut tasks = Vec::new();
    for pod in pods
        .items
        .iter()
        .filter(|pod| annotation(pod, "metaflow/run_id").as_deref() == Some(run))
    {
        let step = annotation(pod, "metaflow/step_name").unwrap_or_default();
        let account = pod
            .spec
            .as_ref()
            .and_then(|spec| spec.service_account_name.clone())
            .unwrap_or_default();
        let linked = Api::<ServiceAccount>::namespaced(admin.clone(), RESEARCH)
            .get_opt(&account)
            .await
            .ok()
            .flatten();
        let linked = linked.and_then(|it| it.metadata.annotations?.get(GSA_ANNOTATION).cloned());
        let found = printed.iter().find(|it| it.step == step);
        let linked = linked.unwrap_or_default();
        tasks.push(Task {
            recorded_as: recorded_as.to_owned(),
            ..task(laptop, step, pod, account, linked, found)
        });
    }
    tasks.sort_by_key(|task| STEPS.iter().position(|step| *step == task.step));
    Ok(tasks)
}

fn task(
    laptop: &Laptop,
    step: String,
    pod: &Pod,
    account: String,
    linked: String,
    printed: Option<&Printed>,
) -> Task {
    let silent = || "the task printed nothing".to_owned();
    let own = |printed: &Printed| {
        if printed.mine == format!("read: {}", laptop.notes()) {
            "read".into()
        } else {
            printed.mine.clone()
        }
    };
    Task {
        user: laptop.person().to_owned(),
        step,
        pod: pod.metadata.name.clone().unwrap_or_default(),
        service_account: account,
        google_service_account: linked,
        tokeninfo_email: printed.map_or_else(silent, |it| it.me.clone()),
        own_data: printed.map_or_else(silent, own),
        others_data: printed.map_or_else(silent, |it| it.theirs.clone()),
        recorded_as: String::new(),
    }
}

fn write(report: &Report) -> Result<PathBuf> {
    let folder = workspace_root().join("target").join("demo");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let path = folder.join("report.json");
    let text = serde_json::to_string_pretty(report)?;
    fs::write(&path, text + "\n").with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path
        .strip_prefix(workspace_root())
        .map(Path::to_path_buf)
        .unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_metaflows_own_time_is_removed() {
        assert_eq!(
            without_time("2026-11-22 22:00:00.123 Workflow starting"),
            "Workflow starting"
        );
        assert_eq!(
            without_time("Metaflow 2.19.39 executing"),
            "Metaflow 2.19.39 executing"
        );
        assert_eq!(without_time("20"), "20");
    }
}
