//! Google's error bodies: the google.rpc envelope, storage's (no `status`) and OAuth's.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

/// How the body is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `{"error": {"code", "message", "status", "errors", "details"}}`
    Rpc,
    /// `{"error": {"code", "message", "errors"}}`: storage JSON API
    Storage,
    /// `{"error", "error_description"}`: STS and tokeninfo
    OAuth,
}

/// A refusal as Google words it.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    pub(crate) code: u16,
    /// google.rpc code name, or the OAuth error.
    pub(crate) status: &'static str,
    pub(crate) message: String,
    /// `reason` in the legacy `errors` list.
    reason: &'static str,
    details: Vec<Value>,
    shape: Shape,
    /// The whole body, whatever the shape.
    whole: Option<Value>,
}

impl ApiError {
    fn rpc(
        code: u16,
        status: &'static str,
        reason: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            code,
            status,
            message: message.into(),
            reason,
            details: Vec::new(),
            shape: Shape::Rpc,
            whole: None,
        }
    }

    /// A refusal whose body is known as a whole.
    pub(crate) fn with_body(code: u16, body: Value) -> Self {
        Self {
            whole: Some(body),
            ..Self::rpc(code, "", "", "")
        }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::rpc(400, "INVALID_ARGUMENT", "badRequest", message)
    }

    /// A field that the method does not know.
    pub(crate) fn unknown_field(name: &str, place: &str) -> Self {
        let message = format!("Invalid JSON payload received. Unknown name \"{name}\": {place}");
        let violation = json!({"description": message});
        Self::invalid(message).with_detail(json!({
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": [violation],
        }))
    }

    pub(crate) fn precondition(message: impl Into<String>) -> Self {
        Self::rpc(400, "FAILED_PRECONDITION", "failedPrecondition", message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::rpc(404, "NOT_FOUND", "notFound", message)
    }

    pub(crate) fn already_exists(message: impl Into<String>) -> Self {
        Self::rpc(409, "ALREADY_EXISTS", "alreadyExists", message)
    }

    pub(crate) fn aborted(message: impl Into<String>) -> Self {
        Self::rpc(409, "ABORTED", "aborted", message)
    }

    pub(crate) fn unimplemented(message: impl Into<String>) -> Self {
        Self::rpc(501, "UNIMPLEMENTED", "notImplemented", message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::rpc(500, "INTERNAL", "backendError", message)
    }

    /// No grant, or no such resource: the two are not told apart. `resource` is what the request named.
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

    /// The caller may not have calls of `service` counted for `project`.
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

    pub(crate) fn scopes() -> Self {
        Self::rpc(
            403,
            "PERMISSION_DENIED",
            "forbidden",
            "Request had insufficient authentication scopes.",
        )
        .with_detail(error_info("ACCESS_TOKEN_SCOPE_INSUFFICIENT"))
    }

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

    /// A quota is used up; `retry` is the delay in seconds that RetryInfo asks for.
    pub(crate) fn exhausted(message: impl Into<String>, retry: Option<u64>) -> Self {
        let error = Self::rpc(429, "RESOURCE_EXHAUSTED", "rateLimitExceeded", message);
        match retry {
            Some(seconds) => error.with_detail(json!({
                "@type": "type.googleapis.com/google.rpc.RetryInfo",
                "retryDelay": format!("{seconds}s"),
            })),
            None => error,
        }
    }

    /// An error of the storage JSON API.
    pub(crate) fn storage(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            shape: Shape::Storage,
            ..Self::rpc(code, "", reason, message)
        }
    }

    /// An OAuth error, HTTP 400 unless it is a quota.
    pub(crate) fn oauth(error: &'static str, description: impl Into<String>) -> Self {
        let code = if error == "quota_exceeded" { 429 } else { 400 };
        Self {
            shape: Shape::OAuth,
            ..Self::rpc(code, error, "", description)
        }
    }

    pub(crate) fn with_detail(mut self, detail: Value) -> Self {
        self.details.push(detail);
        self
    }

    /// The same refusal in another service's layout.
    pub(crate) fn shaped(self, shape: Shape) -> Self {
        Self { shape, ..self }
    }

    /// The body as it goes over the wire.
    pub(crate) fn body(&self) -> Value {
        if let Some(whole) = &self.whole {
            return whole.clone();
        }
        if self.shape == Shape::OAuth {
            return json!({"error": self.status, "error_description": self.message});
        }
        let domain = match (self.code, self.shape) {
            (429, _) => "usageLimits",
            _ => "global",
        };
        let mut error = json!({
            "code": self.code,
            "message": self.message,
            "errors": [{"message": self.message, "domain": domain, "reason": self.reason}],
        });
        if let (Some(error), Shape::Rpc) = (error.as_object_mut(), self.shape) {
            error.insert("status".into(), json!(self.status));
            if !self.details.is_empty() {
                error.insert("details".into(), json!(self.details));
            }
        }
        json!({ "error": error })
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = json_response(self.code, &self.body());
        if self.code == 401 {
            response.headers_mut().insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"https://accounts.google.com/\""),
            );
        }
        response
    }
}

fn error_info(reason: &str) -> Value {
    json!({
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": "googleapis.com",
    })
}

/// JSON with the content type that Google sends.
pub(crate) fn json_response(code: u16, body: &Value) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=UTF-8"),
    );
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, headers, body.to_string()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_service_has_its_own_envelope() {
        let rpc = ApiError::not_found("Unknown service account").body();
        assert_eq!(
            rpc,
            json!({"error": {"code": 404, "message": "Unknown service account", "status": "NOT_FOUND",
                "errors": [{"domain": "global", "message": "Unknown service account", "reason": "notFound"}]}})
        );
        let storage = ApiError::storage(412, "conditionNotMet", "x").body();
        assert!(storage["error"].get("status").is_none());
        let oauth = ApiError::oauth("invalid_grant", "no").body();
        assert_eq!(
            oauth,
            json!({"error": "invalid_grant", "error_description": "no"})
        );
    }
}
