//! Parses the members of a policy that somebody writes.

use crate::api::errors::ApiError;
use crate::api::principal::pool_name;
use crate::world::World;
use crate::world::members::Member;

/// Parses a member.
///
/// # Errors
/// 400 in Google's words: unknown type, missing account or pool, wrong type prefix.
pub(crate) fn parse(text: &str, world: &mut World) -> Result<Member, ApiError> {
    if matches!(text, "allUsers" | "allAuthenticatedUsers") {
        return Ok(plain(text));
    }
    if text.starts_with("principal://") || text.starts_with("principalSet://") {
        return federated(text, world);
    }
    let (kind, id) = text.split_once(':').unwrap_or(("", text));
    match kind {
        "serviceAccount" if id.ends_with(']') => workload(text, id, world),
        "serviceAccount" => service_account(id, world),
        "user" if id.ends_with(".gserviceaccount.com") => Err(wrong_type(id, "serviceAccount")),
        "user" | "group" if valid_email(id) => {
            Ok(plain(&format!("{kind}:{}", id.to_ascii_lowercase())))
        }
        "user" | "group" => Err(ApiError::invalid(format!(
            "Invalid value at member: {id} is not an email address."
        ))),
        "domain" if id.contains('.') => Ok(plain(text)),
        "projectOwner" | "projectEditor" | "projectViewer" => Ok(plain(text)),
        "deleted" => deleted(text, id, world),
        _ => Err(ApiError::invalid(format!(
            "The member {text} is of an unknown type. Please set a valid type prefix for the member."
        ))),
    }
}

fn plain(text: &str) -> Member {
    Member {
        text: text.to_owned(),
        uid: None,
    }
}

fn valid_email(text: &str) -> bool {
    text.split_once('@').is_some_and(|(name, domain)| {
        !name.is_empty() && domain.contains('.') && !domain.contains('@')
    })
}

fn wrong_type(email: &str, kind: &str) -> ApiError {
    ApiError::invalid(format!(
        "Account {email} is of type \"{kind}\". Please set the type prefix to be \"{kind}:\"."
    ))
}

fn service_account(email: &str, world: &mut World) -> Result<Member, ApiError> {
    if !email.ends_with("gserviceaccount.com") {
        return Err(match valid_email(email) {
            true => wrong_type(email, "user"),
            false => ApiError::invalid(format!("Service account {email} does not exist.")),
        });
    }
    // Google's service agents belong to projects that are not emulated.
    let agent = !email.ends_with(".iam.gserviceaccount.com") || email.starts_with("service-");
    let horizon = world.horizon(world.settings.delays.service_account_member);
    let found = world
        .accounts
        .live(email)
        .filter(|account| account.created <= horizon);
    match found {
        Some(account) => Ok(Member {
            text: format!("serviceAccount:{}", account.email),
            uid: Some(account.uid.clone()),
        }),
        None if agent => Ok(plain(&format!("serviceAccount:{email}"))),
        None => Err(ApiError::invalid(format!(
            "Service account {email} does not exist."
        ))),
    }
}

/// `POOL[NAMESPACE/KSA]`: the pool must exist, but not the KSA.
fn workload(text: &str, id: &str, world: &mut World) -> Result<Member, ApiError> {
    let parts = id
        .strip_suffix(']')
        .and_then(|id| id.split_once('['))
        .and_then(|(pool, account)| Some((pool, account.split_once('/')?)));
    let Some((pool, (namespace, account))) = parts else {
        return Err(ApiError::invalid(format!(
            "Service account {id} does not exist."
        )));
    };
    if namespace.is_empty() || account.is_empty() || account.contains('/') {
        return Err(ApiError::invalid(format!(
            "Service account {id} does not exist."
        )));
    }
    if world.visible_pool_number(pool).is_none() {
        return Err(pool_missing(pool));
    }
    Ok(plain(text))
}

fn federated(text: &str, world: &mut World) -> Result<Member, ApiError> {
    let name = text.split_once("://").map_or("", |(_, name)| name);
    let mut parts = name.splitn(8, '/');
    let number = parts.nth(2).unwrap_or_default();
    let pool = parts.nth(3).unwrap_or_default().to_owned();
    let subject = parts.next().unwrap_or_default();
    let known = world.visible_pool_number(&pool);
    let numbers_fit =
        known.is_some_and(|known| name.starts_with(&format!("{}/", pool_name(known, &pool))));
    if !numbers_fit || number.parse::<u64>().is_err() {
        return Err(pool_missing(&pool));
    }
    let wanted: &[&str] = match text.starts_with("principalSet://") {
        true => &[
            "namespace/",
            "kubernetes.cluster/",
            "group/",
            "attribute.",
            "*",
        ],
        false => &["subject/", "kubernetes.serviceaccount.uid/"],
    };
    if subject.is_empty() || !wanted.iter().any(|prefix| subject.starts_with(prefix)) {
        return Err(ApiError::invalid(format!(
            "Invalid principal identifier: {text}."
        )));
    }
    Ok(plain(text))
}

fn pool_missing(pool: &str) -> ApiError {
    ApiError::invalid(format!(
        "Identity Pool does not exist ({pool}). Please check that you specified a valid resource name as returned in \
         the `name` attribute in the configuration API."
    ))
}

/// A `deleted:` member can be written as it was read, but not for any other account.
fn deleted(text: &str, id: &str, world: &World) -> Result<Member, ApiError> {
    let account = id
        .strip_prefix("serviceAccount:")
        .and_then(|rest| rest.split_once("?uid="))
        .and_then(|(email, uid)| {
            world
                .accounts
                .by_uid(uid)
                .filter(|account| account.email == email)
        });
    match account {
        Some(account) => Ok(Member {
            text: format!("serviceAccount:{}", account.email),
            uid: Some(account.uid.clone()),
        }),
        None => Err(ApiError::invalid(format!(
            "Invalid deleted member: {text}."
        ))),
    }
}
