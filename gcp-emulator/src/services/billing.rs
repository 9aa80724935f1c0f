//! Cloud Billing: the billing account of a project. Billing accounts themselves are not emulated: any name is accepted, and
//! whoever has a token is allowed to use it.

use serde_json::{Value, json};

use crate::api::call::Call;
use crate::api::errors::ApiError;
use crate::policy::target::Target;
use crate::world::World;
use crate::world::resource::Resource;

const SCOPES: &[&str] = &["cloud-billing", "cloud-billing.readonly"];

/// `GET` and `PUT /v1/projects/{project}/billingInfo`
///
/// # Errors
/// 400, 401, 403.
pub(crate) fn project(world: &mut World, call: &Call, project: &str) -> Result<Value, ApiError> {
    let permission = match call.method.as_str() {
        "GET" => "resourcemanager.projects.get",
        "PUT" => "resourcemanager.projects.createBillingAssignment",
        _ => return Err(call.not_served()),
    };
    let shown = format!("projects/{project}");
    let Some(id) = world.project(project).map(|project| project.id.clone()) else {
        return Err(ApiError::denied(permission, Some(&shown)));
    };
    let target = Target::of(&Resource::Project(id.clone()), world).shown_as(&shown);
    world.require(&call.caller, SCOPES, permission, &target)?;
    let known = ["name", "projectId", "billingAccountName", "billingEnabled"];
    call.check_known(&[], &known)?;
    let project = world.projects.get_mut(&id);
    let project = project.ok_or_else(|| ApiError::denied(permission, Some(&shown)))?;
    if call.method == http::Method::PUT {
        let account = call.text("billingAccountName");
        if !account.is_empty() && !account.starts_with("billingAccounts/") {
            return Err(ApiError::invalid(
                "Request contains an invalid argument: billing_account_name.",
            ));
        }
        project.billing_account = account;
    }
    Ok(json!({
        "name": format!("projects/{id}/billingInfo"),
        "projectId": id,
        "billingAccountName": project.billing_account,
        "billingEnabled": !project.billing_account.is_empty(),
    }))
}

/// `POST /v1/billingAccounts/{account}:testIamPermissions`: the caller has all permissions.
///
/// # Errors
/// 401.
pub(crate) fn test_permissions(world: &World, call: &Call) -> Result<Value, ApiError> {
    call.check_known(&[], &["permissions", "resource"])?;
    world.authenticated(&call.caller)?;
    let permissions = call.field("permissions").cloned().unwrap_or(json!([]));
    Ok(json!({ "permissions": permissions }))
}
