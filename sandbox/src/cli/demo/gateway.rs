//! What the gateway refuses and records, after alice's and bob's flows have run.

use std::{fs, time::Duration};

use anyhow::{Context, Result, bail};
use reqwest::{Certificate, Client};
use serde::Deserialize;
use tokio::time::{Instant, sleep};

use super::{
    LIMIT, POLL, STEPS,
    laptop::{FLOW, Laptop},
    report::Answer,
};
use crate::{Sandbox, gateway::Gateway};

/// The class of the flow, which names it at the metadata service.
const FLOW_NAME: &str = "WhoamiFlow";
/// How long after an answer its line is in Envoy's log.
const LOG_LIMIT: Duration = Duration::from_secs(10);

/// A laptop, and the id of its run.
pub(super) type Run<'l> = (&'l Laptop, &'l str);

/// A line of Envoy's access log.
#[derive(Debug, Deserialize)]
struct Line {
    user: Option<String>,
    method: String,
    path: String,
    status: u16,
}

/// The user of a run, as the metadata service has recorded it; it is asked without the gateway.
pub(super) async fn recorded_user(gateway: &Gateway, run: &str) -> Result<String> {
    let url = format!("{}/flows/{FLOW_NAME}/runs/{run}", gateway.service.url());
    let answer = reqwest::get(&url).await?.error_for_status()?;
    let run: serde_json::Value = answer.json().await?;
    let user = run.get("user_name").and_then(serde_json::Value::as_str);
    user.map(str::to_owned)
        .with_context(|| format!("{url} names no user"))
}

/// Sends what must be refused, and reads whom the access log names.
pub(super) async fn answers(
    sandbox: &Sandbox,
    alice: Run<'_>,
    bob: Run<'_>,
) -> Result<Vec<Answer>> {
    let mut answers = vec![
        tag_by_another(sandbox, alice, bob.0).await?,
        without_token(&sandbox.gateway, alice.1).await?,
    ];
    for run in [alice, bob] {
        answers.push(artifacts_written_by(&sandbox.gateway, run).await?);
    }
    Ok(answers)
}

/// Another person adds a tag to a run, with stock Metaflow's own command and their own login.
async fn tag_by_another(sandbox: &Sandbox, of: Run<'_>, by: &Laptop) -> Result<Answer> {
    let (owner, run) = of;
    // Where Metaflow looks for the run.
    let namespace = format!("user:{}", owner.person());
    let args = [
        FLOW,
        "tag",
        "add",
        "--run-id",
        run,
        "--namespace",
        &namespace,
        "mine",
    ];
    let command = by.start(sandbox, &format!("tag-{}", by.name()), &args)?;
    let Ok(exit) = tokio::time::timeout(LIMIT, command.wait()).await else {
        command.stop(Duration::from_secs(1)).await;
        bail!("`tag add` did not finish");
    };
    let text = fs::read_to_string(command.log()).unwrap_or_default();
    let refusal = words_from(&text, "Not allowed at");
    Ok(Answer {
        request: format!("{} adds a tag to {}'s run", by.name(), owner.name()),
        as_expected: exit.code != 0
            && refusal
                .as_ref()
                .is_some_and(|it| it.contains(owner.person())),
        answer: refusal.unwrap_or_else(|| format!("exit code {}: {text}", exit.code)),
    })
}

async fn without_token(gateway: &Gateway, run: &str) -> Result<Answer> {
    let authority = fs::read(gateway.authority()).context("cannot read the gateway's authority")?;
    let client = Client::builder()
        .tls_certs_only([Certificate::from_pem(&authority)?])
        .build()?;
    let url = format!("{}/flows/{FLOW_NAME}/runs/{run}", gateway.api());
    let answer = client.get(url).send().await?;
    let (status, text) = (answer.status(), answer.text().await?);
    let body: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let message = body.get("message").and_then(serde_json::Value::as_str);
    Ok(Answer {
        request: "a request without a token".to_owned(),
        answer: format!("{}: {}", status.as_u16(), message.unwrap_or(&text)),
        as_expected: status == 401,
    })
}

/// Only tasks write artifacts, and a pod has no token but its own.
async fn artifacts_written_by(gateway: &Gateway, of: Run<'_>) -> Result<Answer> {
    let (laptop, run) = of;
    let deadline = Instant::now() + LOG_LIMIT;
    let mut lines = artifact_lines(gateway, run)?;
    while lines.len() < STEPS.len() && Instant::now() < deadline {
        sleep(POLL).await;
        lines = artifact_lines(gateway, run)?;
    }
    let mut users: Vec<&str> = lines
        .iter()
        .map(|line| line.user.as_deref().unwrap_or("nobody"))
        .collect();
    let requests = users.len();
    users.sort_unstable();
    users.dedup();
    let all_succeeded = lines.iter().all(|line| (200..300).contains(&line.status));
    Ok(Answer {
        request: format!("{}'s pods write artifacts", laptop.name()),
        as_expected: requests >= STEPS.len() && all_succeeded && users == [laptop.person()],
        answer: format!(
            "{requests} requests, in Envoy's log as {}",
            users.join(", ")
        ),
    })
}

fn artifact_lines(gateway: &Gateway, run: &str) -> Result<Vec<Line>> {
    let log = gateway.envoy.process().log();
    let text = fs::read_to_string(log).with_context(|| format!("cannot read {}", log.display()))?;
    let below = format!("/flows/{FLOW_NAME}/runs/{run}/");
    let lines = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let is_write = |line: &Line| {
        let path = line.path.trim_end_matches('/');
        line.method == "POST" && path.starts_with(&below) && path.ends_with("/artifact")
    };
    Ok(lines.filter(is_write).collect())
}

/// What a text says from these words to the end of the paragraph, on one line.
fn words_from(text: &str, words: &str) -> Option<String> {
    let start = text.find(words)?;
    let paragraph = text.get(start..)?.split("\n\n").next()?;
    Some(paragraph.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_read_up_to_the_end_of_its_paragraph() {
        let text = "Metaflow 2\n    Metaflow service:\n    Not allowed at x:\n    this is not yours.\n\nmore";
        let words = words_from(text, "Not allowed at");
        assert_eq!(
            words.as_deref(),
            Some("Not allowed at x: this is not yours.")
        );
        assert_eq!(words_from("done", "Not allowed at"), None);
    }
}
