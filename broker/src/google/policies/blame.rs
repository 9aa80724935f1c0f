//! An organization policy judges a whole policy, older members as well: which changes it is about, and who else may be why. Pure.

use std::collections::BTreeSet;

use namesake_gcp::{Edit, Error, Failure, Policy, Refusal};

use super::batch::Change;

/// As many members are named.
const NAMED: usize = 5;

/// What is tried next after the organization has refused a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing: it is about the policy as it was, or about all of the changes.
    Nothing,
    /// The changes that it is not about; those that are marked have failed.
    Without(Vec<bool>),
    /// Google does not say whom it is about: those that are marked alone, then the others. What adds the same roles to
    /// principals of the same owner stays together, because a policy of the organization treats it alike.
    Apart(Vec<bool>),
}

/// What to try after `refusal` of these changes.
pub(super) fn next(changes: &[&Change], refusal: &Refusal) -> Next {
    if !matches!(refusal, Refusal::OrganizationPolicy { .. }) {
        return Next::Nothing;
    }
    let members = refusal.members();
    if !members.is_empty() {
        let blamed = |change: &&Change| added(change).any(|edit| names(members, member(edit)));
        let blamed: Vec<bool> = changes.iter().map(blamed).collect();
        return if blamed.contains(&true) && blamed.contains(&false) {
            Next::Without(blamed)
        } else {
            Next::Nothing
        };
    }
    let alike = |change: &&Change| -> BTreeSet<(String, String)> {
        let edits = added(change);
        edits
            .map(|edit| (role(edit).to_owned(), owner(member(edit)).to_owned()))
            .collect()
    };
    let kinds: Vec<_> = changes.iter().map(alike).collect();
    let first: Vec<bool> = kinds
        .iter()
        .map(|kind| Some(kind) == kinds.first())
        .collect();
    if first.contains(&false) {
        Next::Apart(first)
    } else {
        Next::Nothing
    }
}

/// The refusal as one change is told of it: with the older members of the policy that Google names, or that may be why.
pub(super) fn explain(error: &Error, before: &Policy, change: &Change) -> Error {
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
    let says = if !named.is_empty() {
        format!("in the policy already: {}", named.join(", "))
    } else if by.members().is_empty() {
        candidates(&older, &own)
    } else {
        String::new()
    };
    if says.is_empty() {
        return error.clone();
    }
    let message = failure.message.trim_end_matches('.');
    Error::Refused {
        failure: Failure {
            what: failure.what.clone(),
            message: format!("{message} ({says})"),
        },
        by: by.clone(),
    }
}

/// Older members that are of other owners than ours, those first that are seldom allowed.
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
        "Google does not say who is not allowed; in the policy already, and not of our projects: {}{more}",
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

fn added(change: &Change) -> impl Iterator<Item = &Edit> {
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

/// Whether Google's words, which leave the type away, name this member.
fn names(said: &[String], member: &str) -> bool {
    let id = member.split_once(':').map_or(member, |(_, id)| id);
    said.iter().any(|said| said == member || said == id)
}

/// Project, pool or domain that a member is of.
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

    fn grant(member: &str) -> Change {
        Change {
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

    fn next_of(changes: &[Change], refusal: &Refusal) -> Next {
        next(&changes.iter().collect::<Vec<_>>(), refusal)
    }

    #[test]
    fn whom_google_names_fails_and_the_others_are_written() {
        let changes = [grant(&account("a", "ids")), grant(&account("b", "other"))];
        let named = |member: &str| next_of(&changes, &refusal(&[member]));
        assert_eq!(
            named("b@other.iam.gserviceaccount.com"),
            Next::Without(vec![false, true])
        );
        // Somebody who was in the policy before: nothing of ours can be written.
        assert_eq!(named("eve@other.com"), Next::Nothing);
    }

    #[test]
    fn a_thousand_alike_are_not_written_one_by_one_and_another_project_once() {
        let alike: Vec<Change> = (0..1000)
            .map(|n| grant(&account(&n.to_string(), "ids")))
            .collect();
        assert_eq!(next_of(&alike, &refusal(&[])), Next::Nothing);
        let changes = [
            grant(&account("a", "ids")),
            grant(&account("b", "other")),
            grant(&account("c", "ids")),
        ];
        assert_eq!(
            next_of(&changes, &refusal(&[])),
            Next::Apart(vec![true, false, true])
        );
    }

    #[test]
    fn a_perimeter_is_about_the_call_and_not_about_a_change() {
        let changes = [grant(&account("a", "ids")), grant(&account("b", "other"))];
        let perimeter = Refusal::Perimeter {
            violation: "v".to_owned(),
            service: String::new(),
        };
        assert_eq!(next_of(&changes, &perimeter), Next::Nothing);
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
    fn an_older_member_that_google_names_is_said_to_be_in_the_policy_already() {
        let said = explained(
            &["eve@other.com"],
            &["user:eve@other.com", "user:bob@acme.com"],
        );
        assert!(
            said.contains("in the policy already: user:eve@other.com)") && !said.contains("bob@"),
            "{said}"
        );
        let own = explained(&["a@ids.iam.gserviceaccount.com"], &["user:bob@acme.com"]);
        assert!(!own.contains("already") && !own.contains("bob@"), "{own}");
    }

    #[test]
    fn where_google_names_nobody_the_older_members_of_others_are_and_not_without_end() {
        let (old, agent) = (account("old", "ids"), account("agent", "vendor"));
        let said = explained(
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
            said.contains(
                "not of our projects: allUsers, user:eve@other.com, serviceAccount:agent@vendor"
            ),
            "{said}"
        );
        assert!(
            !said.contains("old@ids") && !said.contains("projectOwner"),
            "{said}"
        );
        let many: Vec<String> = (0..9).map(|n| format!("user:u{n}@x.com")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let said = explained(&[], &many);
        assert!(
            said.contains("u4@") && said.contains("and others") && !said.contains("u5@"),
            "{said}"
        );
        assert!(!explained(&[], &[&old]).contains("already"));
    }
}
