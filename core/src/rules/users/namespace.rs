//! The namespace of a service account that acts as another user.

use crate::{
    names::Glob,
    rules::yaml::{Item, invalid},
    user::SERVICE_ACCOUNT,
};

/// Anyone who can create a namespace can create any service account in it, so the requester must name its namespace.
pub(super) fn check_namespace(item: &Item<'_>, requester: &Glob) -> Option<()> {
    if !matches_several_namespaces(requester) {
        return Some(());
    }
    let what = format!(
        "{requester} matches service accounts of several namespaces, and anyone who creates one could act as another user"
    );
    item.report(invalid(
        what,
        "write the namespace in full, as system:serviceaccount:NAMESPACE:NAME, or use what each * matches in user",
    ));
    None
}

/// Whether service accounts of more than one namespace can match.
fn matches_several_namespaces(requester: &Glob) -> bool {
    let mut pieces = requester.as_str().split('*');
    let first = pieces.next().unwrap_or_default();
    let namespace = match first.strip_prefix(SERVICE_ACCOUNT) {
        Some(rest) => rest,
        None if SERVICE_ACCOUNT.starts_with(first) => "",
        None => return false,
    };
    let is_in_accounts =
        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.:".contains(c);
    !requester.is_exact()
        && !namespace.contains(':')
        && pieces.all(|piece| piece.chars().all(is_in_accounts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_requester_with_a_star_in_the_namespace_matches_several_namespaces() {
        let several = [
            "system:serviceaccount:*",
            "system:serviceaccount:*:hub",
            "system:*",
            "*",
            "*-hub",
            "system:serviceaccount:hub*",
        ];
        for requester in several {
            assert!(
                matches_several_namespaces(&Glob::new(requester)),
                "{requester}"
            );
        }
        let one = [
            "*@acme.com",
            "system:serviceaccount:hub:*",
            "system:serviceaccount:hub:jupyter-*",
            "system:node:*",
            "system:serviceaccount:hub:runner",
            "alice*",
        ];
        for requester in one {
            assert!(
                !matches_several_namespaces(&Glob::new(requester)),
                "{requester}"
            );
        }
    }
}
