//! The rules that the audit configurations of a new policy must follow.

use serde_json::Value;

use crate::api::call::field;
use crate::api::errors::ApiError;
use crate::policy::members;
use crate::world::World;
use crate::world::policies::{AuditConfig, AuditLog};
use crate::world::resource::Resource;

/// Parses and checks audit configurations. Only a project has them; those of other resources are ignored (assumed).
///
/// # Errors
/// 400 for one that breaks a rule.
pub(super) fn audit_configs(
    world: &mut World,
    resource: &Resource,
    wanted: &Value,
) -> Result<Vec<AuditConfig>, ApiError> {
    if !matches!(resource, Resource::Project(_)) {
        return Ok(Vec::new());
    }
    let list = list(wanted, "auditConfigs", "policy.audit_configs")?;
    list.iter().map(|each| config(world, each)).collect()
}

fn config(world: &mut World, wanted: &Value) -> Result<AuditConfig, ApiError> {
    let service = field(wanted, "service").and_then(Value::as_str);
    let service = service.unwrap_or_default().to_owned();
    let is_service = service == "allServices" || service.contains('.');
    if !is_service {
        return Err(ApiError::invalid(format!(
            "Invalid service name ({service}) specified in audit config."
        )));
    }
    let place = "policy.audit_configs.audit_log_configs";
    let logs = list(wanted, "auditLogConfigs", place)?;
    if logs.is_empty() {
        return Err(ApiError::invalid(format!(
            "The audit config of {service} must have at least one audit log config."
        )));
    }
    let logs = logs.iter().map(|each| log(world, each));
    Ok(AuditConfig {
        logs: logs.collect::<Result<_, _>>()?,
        service,
    })
}

fn log(world: &mut World, wanted: &Value) -> Result<AuditLog, ApiError> {
    let log_type = field(wanted, "logType").and_then(Value::as_str);
    let log_type = log_type.unwrap_or_default().to_owned();
    if !matches!(log_type.as_str(), "ADMIN_READ" | "DATA_READ" | "DATA_WRITE") {
        return Err(ApiError::invalid(format!(
            "Invalid value at 'policy.audit_configs.audit_log_configs.log_type': \"{log_type}\"."
        )));
    }
    let place = "policy.audit_configs.audit_log_configs.exempted_members";
    let mut exempted = Vec::new();
    for member in list(wanted, "exemptedMembers", place)? {
        let text = member.as_str().unwrap_or_default();
        exempted.push(members::parse(text, world)?);
    }
    Ok(AuditLog { log_type, exempted })
}

/// A list; empty if it is absent.
fn list<'a>(object: &'a Value, name: &str, place: &str) -> Result<&'a [Value], ApiError> {
    match field(object, name) {
        None => Ok(&[]),
        Some(Value::Array(list)) => Ok(list),
        Some(_) => Err(ApiError::invalid(format!(
            "Invalid value at '{place}': not a list."
        ))),
    }
}
