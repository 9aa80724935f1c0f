//! An API call, parsed as all handlers need it.

use bytes::Bytes;
use http::{HeaderMap, Method, Uri, header};
use serde_json::{Map, Value};

use crate::api::caller::Caller;
use crate::api::errors::ApiError;
use crate::api::query::{parameter, query, segments, user_project};

/// Query parameters that every Google API accepts.
const SYSTEM_PARAMETERS: [&str; 13] = [
    "alt",
    "$alt",
    "prettyPrint",
    "$prettyPrint",
    "fields",
    "$fields",
    "key",
    "quotaUser",
    "userProject",
    "callback",
    "$.xgafv",
    "access_token",
    "oauth_token",
];

/// A call: method, path, query, JSON body and caller.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// The percent-decoded parts of the path, without the verb.
    pub(crate) segments: Vec<String>,
    /// The text after the last `:` of the path.
    pub(crate) verb: Option<String>,
    pub(crate) query: Vec<(String, String)>,
    /// The JSON body, or the form as an object; `{}` when there is none.
    pub(crate) body: Value,
    pub(crate) caller: Caller,
    /// The project that the call should be counted for: header `x-goog-user-project`, or parameter `userProject`.
    pub(crate) user_project: Option<String>,
}

impl Call {
    /// Parses a request. Storage paths have no verbs: there `:` is part of a name.
    ///
    /// # Errors
    /// 400 for a body that does not match its content type.
    pub(crate) fn read(
        method: Method,
        uri: &Uri,
        headers: &HeaderMap,
        body: &Bytes,
        caller: Caller,
    ) -> Result<Self, ApiError> {
        let mut segments = segments(uri.path());
        let verb = match segments.first().map(String::as_str) {
            Some("storage") => None,
            _ => segments.last_mut().and_then(split_verb),
        };
        Ok(Self {
            method,
            segments,
            verb,
            query: query(uri),
            body: read_body(headers, body)?,
            caller,
            user_project: user_project(uri, headers),
        })
    }

    /// The parts of the path, for matching.
    pub(crate) fn parts(&self) -> Vec<&str> {
        self.segments.iter().map(String::as_str).collect()
    }

    /// The percent-decoded path with its verb.
    pub(crate) fn path(&self) -> String {
        let verb = self.verb.as_ref();
        let verb = verb.map(|verb| format!(":{verb}")).unwrap_or_default();
        format!("/{}{verb}", self.segments.join("/"))
    }

    /// The 404 for a path that is not served.
    pub(crate) fn not_served(&self) -> ApiError {
        ApiError::not_found(format!(
            "Method not found: {} {} (gcp-emulator serves no such path).",
            self.method,
            self.path()
        ))
    }

    /// The first query parameter of this name.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        parameter(&self.query, name)
    }

    /// A field of the body in camel or snake case; null counts as absent.
    pub(crate) fn field(&self, name: &str) -> Option<&Value> {
        field(&self.body, name)
    }

    /// A text field of the body; empty if it is absent.
    pub(crate) fn text(&self, name: &str) -> String {
        self.field(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    }

    /// Refuses parameters and body fields that the method does not know, as Google does.
    ///
    /// # Errors
    /// 400 with the name.
    pub(crate) fn check_known(&self, parameters: &[&str], fields: &[&str]) -> Result<(), ApiError> {
        let known = |name: &str| SYSTEM_PARAMETERS.contains(&name) || parameters.contains(&name);
        if let Some((name, _)) = self.query.iter().find(|(name, _)| !known(name)) {
            let place = format!(
                "Cannot bind query parameter. Field '{name}' could not be found in request message."
            );
            return Err(ApiError::unknown_field(name, &place));
        }
        let Some(body) = self.body.as_object() else {
            return Err(ApiError::invalid(
                "Invalid JSON payload received. Not an object.",
            ));
        };
        let known = |name: &str| {
            fields
                .iter()
                .any(|field| *field == name || snake(field) == name)
        };
        match body.keys().find(|name| !known(name)) {
            Some(name) => Err(ApiError::unknown_field(name, "Cannot find field.")),
            None => Ok(()),
        }
    }
}

/// Removes the verb from the last part of a path.
fn split_verb(last: &mut String) -> Option<String> {
    let (name, verb) = last.rsplit_once(':')?;
    let (name, verb) = (name.to_owned(), verb.to_owned());
    *last = name;
    Some(verb)
}

/// The bearer token of a request. It must not be logged.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .unwrap_or_default();
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    // Another scheme is a credential too, but an invalid one.
    Some(if scheme.eq_ignore_ascii_case("bearer") {
        token.trim()
    } else {
        ""
    })
}

/// A field of an object in camel or snake case; null counts as absent.
pub(crate) fn field<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    object
        .get(name)
        .or_else(|| object.get(snake(name)))
        .filter(|value| !value.is_null())
}

/// `displayName` as `display_name`.
pub(crate) fn snake(camel: &str) -> String {
    let mut snake = String::new();
    for letter in camel.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

fn read_body(headers: &HeaderMap, body: &Bytes) -> Result<Value, ApiError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Object(Map::new()));
    }
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    if kind.starts_with("application/x-www-form-urlencoded") {
        let form = form_urlencoded::parse(body).into_owned();
        return Ok(Value::Object(
            form.map(|(name, value)| (name, Value::String(value)))
                .collect(),
        ));
    }
    match serde_json::from_slice(body) {
        Ok(Value::Null) => Ok(Value::Object(Map::new())),
        Ok(value) => Ok(value),
        Err(error) => Err(ApiError::invalid(format!(
            "Invalid JSON payload received. {error}."
        ))),
    }
}
