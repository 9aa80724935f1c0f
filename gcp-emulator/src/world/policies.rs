//! Allow policies with their history.

use std::collections::BTreeMap;
use std::sync::Arc;

use cel::Program;
use data_encoding::BASE64;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::world::World;
use crate::world::controls::clock::ago;
use crate::world::members::Member;
use crate::world::resource::Resource;

/// Seconds after which an old version is not visible to any reader: the largest delay that can be set.
const HISTORY_SECONDS: f64 = 86_400.0;

/// A binding: a role, its members, and a condition.
#[derive(Clone, Debug)]
pub(crate) struct Binding {
    pub(crate) role: String,
    pub(crate) members: Vec<Member>,
    pub(crate) condition: Option<Arc<Condition>>,
}

/// A condition with its parsed expression.
#[derive(Debug)]
pub(crate) struct Condition {
    pub(crate) program: Program,
    /// The JSON as it was written.
    pub(crate) json: Value,
}

/// What is logged of the access to one service, or to `allServices`.
#[derive(Clone, Debug)]
pub(crate) struct AuditConfig {
    pub(crate) service: String,
    pub(crate) logs: Vec<AuditLog>,
}

/// One type of access that is logged, except for some members.
#[derive(Clone, Debug)]
pub(crate) struct AuditLog {
    /// `ADMIN_READ`, `DATA_READ` or `DATA_WRITE`.
    pub(crate) log_type: String,
    pub(crate) exempted: Vec<Member>,
}

/// One version of a policy.
#[derive(Clone, Debug, Default)]
pub(crate) struct Policy {
    pub(crate) bindings: Vec<Binding>,
    pub(crate) audit_configs: Vec<AuditConfig>,
    /// 0: the policy was never set.
    revision: u64,
}

impl Policy {
    /// Whether a binding has a condition.
    pub(crate) fn is_conditional(&self) -> bool {
        self.bindings
            .iter()
            .any(|binding| binding.condition.is_some())
    }

    /// `ACAB` for a policy that was never set; in storage `CAE=`, `CAI=` and so on.
    pub(crate) fn etag(&self, resource: &Resource) -> String {
        if resource.in_storage() {
            return BASE64.encode(&storage_etag(self.revision.max(1)));
        }
        match self.revision {
            0 => "ACAB".to_owned(),
            revision => {
                let digits = revision.to_be_bytes();
                BASE64.encode(&[b"\x07\x06\x16".as_slice(), &digits[3..]].concat())
            }
        }
    }

    /// The JSON of the policy for a caller who requested this version.
    pub(crate) fn render(&self, resource: &Resource, requested: i64, world: &World) -> Value {
        let mut policy = Map::new();
        let conditions = requested >= 3 && self.is_conditional();
        if self.revision > 0 || !self.bindings.is_empty() {
            policy.insert("version".to_owned(), json!(if conditions { 3 } else { 1 }));
        }
        policy.insert("etag".to_owned(), json!(self.etag(resource)));
        let bindings: Vec<Value> = self
            .bindings
            .iter()
            .filter_map(|binding| binding.render(conditions, world))
            .collect();
        if !bindings.is_empty() {
            policy.insert("bindings".to_owned(), json!(bindings));
        }
        if !self.audit_configs.is_empty() {
            let configs = self.audit_configs.iter().map(|config| config.render(world));
            policy.insert("auditConfigs".to_owned(), configs.collect());
        }
        if resource.in_storage() {
            policy.insert("kind".to_owned(), json!("storage#policy"));
            policy.insert("resourceId".to_owned(), json!(resource.full_name()));
            policy.insert("version".to_owned(), json!(if conditions { 3 } else { 1 }));
        }
        Value::Object(policy)
    }
}

impl Binding {
    fn render(&self, with_condition: bool, world: &World) -> Option<Value> {
        let members: Vec<String> = self
            .members
            .iter()
            .filter_map(|member| member.render(world))
            .collect();
        if members.is_empty() {
            return None;
        }
        Some(match &self.condition {
            Some(condition) if with_condition => {
                json!({"role": self.role, "members": members, "condition": condition.json})
            }
            Some(condition) => {
                json!({"role": role_without_condition(&self.role, condition), "members": members})
            }
            None => json!({"role": self.role, "members": members}),
        })
    }
}

impl AuditConfig {
    fn render(&self, world: &World) -> Value {
        let logs: Vec<Value> = self.logs.iter().map(|log| log.render(world)).collect();
        json!({"service": self.service, "auditLogConfigs": logs})
    }
}

impl AuditLog {
    fn render(&self, world: &World) -> Value {
        let members = self.exempted.iter();
        let members: Vec<String> = members.filter_map(|member| member.render(world)).collect();
        match members.is_empty() {
            true => json!({"logType": self.log_type}),
            false => json!({"logType": self.log_type, "exemptedMembers": members}),
        }
    }
}

/// `roles/x_withcond_<20 hex>`: the role of a conditional binding for callers who did not request version 3.
fn role_without_condition(role: &str, condition: &Condition) -> String {
    let hash = Sha256::digest(condition.json.to_string());
    let hex = data_encoding::HEXLOWER.encode(hash.get(..10).unwrap_or_default());
    format!("{role}_withcond_{hex}")
}

/// A protobuf varint in field 1, the form of storage's etags.
fn storage_etag(mut revision: u64) -> Vec<u8> {
    let mut bytes = vec![8];
    loop {
        let low = u8::try_from(revision & 0x7f).unwrap_or_default();
        revision >>= 7;
        if revision == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// All policies, with the versions that a reader may still see.
#[derive(Debug, Default)]
pub(crate) struct Policies {
    all: BTreeMap<Resource, Vec<(Timestamp, Arc<Policy>)>>,
    revision: u64,
}

impl Policies {
    /// The newest version.
    pub(crate) fn current(&self, resource: &Resource) -> Arc<Policy> {
        self.versions(resource)
            .last()
            .map(|(_, policy)| Arc::clone(policy))
            .unwrap_or_default()
    }

    /// The version at `instant`; an unset policy before the first version.
    pub(crate) fn at(&self, resource: &Resource, instant: Timestamp) -> Arc<Policy> {
        self.versions(resource)
            .iter()
            .rev()
            .find(|(since, _)| *since <= instant)
            .map(|(_, policy)| Arc::clone(policy))
            .unwrap_or_default()
    }

    /// Sets bindings and audit configurations as of `since`, and removes history that no reader at `now` can see.
    pub(crate) fn set(
        &mut self,
        resource: &Resource,
        (bindings, audit_configs): (Vec<Binding>, Vec<AuditConfig>),
        since: Timestamp,
        now: Timestamp,
    ) {
        let revision = if resource.in_storage() {
            self.current(resource).revision.max(1) + 1
        } else {
            self.revision += 1;
            self.revision
        };
        let policy = Policy {
            bindings,
            audit_configs,
            revision,
        };
        self.push(resource, policy, since, now);
    }

    /// Sets the first policy of a bucket, which has the first etag.
    pub(crate) fn set_first(
        &mut self,
        resource: &Resource,
        bindings: Vec<Binding>,
        since: Timestamp,
    ) {
        let policy = Policy {
            bindings,
            revision: 1,
            ..Policy::default()
        };
        self.push(resource, policy, since, since);
    }

    pub(crate) fn remove(&mut self, resource: &Resource) {
        self.all.remove(resource);
    }

    /// All resources with a policy.
    pub(crate) fn resources(&self) -> impl Iterator<Item = &Resource> {
        self.all.keys()
    }

    fn push(&mut self, resource: &Resource, policy: Policy, since: Timestamp, now: Timestamp) {
        let versions = self.all.entry(resource.clone()).or_default();
        versions.push((since, Arc::new(policy)));
        let horizon = ago(now, HISTORY_SECONDS);
        let first = versions
            .iter()
            .rposition(|(since, _)| *since <= horizon)
            .unwrap_or(0);
        versions.drain(..first);
    }

    fn versions(&self, resource: &Resource) -> &[(Timestamp, Arc<Policy>)] {
        self.all.get(resource).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etags_have_googles_form() {
        let account = Resource::Project("p".into());
        let bucket = Resource::Bucket("b".into());
        let policy = |revision| Policy {
            revision,
            ..Policy::default()
        };
        assert_eq!(policy(0).etag(&account), "ACAB");
        assert!(policy(1).etag(&account).starts_with("BwY"));
        assert_eq!(policy(0).etag(&bucket), "CAE=");
        assert_eq!(policy(2).etag(&bucket), "CAI=");
        assert_eq!(storage_etag(300), vec![8, 0xac, 2]);
    }

    #[test]
    fn old_versions_are_kept_for_a_day() {
        let now: Timestamp = "2026-01-05T00:00:00Z".parse().unwrap();
        let resource = Resource::Project("p".into());
        let mut policies = Policies::default();
        for hours in [90.0, 60.0, 2.0, 1.0] {
            policies.set(
                &resource,
                (Vec::new(), Vec::new()),
                ago(now, hours * 3_600.0),
                now,
            );
        }
        assert_eq!(policies.versions(&resource).len(), 3);
        assert_eq!(policies.at(&resource, ago(now, 5_400.0)).revision, 3);
        assert_eq!(policies.current(&resource).revision, 4);
        assert_eq!(
            policies.at(&resource, ago(now, 86_400.0 * 30.0)).revision,
            0
        );
    }
}
