//! The few commands of gcloud that the documents have, as the requests that gcloud makes of them, put to the emulator by somebody
//! who owns the projects.

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::{documents, google::Google};

/// Who owns projects and bucket.
const OWNER: &str = "owner@acme.com";

/// An owner of the projects, who runs commands.
pub struct Gcloud<'a> {
    google: &'a Google,
    /// APIs that were enabled, as `PROJECT/API`.
    pub enabled: Vec<String>,
}

/// A command in parts.
struct Line {
    verb: String,
    /// What it is about: the words that are no flags and follow the verb.
    about: Vec<String>,
    flags: Vec<(String, String)>,
}

impl Line {
    fn of(line: &str) -> Self {
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
            about: words[verb.len()..].to_vec(),
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
        let name = self.about.first();
        let name = name.with_context(|| format!("{} of nothing", self.verb))?;
        Ok(name.trim_start_matches("gs://"))
    }
}

/// Where a policy is.
enum Policy<'a> {
    Project(&'a str),
    Account(&'a str),
    Bucket(&'a str),
}

impl<'a> Gcloud<'a> {
    /// Somebody who owns both projects and the bucket `acme-mf`.
    ///
    /// # Errors
    /// The emulator has no such projects.
    pub fn of(google: &'a Google) -> Result<Self> {
        let owns = |role: &str| json!([{"role": role, "members": [format!("user:{OWNER}")]}]);
        let projects = google.state().listing()["projects"].clone();
        let number = |id: &str| {
            let mut all = projects.as_array().into_iter().flatten();
            let found = all.find(|project| project["id"] == id);
            found.and_then(|project| project["number"].as_str()?.parse::<u64>().ok())
        };
        let mut seeds = Vec::new();
        for id in ["acme", "acme-identities"] {
            let number = number(id).with_context(|| format!("no project {id}"))?;
            seeds.push(json!({"id": id, "number": number, "bindings": owns("roles/owner")}));
        }
        google.seed(json!({
            "projects": seeds,
            "buckets": [{"name": "acme-mf", "project": "acme", "bindings": owns("roles/storage.admin")}],
        }))?;
        Ok(Self {
            google,
            enabled: Vec::new(),
        })
    }

    /// Runs every command of a block.
    ///
    /// # Errors
    /// Google refuses one, or it is not known here.
    pub async fn run(&mut self, block: &str) -> Result<()> {
        for line in documents::lines(block) {
            let done = self.one(&Line::of(&line)).await;
            done.with_context(|| line.clone())?;
        }
        Ok(())
    }

    async fn one(&mut self, line: &Line) -> Result<()> {
        match line.verb.as_str() {
            "services enable" => {
                let project = line.flag("project")?;
                let apis = line.about.iter().map(|api| format!("{project}/{api}"));
                self.enabled.extend(apis);
            }
            "iam service-accounts create" => {
                let path = format!("/v1/projects/{}/serviceAccounts", line.flag("project")?);
                let body = json!({"accountId": line.name()?, "serviceAccount": {}});
                self.ask("POST", &path, &body).await?;
            }
            "iam service-accounts delete" => {
                self.ask("DELETE", &account(line)?, &Value::Null).await?;
            }
            "iam service-accounts list" => {
                let path = format!("/v1/projects/{}/serviceAccounts", line.flag("project")?);
                let all = self.ask("GET", &path, &Value::Null).await?;
                ensure!(!all.to_string().contains("/mf-"), "{all}");
            }
            "iam roles create" => {
                let name = format!("projects/{}/roles/{}", line.flag("project")?, line.name()?);
                let permissions: Vec<_> = line.flag("permissions")?.split(',').collect();
                let role = json!({"name": name, "includedPermissions": permissions});
                self.google.seed(json!({"roles": [role]}))?;
            }
            // Google lets a role go that policies still name, and then it gives nothing: what is left of it would stay there.
            "iam roles delete" => {
                let name = format!("projects/{}/roles/{}", line.flag("project")?, line.name()?);
                let policies = self.google.state().listing()["policies"].to_string();
                ensure!(!policies.contains(&name), "{name} is still in a policy");
            }
            "storage buckets update" => {
                line.flag("uniform-bucket-level-access")?;
                let path = format!("/storage/v1/b/{}", line.name()?);
                let body =
                    json!({"iamConfiguration": {"uniformBucketLevelAccess": {"enabled": true}}});
                self.ask("PATCH", &path, &body).await?;
            }
            _ => self.policy(line).await?,
        }
        Ok(())
    }

    async fn policy(&self, line: &Line) -> Result<()> {
        let account = match line.verb.starts_with("iam service-accounts ") {
            true => account(line)?,
            false => String::new(),
        };
        let (policy, verb) = match line.verb.rsplit_once(' ') {
            Some(("projects", verb)) => (Policy::Project(line.name()?), verb),
            Some(("iam service-accounts", verb)) => (Policy::Account(&account), verb),
            Some(("storage buckets", verb)) => (Policy::Bucket(line.name()?), verb),
            _ => bail!("this command is not known here"),
        };
        let mut there = self.read(&policy).await?;
        if verb == "get-iam-policy" {
            return Ok(());
        }
        let (role, member) = (line.flag("role")?, line.flag("member")?);
        let mut bindings = there["bindings"].as_array().cloned().unwrap_or_default();
        let is_it = |binding: &Value| binding["role"] == role && binding["condition"].is_null();
        match verb {
            "add-iam-policy-binding" => bindings.push(json!({"role": role, "members": [member]})),
            "remove-iam-policy-binding" => {
                let has = |binding: &Value| {
                    let mut members = binding["members"].as_array().into_iter().flatten();
                    members.any(|one| one == member)
                };
                let found = bindings
                    .iter()
                    .position(|binding| is_it(binding) && has(binding));
                let found = found.context("the policy has no such binding")?;
                let members = bindings[found]["members"].as_array_mut();
                members.context("no members")?.retain(|one| one != member);
                bindings.retain(|binding| binding["members"] != json!([]));
            }
            _ => bail!("this command is not known here"),
        }
        there["bindings"] = json!(bindings);
        self.write(&policy, &there).await
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

/// Path of the account that a command names.
fn account(line: &Line) -> Result<String> {
    let project = line.flag("project")?;
    Ok(format!(
        "/v1/projects/{project}/serviceAccounts/{}",
        line.name()?
    ))
}
