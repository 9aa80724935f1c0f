//! Sends the requests of a report to an emulator, as the callers of the report.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{Request, header};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::OWNER_ROLES;
use super::compare::{differences, pairs};
use super::issuer::{Issuer, Ksa};
use super::pods::Pods;
use super::report::{Compare, Exchange, Names, Subject};
use crate::world::controls::settings::Delays;
use crate::{Emulator, Options, PoolSeed, ProjectSeed, Seed};

/// Longer than every delay of the replay.
const ALL_DELAYS: SignedDuration = SignedDuration::from_secs(900);
/// A quota with burst refuses only after some calls.
const TRIES_FOR_429: u32 = 3;
const FORM: &str = "application/x-www-form-urlencoded";

/// An emulator, and what the replay has learned from its answers.
pub(super) struct Conversation {
    emulator: Emulator,
    names: Names,
    issuer: Arc<Issuer>,
    pods: Pods,
    tokens: BTreeMap<String, String>,
    /// Etags and ids of the report, and those of the emulator.
    known: Vec<(String, String)>,
}

impl Conversation {
    /// Starts an emulator with the projects and the pool of the report.
    ///
    /// # Errors
    /// What is wrong with the names, or why it does not start.
    pub(super) async fn start(names: &Names) -> Result<Self, String> {
        let issuer = Issuer::new(&names.issuer)?;
        let options = Options {
            seed: seed(names, &issuer)?,
            ..Options::default()
        };
        let emulator = Emulator::start(options)
            .await
            .map_err(|error| error.to_string())?;
        let delays = Delays {
            service_account_get: 30.0,
            service_account_list: 30.0,
            service_account_member: 60.0,
            service_account_credentials: 60.0,
            service_account_update: 30.0,
            service_account_state: 60.0,
            policy_read: 1.0,
            policy: 120.0,
            pool: 0.0,
        };
        emulator
            .state()
            .change_settings(|all| all.delays = delays)?;
        let owner = emulator.state().user_token(&names.owner);
        Ok(Self {
            emulator,
            names: names.clone(),
            issuer: Arc::new(issuer),
            pods: Pods::default(),
            tokens: BTreeMap::from([("owner".to_owned(), owner)]),
            known: Vec::new(),
        })
    }

    /// Sends a request of the report, once everything before it is applied; returns how the answer differs.
    pub(super) async fn repeat(&mut self, exchange: &Exchange) -> Vec<String> {
        self.pass();
        if exchange.compare == Compare::None {
            return Vec::new();
        }
        let mut found = match exchange.status {
            429 => self.repeat_429(exchange).await,
            _ => self.compare(exchange).await,
        };
        if let Some(effect) = &exchange.effect {
            found.extend(self.repeat_effect(effect).await);
        }
        found
    }

    /// Everything that was changed is applied.
    fn pass(&self) {
        self.emulator.state().clock().advance(ALL_DELAYS);
    }

    async fn compare(&mut self, exchange: &Exchange) -> Vec<String> {
        let (status, body) = match self.send(exchange).await {
            Ok(answer) => answer,
            Err(why) => return vec![why],
        };
        pairs(&exchange.answer, &body, &mut self.known);
        compared(exchange, exchange.status, &exchange.answer, status, &body)
    }

    /// The request that shows a change: before it is applied, if Google took a while, and after.
    async fn repeat_effect(&mut self, effect: &Exchange) -> Vec<String> {
        let mut found = Vec::new();
        if !effect.before.is_empty() {
            match self.send(effect).await {
                Err(why) => found.push(why),
                Ok((status, body)) => {
                    let each = effect.before.iter();
                    let mut each =
                        each.map(|seen| compared(effect, seen.status, &seen.answer, status, &body));
                    let first = each.next().unwrap_or_default();
                    if !first.is_empty() && each.all(|other| !other.is_empty()) {
                        found.extend(first.iter().map(|it| format!("before it is applied: {it}")));
                    }
                }
            }
        }
        self.pass();
        found.extend(self.compare(effect).await);
        found
    }

    /// A quota that was used up at Google is used up here too.
    async fn repeat_429(&mut self, exchange: &Exchange) -> Vec<String> {
        let state = self.emulator.state().clone();
        let settings = state.settings();
        let limited = state.change_settings(|all| {
            all.limits.creates_per_minute = Some(1);
            all.limits.bucket_updates_per_second = Some(1);
            all.limits.bucket_update_burst = 1;
        });
        let mut last = Err("the emulator does not refuse this for a quota".to_owned());
        for _ in 0..TRIES_FOR_429 {
            match self.send(exchange).await {
                Ok((429, body)) => {
                    last = Ok(body);
                    break;
                }
                Ok(_) => {}
                Err(why) => last = Err(why),
            }
        }
        let restored = state.change_settings(|all| *all = settings);
        match (last, limited.and(restored)) {
            (Ok(body), Ok(())) => differences(&exchange.answer, &body),
            (Err(why), _) | (_, Err(why)) => vec![why],
        }
    }

    /// Sends a request as its caller; status and body.
    async fn send(&mut self, exchange: &Exchange) -> Result<(u16, Value), String> {
        if let Some(pod) = &exchange.pod {
            let google = self.emulator.base_url.clone();
            let pods = &mut self.pods;
            return Ok(pods
                .ask(exchange, pod, &google, &self.names, &self.issuer)
                .await);
        }
        let (status, body) = match exchange.method.as_str() {
            "EDIT" => self.edit_policy(exchange).await?,
            method => {
                let body = self.body(exchange)?;
                self.call(exchange, method, &exchange.path, body).await?
            }
        };
        if !exchange.saves.is_empty() {
            let token = body.get("accessToken").or_else(|| body.get("access_token"));
            if let Some(token) = token.and_then(Value::as_str) {
                self.tokens.insert(exchange.saves.clone(), token.to_owned());
            }
        }
        Ok((status, body))
    }

    /// Reads a policy, adds a binding, and writes it, as the caller of the exchange.
    async fn edit_policy(&self, exchange: &Exchange) -> Result<(u16, Value), String> {
        let options = json!({"options": {"requestedPolicyVersion": 3}}).to_string();
        let path = format!("{}:getIamPolicy", exchange.path);
        let (status, mut policy) = self.call(exchange, "POST", &path, options).await?;
        let added = exchange.body.get("add").cloned().unwrap_or_default();
        match policy.as_object_mut() {
            Some(policy) if status == 200 => {
                policy.insert("version".to_owned(), json!(3));
                let bindings = policy.entry("bindings").or_insert_with(|| json!([]));
                if let Some(all) = bindings.as_array_mut() {
                    all.push(added);
                }
            }
            _ => return Ok((status, policy)),
        }
        let path = format!("{}:setIamPolicy", exchange.path);
        let body = json!({ "policy": policy }).to_string();
        let (status, body) = self.call(exchange, "POST", &path, body).await?;
        Ok((status, if status == 200 { json!({}) } else { body }))
    }

    async fn call(
        &self,
        exchange: &Exchange,
        method: &str,
        path: &str,
        body: String,
    ) -> Result<(u16, Value), String> {
        let mut request = Request::builder().method(method).uri(self.translated(path));
        for (name, value) in exchange.headers.iter().flatten() {
            request = request.header(name, value);
        }
        if !exchange
            .headers
            .iter()
            .flatten()
            .any(|(name, _)| name == "Content-Type")
        {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        if exchange.caller != "none" {
            let token = self.tokens.get(&exchange.caller);
            let token = token.ok_or(format!("{} got no token here", exchange.caller))?;
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request
            .body(body.into_bytes())
            .map_err(|error| format!("not a request: {error}"))?;
        Ok(self.emulator.state().call(request).await)
    }

    /// The body, with the emulator's etags and ids, and with the token that it needs.
    fn body(&self, exchange: &Exchange) -> Result<String, String> {
        if exchange.body.is_null() {
            return Ok(String::new());
        }
        let body = expanded(&exchange.body);
        let is_form = exchange
            .headers
            .iter()
            .flatten()
            .any(|(_, value)| value == FORM);
        let text = match (&body, is_form) {
            (Value::Object(fields), true) => {
                let mut form = form_urlencoded::Serializer::new(String::new());
                for (name, value) in fields {
                    let value = value.as_str().unwrap_or_default();
                    form.append_pair(name, &self.with_subject(value, exchange)?);
                }
                form.finish()
            }
            _ => self.with_subject(&body.to_string(), exchange)?,
        };
        Ok(self.translated(&text))
    }

    fn with_subject(&self, text: &str, exchange: &Exchange) -> Result<String, String> {
        let token = match &exchange.subject {
            None => return Ok(text.to_owned()),
            Some(Subject::Caller { caller }) => {
                let token = self.tokens.get(caller).cloned();
                token.ok_or(format!("{caller} got no token here"))?
            }
            Some(Subject::Ksa {
                namespace,
                name,
                uid,
                audience,
                flaw,
            }) => {
                let ksa = Ksa {
                    namespace,
                    name,
                    uid,
                };
                self.issuer.token(&ksa, audience, flaw.is_empty())
            }
        };
        Ok(text.replace("<subject>", &token))
    }

    fn translated(&self, text: &str) -> String {
        let known = self.known.iter().rev();
        known.fold(text.to_owned(), |text, (old, new)| text.replace(old, new))
    }
}

/// How the emulator's answer differs from a recorded one.
fn compared(
    exchange: &Exchange,
    wanted: u16,
    answer: &Value,
    status: u16,
    body: &Value,
) -> Vec<String> {
    if wanted != status {
        return vec![format!(
            "status: Google: {wanted}, emulator: {status}: {body}"
        )];
    }
    let is_error = wanted >= 400;
    // Metadata answers of a status only may name the owner's machines.
    let is_compared = exchange.compare == Compare::All
        || (is_error && !answer.is_null() && exchange.service != "metadata");
    match is_compared {
        true => differences(answer, body),
        false => Vec::new(),
    }
}

/// A body with the lists that the report only describes.
fn expanded(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter();
            Value::Object(
                fields
                    .map(|(key, it)| (key.clone(), expanded(it)))
                    .collect(),
            )
        }
        Value::Array(all) => match all.as_slice() {
            [Value::Object(one)] if one.contains_key("repeat") => {
                let text = one
                    .get("repeat")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                let times = one.get("times").and_then(Value::as_u64).unwrap_or_default();
                let each = (0..times).map(|n| text.replace('#', &n.to_string()));
                each.collect()
            }
            all => all.iter().map(expanded).collect(),
        },
        other => other.clone(),
    }
}

/// The owner's projects, with the rights that the report's owner must have had, and the pool.
fn seed(names: &Names, issuer: &Issuer) -> Result<Seed, String> {
    let member = format!("user:{}", names.owner);
    let bindings: Vec<Value> = OWNER_ROLES
        .iter()
        .map(|role| json!({"role": role, "members": [member]}))
        .collect();
    let project = |id: &str, number: &str| -> Result<ProjectSeed, String> {
        Ok(ProjectSeed {
            id: id.to_owned(),
            number: number
                .parse()
                .map_err(|_| format!("{number} is not the number of a project"))?,
            bindings: bindings.clone(),
            ..ProjectSeed::default()
        })
    };
    let mut projects = vec![project(&names.project, &names.project_number)?];
    if names.cluster_project != names.project {
        projects.push(project(
            &names.cluster_project,
            &names.cluster_project_number,
        )?);
    }
    let pool = PoolSeed {
        pool: names.pool.clone(),
        project: Some(names.cluster_project.clone()),
        issuer: names.issuer.clone(),
        jwks: issuer.jwks(),
        provider: None,
        allowed_audiences: Vec::new(),
    };
    Ok(Seed {
        projects,
        pools: vec![pool],
        ..Seed::default()
    })
}
