//! The gcloud commands in the documents, translated into gcloud's requests and sent to the emulator by an owner of the projects.

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::{
    documents,
    google::{Google, OWNER},
};

/// An owner of the projects, who runs commands.
pub struct Gcloud<'a> {
    google: &'a Google,
    /// APIs that were enabled, as `PROJECT/API`.
    pub enabled: Vec<String>,
}

/// A parsed command.
struct Command {
    verb: String,
    /// The arguments after the verb that are not flags.
    arguments: Vec<String>,
    flags: Vec<(String, String)>,
}

impl Command {
    fn parse(line: &str) -> Self {
        let words = documents::words(line).into_iter().skip(1);
        let (flags, words): (Vec<_>, Vec<_>) = words.partition(|word| word.starts_with("--"));
        // `iam roles create NAME`, and `projects add-iam-policy-binding NAME` with one word less.
        let length = match words.first().map(String::as_str) {
            Some("projects" | "services") => 2,
            _ => 3,
        };
        let verb: Vec<_> = words.iter().take(length).cloned().collect();
        let flags = flags.into_iter().map(|flag| {
            let flag = flag.trim_start_matches('-').to_owned();
            let (key, value) = flag.split_once('=').unwrap_or((&flag, ""));
            (key.to_owned(), value.to_owned())
        });
        Self {
            arguments: words[verb.len()..].to_vec(),
            verb: verb.join(" "),
            flags: flags.collect(),
        }
    }

    fn flag(&self, name: &str) -> Result<&str> {
        let found = self.flags.iter().find(|(key, _)| key == name);
        let (_, value) = found.with_context(|| format!("{} without --{name}", self.verb))?;
        Ok(value)
    }

    fn name(&self) -> Result<&str> {
        let name = self.arguments.first();
        let name = name.with_context(|| format!("{} without a name", self.verb))?;
        Ok(name.trim_start_matches("gs://"))
    }
}

/// The resource of an IAM policy.
enum Policy<'a> {
    Project(&'a str),
    Account(&'a str),
    Bucket(&'a str),
}

impl<'a> Gcloud<'a> {
    /// The owner of both projects and of the bucket.
    #[must_use]
    pub const fn of(google: &'a Google) -> Self {
        Self {
            google,
            enabled: Vec::new(),
        }
    }

    /// Runs every command of a block.
    ///
    /// # Errors
    /// Google refuses a command, or it is not known here.
    pub async fn run(&mut self, block: &str) -> Result<()> {
        for line in documents::lines(block) {
            let result = self.run_command(&Command::parse(&line)).await;
            result.with_context(|| line.clone())?;
        }
        Ok(())
    }

    async fn run_command(&mut self, command: &Command) -> Result<()> {
        match command.verb.as_str() {
            "services enable" => {
                let project = command.flag("project")?;
                let apis = command
                    .arguments
                    .iter()
                    .map(|api| format!("{project}/{api}"));
                self.enabled.extend(apis);
            }
            "iam service-accounts create" => {
                let path = format!("/v1/projects/{}/serviceAccounts", command.flag("project")?);
                let body = json!({"accountId": command.name()?, "serviceAccount": {}});
                self.ask("POST", &path, &body).await?;
            }
            "iam service-accounts delete" => {
                self.ask("DELETE", &account(command)?, &Value::Null).await?;
            }
            "iam service-accounts list" => {
                let path = format!("/v1/projects/{}/serviceAccounts", command.flag("project")?);
                let all = self.ask("GET", &path, &Value::Null).await?;
                ensure!(!all.to_string().contains("/mf-"), "{all}");
            }
            "iam roles create" => {
                let name = format!(
                    "projects/{}/roles/{}",
                    command.flag("project")?,
                    command.name()?
                );
                let permissions: Vec<_> = command.flag("permissions")?.split(',').collect();
                let role = json!({"name": name, "includedPermissions": permissions});
                self.google.seed(json!({"roles": [role]}))?;
            }
            // Google deletes a role that policies still name. The test requires that no binding is left over.
            "iam roles delete" => {
                let name = format!(
                    "projects/{}/roles/{}",
                    command.flag("project")?,
                    command.name()?
                );
                let policies = self.google.state().listing()["policies"].to_string();
                ensure!(!policies.contains(&name), "{name} is still in a policy");
            }
            "storage buckets update" => {
                command.flag("uniform-bucket-level-access")?;
                let path = format!("/storage/v1/b/{}", command.name()?);
                let body =
                    json!({"iamConfiguration": {"uniformBucketLevelAccess": {"enabled": true}}});
                self.ask("PATCH", &path, &body).await?;
            }
            _ => self.policy(command).await?,
        }
        Ok(())
    }

    async fn policy(&self, command: &Command) -> Result<()> {
        let account = match command.verb.starts_with("iam service-accounts ") {
            true => account(command)?,
            false => String::new(),
        };
        let (policy, verb) = match command.verb.rsplit_once(' ') {
            Some(("projects", verb)) => (Policy::Project(command.name()?), verb),
            Some(("iam service-accounts", verb)) => (Policy::Account(&account), verb),
            Some(("storage buckets", verb)) => (Policy::Bucket(command.name()?), verb),
            _ => bail!("this command is not known here"),
        };
        let mut current = self.read(&policy).await?;
        if verb == "get-iam-policy" {
            return Ok(());
        }
        let (role, member) = (command.flag("role")?, command.flag("member")?);
        let mut bindings = current["bindings"].as_array().cloned().unwrap_or_default();
        let matches = |binding: &Value| binding["role"] == role && binding["condition"].is_null();
        match verb {
            "add-iam-policy-binding" => bindings.push(json!({"role": role, "members": [member]})),
            "remove-iam-policy-binding" => {
                let has = |binding: &Value| {
                    let mut members = binding["members"].as_array().into_iter().flatten();
                    members.any(|one| one == member)
                };
                let found = bindings
                    .iter()
                    .position(|binding| matches(binding) && has(binding));
                let found = found.context("the policy has no such binding")?;
                let members = bindings[found]["members"].as_array_mut();
                members
                    .context("the binding has no members")?
                    .retain(|one| one != member);
                bindings.retain(|binding| binding["members"] != json!([]));
            }
            _ => bail!("this command is not known here"),
        }
        current["bindings"] = json!(bindings);
        self.write(&policy, &current).await
    }

    async fn read(&self, policy: &Policy<'_>) -> Result<Value> {
        match policy {
            Policy::Project(project) => {
                let body = json!({"options": {"requestedPolicyVersion": 3}});
                let path = format!("/v1/projects/{project}:getIamPolicy");
                self.ask("POST", &path, &body).await
            }
            Policy::Account(path) => {
                let path = format!("{path}:getIamPolicy?options.requestedPolicyVersion=3");
                self.ask("POST", &path, &json!({})).await
            }
            Policy::Bucket(bucket) => {
                let path = format!("/storage/v1/b/{bucket}/iam?optionsRequestedPolicyVersion=3");
                self.ask("GET", &path, &Value::Null).await
            }
        }
    }

    async fn write(&self, policy: &Policy<'_>, value: &Value) -> Result<()> {
        let wrapped = json!({"policy": value});
        let (method, path, body) = match policy {
            Policy::Project(project) => (
                "POST",
                format!("/v1/projects/{project}:setIamPolicy"),
                &wrapped,
            ),
            Policy::Account(path) => ("POST", format!("{path}:setIamPolicy"), &wrapped),
            Policy::Bucket(bucket) => ("PUT", format!("/storage/v1/b/{bucket}/iam"), value),
        };
        self.ask(method, &path, body).await.map(drop)
    }

    async fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let token = self.google.state().user_token(OWNER);
        let body = if body.is_null() {
            Vec::new()
        } else {
            body.to_string().into_bytes()
        };
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::AUTHORIZATION, format!("Bearer {token}"))
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(body)?;
        let (status, answer) = self.google.state().call(request).await;
        ensure!((200..300).contains(&status), "{status} {answer}");
        Ok(answer)
    }
}

/// The path of the GSA in a command.
fn account(command: &Command) -> Result<String> {
    let project = command.flag("project")?;
    Ok(format!(
        "/v1/projects/{project}/serviceAccounts/{}",
        command.name()?
    ))
}
