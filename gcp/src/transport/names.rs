//! Names of projects, accounts and buckets, as they go into URLs.

use crate::{Error, Failure};

/// Refuses a name (of a project, account or bucket) that would change the URL it is put into.
pub(crate) fn check_name(what: &str, name: &str) -> Result<(), Error> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "-_.:@".contains(c);
    if name.is_empty() || name.len() > 254 || name.starts_with('.') || !name.chars().all(legal) {
        let what = format!("{what} {name:?}");
        return Err(Error::Invalid(Failure::new(what, "not a valid name")));
    }
    Ok(())
}

/// `projects/P/serviceAccounts/ACCOUNT` for the official crate. `account` is an e-mail or unique id.
pub(crate) fn account_name(project: &str, account: &str) -> Result<String, Error> {
    check_name("project", project)?;
    check_name("service account", account)?;
    Ok(format!("projects/{project}/serviceAccounts/{account}"))
}

/// The project that an account's e-mail names; `-`, which lets Google look it up, if it names none.
pub(crate) fn project_of(email: &str) -> String {
    let domain = email.split_once('@').map_or("", |(_, domain)| domain);
    let Some(project) = domain.strip_suffix(".iam.gserviceaccount.com") else {
        return "-".to_owned();
    };
    // A domain-scoped project `example.com:p` appears as `p.example.com`.
    match project.split_once('.') {
        Some((id, domain)) => format!("{domain}:{id}"),
        None => project.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_email_names_its_project() {
        assert_eq!(project_of("a@acme-ids.iam.gserviceaccount.com"), "acme-ids");
        assert_eq!(
            project_of("a@p.example.com.iam.gserviceaccount.com"),
            "example.com:p"
        );
        assert_eq!(project_of("123-compute@developer.gserviceaccount.com"), "-");
        assert_eq!(project_of("nonsense"), "-");
    }

    #[test]
    fn names_that_would_change_the_url_are_refused() {
        for name in ["", ".", "..", "a/b", "a?b", "a#b", "a b", "a%2fb", "ä"] {
            assert!(check_name("project", name).is_err(), "{name}");
        }
        assert!(check_name("project", "example.com:p").is_ok());
    }
}
