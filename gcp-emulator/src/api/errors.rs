//! Error responses as Google's APIs send them.

mod denied;

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

/// The form of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorFormat {
    /// `{"error": {"code", "message", "status", "errors", "details"}}`
    Rpc,
    /// `{"error": {"code", "message", "errors"}}`: storage JSON API
    Storage,
    /// `{"error", "error_description"}`: STS and tokeninfo
    OAuth,
}

/// An error response.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    pub(crate) code: u16,
    /// The google.rpc code, or the OAuth error.
    pub(crate) status: &'static str,
    pub(crate) message: String,
    /// `reason` in the older `errors` list.
    reason: &'static str,
    details: Vec<Value>,
    format: ErrorFormat,
    /// The complete body, which replaces all of the above.
    complete_body: Option<Value>,
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
            format: ErrorFormat::Rpc,
            complete_body: None,
        }
    }

    /// An error with this complete body.
    pub(crate) fn with_body(code: u16, body: Value) -> Self {
        Self {
            complete_body: Some(body),
            ..Self::rpc(code, "", "", "")
        }
    }

    /// 400
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::rpc(400, "INVALID_ARGUMENT", "badRequest", message)
    }

    /// 400 for a field that the method does not know.
    pub(crate) fn unknown_field(name: &str, place: &str) -> Self {
        let message = format!("Invalid JSON payload received. Unknown name \"{name}\": {place}");
        let violation = json!({"description": message});
        Self::invalid(message).with_detail(json!({
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": [violation],
        }))
    }

    pub(crate) fn failed_precondition(message: impl Into<String>) -> Self {
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

    /// 429 for a used-up quota; `retry` is the delay of RetryInfo, in seconds.
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
            format: ErrorFormat::Storage,
            ..Self::rpc(code, "", reason, message)
        }
    }

    /// An OAuth error: 429 for a quota, else 400.
    pub(crate) fn oauth(error: &'static str, description: impl Into<String>) -> Self {
        let code = if error == "quota_exceeded" { 429 } else { 400 };
        Self {
            format: ErrorFormat::OAuth,
            ..Self::rpc(code, error, "", description)
        }
    }

    pub(crate) fn with_detail(mut self, detail: Value) -> Self {
        self.details.push(detail);
        self
    }

    /// The same error in the format of another API.
    pub(crate) fn in_format(self, format: ErrorFormat) -> Self {
        Self { format, ..self }
    }

    /// The body.
    pub(crate) fn body(&self) -> Value {
        if let Some(body) = &self.complete_body {
            return body.clone();
        }
        if self.format == ErrorFormat::OAuth {
            return json!({"error": self.status, "error_description": self.message});
        }
        let domain = match (self.code, self.format) {
            (429, _) => "usageLimits",
            _ => "global",
        };
        let mut error = json!({
            "code": self.code,
            "message": self.message,
            "errors": [{"message": self.message, "domain": domain, "reason": self.reason}],
        });
        if let (Some(error), ErrorFormat::Rpc) = (error.as_object_mut(), self.format) {
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
    fn each_api_has_its_own_error_format() {
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
