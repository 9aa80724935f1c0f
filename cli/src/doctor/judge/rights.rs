//! The permissions that the broker lacks at Google, with the command that gives them. Pure.

use std::collections::BTreeMap;

use crate::answer::text::{count, quoted};
use crate::commands::quota::rights;
use crate::doctor::checks::{Check, Finding, Outcome};

/// Beginning of what the broker reports where something is lacking.
const LACKS: &str = "lacks ";
/// Beginnings of permissions, and the custom role of the broker that has them, as docs/install.md names it.
const ROLES: [(&str, &str); 4] = [
    ("iam.serviceAccounts.", "namesakeBroker"),
    ("storage.managedFolders.", "namesakeFolders"),
    ("storage.buckets.", "namesakeBuckets"),
    ("resourcemanager.projects.", "namesakeProjects"),
];

/// Judges what the broker reports; `not_reported` is why that may be nothing.
pub(super) fn at_google(
    home: &str,
    data: &BTreeMap<String, String>,
    not_reported: String,
) -> Outcome {
    let reported = rights(data);
    if reported.is_empty() {
        return Outcome::NotYet(not_reported);
    }
    let lacking = reported
        .iter()
        .filter_map(|(whose, text)| Some((*whose, text.strip_prefix(LACKS)?)));
    let findings = lacking.map(|(whose, permissions)| Finding {
        command: command(home, whose, permissions),
        ..Check::Rights.finding(home, whose, format!("the broker {LACKS}{permissions}"))
    });
    let unknown = reported
        .iter()
        .find(|(_, text)| text.starts_with("not known"));
    let unknown = unknown.map(|(whose, text)| Outcome::Unseen(format!("{whose}: {text}")));
    let all = count(reported.len(), "resource", "resources");
    Outcome::of(findings.collect(), all).and_unseen(unknown)
}

/// What adds the permissions to the roles of the broker: `whose` is `project_ID` or `bucket_NAME`, and a role of a bucket may be
/// in any project.
fn command(home: &str, whose: &str, permissions: &str) -> String {
    let mut by_role = BTreeMap::<_, Vec<&str>>::new();
    for permission in permissions.split(", ") {
        let role = ROLES
            .iter()
            .find(|(begin, _)| permission.starts_with(begin));
        match role {
            Some((_, role)) => by_role.entry(*role).or_default().push(permission),
            // Such as of a project that does not exist.
            None => return Check::Rights.command(home),
        }
    }
    let project = whose.strip_prefix("project_").unwrap_or("PROJECT");
    let each = by_role.iter().map(|(role, permissions)| {
        let permissions: Vec<_> = permissions.iter().map(|one| quoted(one)).collect();
        let (project, permissions) = (quoted(project), permissions.join(","));
        format!(
            "gcloud iam roles update {role} --project={project} --add-permissions={permissions}"
        )
    });
    let each: Vec<_> = each.collect();
    format!(
        "{}; with Terraform, apply the module namesake again instead; a role that the broker's account does not have: docs/install.md",
        each.join("; ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lacking_is_added_to_the_role_of_the_broker_that_has_it() {
        let of_project = command(
            "home",
            "project_acme",
            "iam.serviceAccounts.create, iam.serviceAccounts.undelete, resourcemanager.projects.setIamPolicy",
        );
        for part in [
            "gcloud iam roles update namesakeBroker --project=acme --add-permissions=iam.serviceAccounts.create,iam.serviceAccounts.undelete; ",
            "namesakeProjects --project=acme --add-permissions=resourcemanager.projects.setIamPolicy; ",
        ] {
            assert!(of_project.contains(part), "{of_project}");
        }
        let of_bucket = command("home", "bucket_acme-mf", "storage.managedFolders.create");
        let part = "update namesakeFolders --project=PROJECT --add-permissions=storage.managed";
        assert!(of_bucket.contains(part), "{of_bucket}");
        let missing = command("home", "project_acme", "everything: it does not exist");
        assert!(!missing.contains("gcloud"), "{missing}");
    }

    #[test]
    fn every_permission_that_terraform_gives_is_of_a_role() {
        let text = include_str!("../../../../terraform/modules/namesake/permissions.json");
        let all: BTreeMap<String, Vec<String>> = serde_json::from_str(text).unwrap();
        for permission in all.values().flatten() {
            let is_known = ROLES.iter().any(|(begin, _)| permission.starts_with(begin));
            assert!(is_known, "{permission}");
        }
    }
}
