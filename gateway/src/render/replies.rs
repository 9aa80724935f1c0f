//! What Envoy itself answers, as JSON with a reason and what to do. The authorizer's own answers pass unchanged.

use namesake_api::names::{LOGOUT_PATH, SERVES_HEADER};
use namesake_core::Reason;
use serde_json::{Value, json};

/// What Envoy puts in place of this is its own text, as `Jwt is expired`.
const ENVOY_SAYS: &str = "%LOCAL_REPLY_BODY%";

/// The first matching entry is used.
pub(super) fn local_replies() -> Value {
    let log_in = format!(
        "{ENVOY_SAYS}. Log in with: python -m metaflow_namesake login. Metaflow without the package metaflow-namesake cannot log in: pip \
         install metaflow-namesake"
    );
    let log_in_again = format!(
        "you are not logged in, or your login has ended: reload the page to log in, or log out first at {LOGOUT_PATH}"
    );
    let mappers = vec![
        json!({"filter": details("ext_authz_denied")}),
        reply(
            details("ext_authz_error"),
            Reason::AuthorizerUnavailable,
            Reason::AuthorizerUnavailable.remedy(),
        ),
        reply(
            both(status(401), serves("api")),
            Reason::InvalidToken,
            &log_in,
        ),
        reply(status(401), Reason::InvalidToken, &log_in_again),
        reply(
            both(
                status(403),
                cel("response.code_details.startsWith('jwt_authn_access_denied')"),
            ),
            Reason::InvalidToken,
            &log_in,
        ),
        // A websocket where there is none.
        by_status(403, Reason::UnknownPath),
        by_status(400, Reason::MalformedRequest),
        by_status(404, Reason::UnknownPath),
        by_status(413, Reason::RequestTooLarge),
        by_status(421, Reason::UnknownHost),
        by_status(429, Reason::TooManyRequests),
        by_status(431, Reason::RequestTooLarge),
        by_status(502, Reason::ServiceUnavailable),
        by_status(503, Reason::ServiceUnavailable),
        by_status(504, Reason::ServiceUnavailable),
    ];
    json!({"mappers": mappers})
}

fn by_status(code: u16, reason: Reason) -> Value {
    let message = format!("{}: {}", reason.meaning(), reason.remedy());
    reply(status(code), reason, &message)
}

fn reply(filter: Value, reason: Reason, message: &str) -> Value {
    let body = json!({"message": message, "reason": reason.as_str(), "code": reason.code()});
    json!({"filter": filter, "body_format_override": {"json_format": body}})
}

fn status(code: u16) -> Value {
    let value = json!({"default_value": code, "runtime_key": "namesake.unused"});
    json!({"status_code_filter": {"comparison": {"op": "EQ", "value": value}}})
}

fn serves(what: &str) -> Value {
    json!({"header_filter": {"header": {"name": SERVES_HEADER, "string_match": {"exact": what}}}})
}

fn both(one: Value, other: Value) -> Value {
    json!({"and_filter": {"filters": [one, other]}})
}

/// By the words in which Envoy says why it answers.
fn details(word: &str) -> Value {
    cel(&format!("response.code_details == '{word}'"))
}

fn cel(expression: &str) -> Value {
    json!({"extension_filter": {
        "name": "envoy.access_loggers.extension_filters.cel",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
            "expression": expression,
        },
    }})
}
