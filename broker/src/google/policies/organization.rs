//! Refusals by an organization policy, which applies to a whole IAM policy, older members included: which changes it is about, and
//! which older members may be the cause. Pure.

use std::collections::BTreeSet;

use namesake_gcp::{Edit, Error, Failure, Policy, Refusal};

use super::batch::PolicyChange;

/// Most members that a message names.
const NAMED: usize = 5;

/// What happens after the organization has refused a write of several changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum AfterRefusal {
    /// All changes fail: the refusal is about the policy as it was, or about all of them.
    Fail,
    /// The marked changes fail, and the others are written.
    FailBlamed(Vec<bool>),
    /// Google does not say whom the refusal is about: the marked changes are written first, then the others. Changes that add the
    /// same roles to principals of the same owner stay together, because an organization policy treats them alike.
    Separate(Vec<bool>),
}

/// What happens after `refusal` of these changes.
pub(super) fn after_refusal(changes: &[&PolicyChange], refusal: &Refusal) -> AfterRefusal {
    if !matches!(refusal, Refusal::OrganizationPolicy { .. }) {
        return AfterRefusal::Fail;
    }
    let members = refusal.members();
    if !members.is_empty() {
        let blamed =
            |change: &&PolicyChange| added(change).any(|edit| names(members, member(edit)));
        let blamed: Vec<bool> = changes.iter().map(blamed).collect();
        return if blamed.contains(&true) && blamed.contains(&false) {
            AfterRefusal::FailBlamed(blamed)
        } else {
            AfterRefusal::Fail
        };
    }
    let role_and_owner = |change: &&PolicyChange| -> BTreeSet<(String, String)> {
        let edits = added(change);
        edits
            .map(|edit| (role(edit).to_owned(), owner(member(edit)).to_owned()))
            .collect()
    };
    let kinds: Vec<_> = changes.iter().map(role_and_owner).collect();
    let first: Vec<bool> = kinds
        .iter()
        .map(|kind| Some(kind) == kinds.first())
        .collect();
    if first.contains(&false) {
        AfterRefusal::Separate(first)
    } else {
        AfterRefusal::Fail
    }
}

/// The refusal for one change, with the older members of the policy that Google names or that may be the cause.
pub(super) fn explain(error: &Error, before: &Policy, change: &PolicyChange) -> Error {
    let Error::Refused { failure, by } = error else {
        return error.clone();
    };
    if !by.is_about_members() {
        return error.clone();
    }
    let own: BTreeSet<&str> = change.edits.iter().map(member).collect();
    let older: BTreeSet<&str> = before.all_members().filter(|m| !own.contains(m)).collect();
    let named: Vec<&str> = older
        .iter()
        .copied()
        .filter(|member| names(by.members(), member))
        .collect();
    let explanation = if !named.is_empty() {
        format!("in the policy already: {}", named.join(", "))
    } else if by.members().is_empty() {
        candidates(&older, &own)
    } else {
        String::new()
    };
    if explanation.is_empty() {
        return error.clone();
    }
    let message = failure.message.trim_end_matches('.');
    Error::Refused {
        failure: Failure {
            what: failure.what.clone(),
            message: format!("{message} ({explanation})"),
        },
        by: by.clone(),
    }
}

/// Older members of other owners than ours; first those that organizations rarely allow.
fn candidates(older: &BTreeSet<&str>, own: &BTreeSet<&str>) -> String {
    let ours: BTreeSet<&str> = own.iter().map(|member| owner(member)).collect();
    let conveniences = [
        "projectOwner:",
        "projectEditor:",
        "projectViewer:",
        "deleted:",
    ];
    let others = older.iter().copied().filter(|member| {
        !ours.contains(owner(member)) && !conveniences.iter().any(|kind| member.starts_with(kind))
    });
    let mut others: Vec<&str> = others.collect();
    others.sort_by_key(|member| (rank(member), *member));
    if others.is_empty() {
        return String::new();
    }
    let named: Vec<&str> = others.iter().copied().take(NAMED).collect();
    let more = if others.len() > NAMED {
        ", and others"
    } else {
        ""
    };
    format!(
        "Google does not say who is not allowed; in the policy already, and not of the identities' projects: {}{more}",
        named.join(", ")
    )
}

fn rank(member: &str) -> u8 {
    match member.split_once(':') {
        None => 0,
        Some(("user" | "group" | "domain", _)) => 1,
        Some((_, id)) if !id.ends_with(".iam.gserviceaccount.com") => 2,
        Some(_) => 3,
    }
}

fn added(change: &PolicyChange) -> impl Iterator<Item = &Edit> {
    change.edits.iter().filter(|edit| edit.adds())
}

fn member(edit: &Edit) -> &str {
    match edit {
        Edit::Add(entry) | Edit::Remove(entry) => &entry.member,
        Edit::RemoveMember(member) => member,
    }
}

fn role(edit: &Edit) -> &str {
    match edit {
        Edit::Add(entry) | Edit::Remove(entry) => &entry.role,
        Edit::RemoveMember(_) => "",
    }
}

/// Whether Google's message, which omits the type, names this member.
fn names(named: &[String], member: &str) -> bool {
    let id = member.split_once(':').map_or(member, |(_, id)| id);
    named.iter().any(|name| name == member || name == id)
}

/// Project, pool or domain that a member belongs to.
fn owner(member: &str) -> &str {
    if let Some((_, rest)) = member.split_once("/workloadIdentityPools/") {
        return rest.split('/').next().unwrap_or_default();
    }
    let id = member.split_once(':').map_or(member, |(_, id)| id);
    let pool = id.split_once('[').map(|(pool, _)| pool);
    pool.unwrap_or_else(|| id.split_once('@').map_or(id, |(_, domain)| domain))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLE: &str = "roles/storage.objectUser";

    fn grant(member: &str) -> PolicyChange {
        PolicyChange {
            edits: vec![Edit::add(ROLE, member)],
            confirmed: false,
        }
    }

    fn account(name: &str, project: &str) -> String {
        format!("serviceAccount:{name}@{project}.iam.gserviceaccount.com")
    }

    fn refusal(members: &[&str]) -> Refusal {
        Refusal::OrganizationPolicy {
            constraints: vec!["constraints/iam.allowedPolicyMemberDomains".to_owned()],
            members: members.iter().map(|&member| member.to_owned()).collect(),
        }
    }

    fn after(changes: &[PolicyChange], refusal: &Refusal) -> AfterRefusal {
        after_refusal(&changes.iter().collect::<Vec<_>>(), refusal)
    }

    #[test]
    fn changes_that_google_names_fail_and_the_others_are_written() {
        let changes = [grant(&account("a", "ids")), grant(&account("b", "other"))];
        let named = |member: &str| after(&changes, &refusal(&[member]));
        assert_eq!(
            named("b@other.iam.gserviceaccount.com"),
            AfterRefusal::FailBlamed(vec![false, true])
        );
        // It was in the policy before, so no change can be written.
        assert_eq!(named("eve@other.com"), AfterRefusal::Fail);
    }

    #[test]
    fn changes_that_are_alike_are_not_written_one_by_one() {
        let alike: Vec<PolicyChange> = (0..1000)
            .map(|n| grant(&account(&n.to_string(), "ids")))
            .collect();
        assert_eq!(after(&alike, &refusal(&[])), AfterRefusal::Fail);
        let changes = [
            grant(&account("a", "ids")),
            grant(&account("b", "other")),
            grant(&account("c", "ids")),
        ];
        assert_eq!(
            after(&changes, &refusal(&[])),
            AfterRefusal::Separate(vec![true, false, true])
        );
    }

    #[test]
    fn after_a_refusal_by_a_perimeter_all_changes_fail() {
        let changes = [grant(&account("a", "ids")), grant(&account("b", "other"))];
        let perimeter = Refusal::Perimeter {
            violation: "v".to_owned(),
            service: String::new(),
        };
        assert_eq!(after(&changes, &perimeter), AfterRefusal::Fail);
    }

    fn explained(members: &[&str], before: &[&str]) -> String {
        let mut policy = Policy::default();
        for member in before {
            policy.add(ROLE, member, None);
        }
        let error = Error::Refused {
            failure: Failure {
                what: "change the policy".to_owned(),
                message: "Not permitted.".to_owned(),
            },
            by: refusal(members),
        };
        explain(&error, &policy, &grant(&account("a", "ids"))).to_string()
    }

    #[test]
    fn the_explanation_names_an_older_member_that_google_names() {
        let message = explained(
            &["eve@other.com"],
            &["user:eve@other.com", "user:bob@acme.com"],
        );
        assert!(
            message.contains("in the policy already: user:eve@other.com)")
                && !message.contains("bob@"),
            "{message}"
        );
        let own = explained(&["a@ids.iam.gserviceaccount.com"], &["user:bob@acme.com"]);
        assert!(!own.contains("already") && !own.contains("bob@"), "{own}");
    }

    #[test]
    fn where_google_names_nobody_the_explanation_names_older_members_of_others() {
        let (old, agent) = (account("old", "ids"), account("agent", "vendor"));
        let message = explained(
            &[],
            &[
                &old,
                &agent,
                "user:eve@other.com",
                "allUsers",
                "projectOwner:acme",
            ],
        );
        assert!(
            message.contains(
                "not of the identities' projects: allUsers, user:eve@other.com, serviceAccount:agent@vendor"
            ),
            "{message}"
        );
        assert!(
            !message.contains("old@ids") && !message.contains("projectOwner"),
            "{message}"
        );
        let many: Vec<String> = (0..9).map(|n| format!("user:u{n}@x.com")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let message = explained(&[], &many);
        assert!(
            message.contains("u4@") && message.contains("and others") && !message.contains("u5@"),
            "{message}"
        );
        assert!(!explained(&[], &[&old]).contains("already"));
    }
}
