//! One API call, taken apart the way all handlers need it.

use bytes::Bytes;
use http::{HeaderMap, Method, Uri, header};
use serde_json::{Map, Value};

use crate::api::caller::Caller;
use crate::api::errors::ApiError;

/// Query parameters that every Google API takes.
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

/// Method, path, query and JSON body.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Percent-decoded, without the verb.
    pub(crate) segments: Vec<String>,
    /// What follows the last `:` of the last segment.
    pub(crate) verb: Option<String>,
    pub(crate) query: Vec<(String, String)>,
    /// The JSON body, or the form as an object; `{}` when there is none.
    pub(crate) body: Value,
    pub(crate) caller: Caller,
    /// The header `x-goog-user-project`, or the parameter `userProject`: for whom the call is to be counted.
    pub(crate) user_project: Option<String>,
}

impl Call {
    /// Reads a request whose body is `body`. Storage paths have no verbs: there `:` is part of a name.
    ///
    /// # Errors
    /// 400 for a body that is not what its content type says.
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

    /// The path's parts, for matching.
    pub(crate) fn parts(&self) -> Vec<&str> {
        self.segments.iter().map(String::as_str).collect()
    }

    /// The percent-decoded path with its verb.
    pub(crate) fn path(&self) -> String {
        let verb = self.verb.as_ref();
        let verb = verb.map(|verb| format!(":{verb}")).unwrap_or_default();
        format!("/{}{verb}", self.segments.join("/"))
    }

    /// 404 for a path that is not served.
    pub(crate) fn not_served(&self) -> ApiError {
        ApiError::not_found(format!(
            "Method not found: {} {} (gcp-emulator serves no such path).",
            self.method,
            self.path()
        ))
    }

    /// The first query parameter of that name.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        parameter(&self.query, name)
    }

    /// A body field in camel or snake case; null is absent.
    pub(crate) fn field(&self, name: &str) -> Option<&Value> {
        field(&self.body, name)
    }

    /// A body field as text, empty if absent.
    pub(crate) fn text(&self, name: &str) -> String {
        self.field(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    }

    /// Refuses parameters and body fields that the method does not have, as Google does.
    ///
    /// # Errors
    /// 400 with the name.
    pub(crate) fn only(&self, parameters: &[&str], fields: &[&str]) -> Result<(), ApiError> {
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

/// Takes the verb off the last part of a path.
fn split_verb(last: &mut String) -> Option<String> {
    let (name, verb) = last.rsplit_once(':')?;
    let (name, verb) = (name.to_owned(), verb.to_owned());
    *last = name;
    Some(verb)
}

/// Percent-decoded parts of a path; an encoded slash stays inside its part.
pub(crate) fn segments(path: &str) -> Vec<String> {
    path.trim_start_matches('/')
        .split('/')
        .map(|part| {
            percent_encoding::percent_decode_str(part)
                .decode_utf8_lossy()
                .into_owned()
        })
        .collect()
}

pub(crate) fn query(uri: &Uri) -> Vec<(String, String)> {
    form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
        .into_owned()
        .collect()
}

/// The first parameter of that name.
pub(crate) fn parameter<'a>(query: &'a [(String, String)], name: &str) -> Option<&'a str> {
    query
        .iter()
        .find(|(each, _)| each == name)
        .map(|(_, value)| value.as_str())
}

/// The project that a call is to be counted for, if it names one.
pub(crate) fn user_project(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let header = headers.get("x-goog-user-project");
    let named = header
        .and_then(|project| project.to_str().ok())
        .map(str::to_owned);
    named
        .or_else(|| parameter(&query(uri), "userProject").map(str::to_owned))
        .filter(|project| !project.is_empty())
}

/// Whether a parameter says yes: Google's client for Python writes `True`.
pub(crate) fn is_true(query: &[(String, String)], name: &str) -> bool {
    parameter(query, name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// The bearer token of a request, never to be logged.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .unwrap_or_default();
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    // Another scheme is a credential too: one that nobody knows.
    Some(if scheme.eq_ignore_ascii_case("bearer") {
        token.trim()
    } else {
        ""
    })
}

/// A field of an object in camel or snake case; null is absent.
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
