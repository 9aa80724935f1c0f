//! Reading single values: users, groups, names, and globs that can match something legal.

use crate::{
    names::{Glob, is_dns_label, is_dns_subdomain, is_managed_name, is_project_id, quoted},
    user::{User, UserError, canonical_case, check_requester},
};

use super::problem::{InvalidValue, invalid};

/// A glob over canonical users.
pub(crate) fn user_glob(text: &str) -> Result<Glob, InvalidValue> {
    let glob = Glob::new(text);
    let example = glob.example();
    let user = if glob.is_exact() {
        User::listed(&example)
    } else {
        User::canonical(&example)
    };
    match user {
        Ok(user) if user.as_str() == example => Ok(glob),
        Ok(_) => Err(not_canonical(text)),
        Err(error) => Err(invalid(
            format!("{} matches no user: {error}", quoted(text)),
            remedy_for(&error),
        )),
    }
}

/// A glob over requesters, as the API server reports them.
pub(crate) fn requester_glob(text: &str) -> Result<Glob, InvalidValue> {
    let glob = Glob::new(text);
    let example = glob.example();
    if canonical_case(&example) != example {
        return Err(not_canonical(text));
    }
    let non_ascii = example
        .chars()
        .find(|c| !c.is_ascii())
        .filter(|_| !glob.is_exact());
    match non_ascii.map_or_else(
        || check_requester(&example),
        |c| Err(UserError::NotAscii(c)),
    ) {
        Ok(()) => Ok(glob),
        Err(error) => Err(invalid(
            format!("{} matches no requester: {error}", quoted(text)),
            remedy_for(&error),
        )),
    }
}

/// A glob over names of one kind.
pub(crate) fn name_glob(
    kind: &str,
    is_legal: impl Fn(&str) -> bool,
) -> impl Fn(&str) -> Result<Glob, InvalidValue> {
    move |text| {
        let glob = Glob::new(text);
        if is_legal(&glob.example()) {
            return Ok(glob);
        }
        Err(invalid(
            format!("{} matches no {kind}", quoted(text)),
            format!("write a {kind}, with * for any characters"),
        ))
    }
}

/// A canonical user, without `*`.
pub(crate) fn user(text: &str) -> Result<User, InvalidValue> {
    User::exact(text).map_err(|error| match error {
        UserError::NotCanonical(_) => not_canonical(text),
        error => invalid(
            format!("{} is not a user: {error}", quoted(text)),
            remedy_for(&error),
        ),
    })
}

/// A group, exactly as the API server reports it.
pub(crate) fn group(text: &str) -> Result<String, InvalidValue> {
    let remedy = "write the group exactly as the API server reports it, without *";
    reported(text, "a group", remedy)
}

/// A requester, exactly as the API server reports it.
pub(crate) fn account(text: &str) -> Result<String, InvalidValue> {
    let remedy = "write the name exactly as the API server reports it, as system:serviceaccount:NAMESPACE:NAME";
    reported(text, "an account", remedy)
}

// A name that the API server reports.
fn reported(text: &str, kind: &str, remedy: &str) -> Result<String, InvalidValue> {
    match check_requester(text) {
        Ok(()) => Ok(text.to_owned()),
        Err(error) => Err(invalid(
            format!("{} is not {kind}: {error}", quoted(text)),
            remedy,
        )),
    }
}

/// A name for a rule or a class.
pub(crate) fn label(text: &str) -> Result<String, InvalidValue> {
    named(
        text,
        "a name",
        is_dns_label,
        "write at most 63 lower-case letters, digits and hyphens",
    )
}

/// The id of a Google project.
pub(crate) fn project_id(text: &str) -> Result<String, InvalidValue> {
    let remedy = "write the id, not the number or the title";
    named(text, "the id of a project", is_project_id, remedy)
}

/// The name of an object in Kubernetes.
pub(crate) fn object_name(text: &str) -> Result<String, InvalidValue> {
    named(
        text,
        "the name of an object",
        is_dns_subdomain,
        "write lower-case letters, digits, hyphens and dots",
    )
}

/// A service account that is not managed by Namesake.
pub(crate) fn service_account(text: &str) -> Result<String, InvalidValue> {
    if is_managed_name(text) {
        let what = format!("{} is a name that is reserved for identities", quoted(text));
        return Err(invalid(
            what,
            "name an account that an admin created, or use identity: CLASS",
        ));
    }
    object_name(text)
}

/// Text that is legal according to a function.
pub(crate) fn named(
    text: &str,
    kind: &str,
    is_legal: impl Fn(&str) -> bool,
    remedy: &str,
) -> Result<String, InvalidValue> {
    if is_legal(text) {
        return Ok(text.to_owned());
    }
    Err(invalid(format!("{} is not {kind}", quoted(text)), remedy))
}

/// One of a few words.
pub(crate) fn word<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, InvalidValue> {
    match words.iter().find(|(word, _)| *word == text) {
        Some((_, value)) => Ok(*value),
        None => {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            Err(invalid(
                format!("{} is unknown", quoted(text)),
                format!("write one of: {}", known.join(", ")),
            ))
        }
    }
}

fn not_canonical(text: &str) -> InvalidValue {
    let what = format!(
        "{} never matches, because e-mail addresses are compared in lower case",
        quoted(text)
    );
    invalid(
        what,
        format!("write {}", quoted(&text.to_ascii_lowercase())),
    )
}

fn remedy_for(error: &UserError) -> &'static str {
    match error {
        UserError::NotAscii(_) => "write the name in full, without *, also in users",
        _ => "write the name as the API server reports it, such as alice@acme.com or *@acme.com",
    }
}
