//! Errors of a caller who is not allowed to do something, in Google's words.

use serde_json::{Value, json};

use super::ApiError;

impl ApiError {
    /// No grant, or no such resource: Google does not distinguish the two. `resource` is the name in the request.
    pub(crate) fn denied(permission: &str, resource: Option<&str>) -> Self {
        let mut metadata = json!({"permission": permission});
        if let (Some(resource), Some(metadata)) = (resource, metadata.as_object_mut()) {
            metadata.insert("resource".to_owned(), json!(resource));
        }
        Self::rpc(
            403,
            "PERMISSION_DENIED",
            "forbidden",
            format!("Permission '{permission}' denied on resource (or it may not exist)."),
        )
        .with_detail(json!({
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "IAM_PERMISSION_DENIED",
            "domain": "iam.googleapis.com",
            "metadata": metadata,
        }))
    }

    /// The caller is not allowed to have calls of `service` counted for `project`.
    pub(crate) fn user_project_denied(project: &str, service: &str) -> Self {
        let page = format!(
            "https://console.developers.google.com/iam-admin/iam/project?project={project}"
        );
        let message = format!(
            "Caller does not have required permission to use project {project}. Grant the caller the \
             roles/serviceusage.serviceUsageConsumer role, or a custom role with the serviceusage.services.use \
             permission, by visiting {page} and then retry. Propagation of the new permission may take a few minutes."
        );
        Self::rpc(403, "PERMISSION_DENIED", "forbidden", message)
            .with_detail(json!({
                "@type": "type.googleapis.com/google.rpc.Help",
                "links": [{"description": "Google developer console IAM admin", "url": page}],
            }))
            .with_detail(json!({
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "USER_PROJECT_DENIED",
                "domain": "googleapis.com",
                "metadata": {"consumer": format!("projects/{project}"), "service": service},
            }))
    }

    /// The token lacks a scope of the service.
    pub(crate) fn insufficient_scopes() -> Self {
        Self::rpc(
            403,
            "PERMISSION_DENIED",
            "forbidden",
            "Request had insufficient authentication scopes.",
        )
        .with_detail(error_info("ACCESS_TOKEN_SCOPE_INSUFFICIENT"))
    }

    /// There is no Authorization header.
    pub(crate) fn credentials_missing() -> Self {
        Self::rpc(
            401,
            "UNAUTHENTICATED",
            "required",
            "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or \
             other valid authentication credential. See \
             https://developers.google.com/identity/sign-in/web/devconsole-project.",
        )
        .with_detail(error_info("CREDENTIALS_MISSING"))
    }

    /// The token is not valid, for this reason.
    pub(crate) fn credentials_invalid(reason: &'static str) -> Self {
        Self::rpc(
            401,
            "UNAUTHENTICATED",
            "authError",
            "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other \
             valid authentication credential. See \
             https://developers.google.com/identity/sign-in/web/devconsole-project.",
        )
        .with_detail(error_info(reason))
    }
}

fn error_info(reason: &str) -> Value {
    json!({
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": "googleapis.com",
    })
}
