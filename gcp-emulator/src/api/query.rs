//! Paths and queries, percent-decoded.

use http::{HeaderMap, Uri};

/// The percent-decoded parts of a path; an encoded slash stays within its part.
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

/// The percent-decoded parameters of a query.
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

/// The project that the call should be counted for, if it names one.
pub(crate) fn user_project(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let header = headers.get("x-goog-user-project");
    let named = header
        .and_then(|project| project.to_str().ok())
        .map(str::to_owned);
    named
        .or_else(|| parameter(&query(uri), "userProject").map(str::to_owned))
        .filter(|project| !project.is_empty())
}

/// Whether a parameter is true, in upper or lower case: Google's client for Python writes `True`.
pub(crate) fn is_true(query: &[(String, String)], name: &str) -> bool {
    parameter(query, name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}
