//! What a name of each kind may look like in Kubernetes, at Google and in Metaflow.

/// RFC 1123 label: `[a-z0-9]([-a-z0-9]*[a-z0-9])?`, at most 63 bytes.
pub(crate) fn is_dns_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&text.len())
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// RFC 1123 subdomain: labels with dots between, at most 253 bytes (names of service accounts, secrets, roles).
pub(crate) fn is_dns_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_dns_label)
}

/// Value of a Kubernetes label: empty, or at most 63 of `[-A-Za-z0-9_.]` with a letter or digit at both ends.
pub(crate) fn is_label_value(text: &str) -> bool {
    text.is_empty() || is_qualified_part(text)
}

/// Key of a Kubernetes label or annotation: an optional DNS subdomain and `/`, then a name of at most 63 bytes.
pub(crate) fn is_label_key(text: &str) -> bool {
    match text.split_once('/') {
        Some((prefix, name)) => is_dns_subdomain(prefix) && is_qualified_part(name),
        None => is_qualified_part(text),
    }
}

fn is_qualified_part(text: &str) -> bool {
    let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    text.len() <= 63
        && text.bytes().all(inner)
        && edge(text.bytes().next())
        && edge(text.bytes().next_back())
}

/// Name of a flow, step or project: what Python and Metaflow allow in a name.
pub(crate) fn is_metaflow_name(text: &str) -> bool {
    let inner = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    !text.is_empty() && text.len() <= 254 && text.chars().all(inner)
}

/// Id of a Google project: at most 30 of `[-a-z0-9]`, a letter first, no hyphen last. (New ones have at least 6.)
pub(crate) fn is_project_id(text: &str) -> bool {
    text.len() <= 30 && is_dns_label(text) && text.starts_with(|c: char| c.is_ascii_lowercase())
}

/// Id of a Google service account: the same, and at least 6.
pub(crate) fn is_account_id(text: &str) -> bool {
    text.len() >= 6 && is_project_id(text)
}

/// Name of a bucket: 3 to 63 of `[-_.a-z0-9]` (222 with dots), a letter or digit at both ends, no `..`.
pub(crate) fn is_bucket(text: &str) -> bool {
    let inner =
        |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.');
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let maximum = if text.contains('.') { 222 } else { 63 };
    (3..=maximum).contains(&text.len())
        && text.bytes().all(inner)
        && text.starts_with(edge)
        && text.ends_with(edge)
        && !text.contains("..")
}

/// Name of a role: `roles/NAME`, `projects/P/roles/NAME` or `organizations/N/roles/NAME`.
pub(crate) fn is_role(text: &str) -> bool {
    let name = |name: &str| {
        !name.is_empty()
            && name.len() <= 100
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_'))
    };
    let parts: Vec<&str> = text.split('/').collect();
    match parts.as_slice() {
        ["roles", role] => name(role),
        ["projects", project, "roles", role] => is_project_id(project) && name(role),
        ["organizations", number, "roles", role] => {
            !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) && name(role)
        }
        _ => false,
    }
}
