//! Runs at the metadata service, by way of the gateway.

use anyhow::{Context, Result, ensure};
use reqwest::Response;
use serde_json::{Value, json};

use super::Endpoints;

impl Endpoints {
    /// Registers a flow, and asks for a run of this user.
    ///
    /// # Errors
    /// The gateway does not answer.
    pub async fn create_run(&self, token: &str, flow: &str, user: &str) -> Result<Response> {
        let registered = json!({"tags": [], "system_tags": []});
        let registered = self.post(flow).bearer_auth(token).json(&registered);
        registered.send().await?;
        let run = json!({"user_name": user, "tags": [format!("user:{user}")], "system_tags": []});
        let run = self
            .post(&format!("{flow}/run"))
            .bearer_auth(token)
            .json(&run);
        Ok(run.send().await?)
    }

    /// The path of a new run of this user.
    ///
    /// # Errors
    /// It is refused.
    pub async fn new_run(&self, token: &str, flow: &str, user: &str) -> Result<String> {
        let answer = self.create_run(token, flow, user).await?;
        let status = answer.status();
        let text = answer.text().await?;
        ensure!(status.is_success(), "{status}: {text}");
        let run: Value = serde_json::from_str(&text)?;
        ensure!(run["user_name"] == user, "{run}");
        // The service writes it as text.
        let number = run["run_number"].to_string();
        Ok(format!("{flow}/runs/{}", number.trim_matches('"')))
    }

    /// A write into a run.
    ///
    /// # Errors
    /// The gateway does not answer.
    pub async fn heartbeat(&self, token: &str, run: &str) -> Result<Response> {
        let request = self.post(&format!("{run}/heartbeat"));
        Ok(request.bearer_auth(token).json(&json!({})).send().await?)
    }

    /// The users of all runs of a flow, as the metadata service has recorded them; it is asked without the gateway.
    ///
    /// # Errors
    /// It does not know the flow.
    pub async fn recorded_users(&self, flow: &str) -> Result<Vec<String>> {
        let url = format!("{}/flows/{flow}/runs", self.gateway.service.url());
        let runs: Vec<Value> = reqwest::get(&url).await?.error_for_status()?.json().await?;
        let users = runs
            .iter()
            .map(|run| run["user_name"].as_str().map(str::to_owned));
        users.collect::<Option<_>>().context("a run without a user")
    }
}
