//! Which members an organization policy allows. Pure.

use std::collections::BTreeSet;

use serde_json::Value;

/// The members of a policy (as JSON) that belong to none of the allowed domains and projects, without duplicates, as Google
/// names them.
pub(super) fn disallowed(policy: &Value, allowed: &BTreeSet<String>) -> Vec<String> {
    let bindings = policy["bindings"].as_array().into_iter().flatten();
    let members = bindings
        .filter_map(|binding| binding["members"].as_array())
        .flatten();
    let disallowed = members.filter_map(Value::as_str).filter(|member| {
        let owner = owner(member);
        owner.is_some_and(|owner| !allowed.contains(owner))
    });
    let disallowed: BTreeSet<&str> = disallowed.map(name).collect();
    disallowed.into_iter().map(str::to_owned).collect()
}

/// The domain or project that a member belongs to; none for a deleted member and for one of the resource's own project.
fn owner(member: &str) -> Option<&str> {
    if let Some((_, rest)) = member.split_once("/workloadIdentityPools/") {
        return Some(project_of_pool(rest.split('/').next().unwrap_or_default()));
    }
    let Some((kind, id)) = member.split_once(':') else {
        // `allUsers`
        return Some(member);
    };
    match kind {
        "projectOwner" | "projectEditor" | "projectViewer" | "deleted" => None,
        "serviceAccount" => match id.split_once('[') {
            Some((pool, _)) => Some(project_of_pool(pool)),
            None => {
                let (_, domain) = id.split_once('@')?;
                Some(
                    domain
                        .strip_suffix(".iam.gserviceaccount.com")
                        .unwrap_or(domain),
                )
            }
        },
        _ => Some(id.split_once('@').map_or(id, |(_, domain)| domain)),
    }
}

fn project_of_pool(pool: &str) -> &str {
    pool.strip_suffix(".svc.id.goog").unwrap_or(pool)
}

/// The name of a member in Google's errors: without its type.
fn name(member: &str) -> &str {
    match member.split_once(':') {
        Some((_, id)) if !member.contains("://") => id,
        _ => member,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_kind_of_member_is_checked_by_its_domain_or_project() {
        let allowed = ["acme.com", "acme-ids", "acme"].map(str::to_owned).into();
        let ours = [
            "user:a@acme.com",
            "group:g@acme.com",
            "domain:acme.com",
            "serviceAccount:mf-a@acme-ids.iam.gserviceaccount.com",
            "serviceAccount:acme.svc.id.goog[n/k]",
            "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/acme.svc.id.goog/subject/ns/n/sa/k",
            "projectOwner:acme",
            "deleted:user:x@other.com?uid=1",
        ];
        let theirs = [
            ("user:e@other.com", "e@other.com"),
            ("domain:other.com", "other.com"),
            (
                "serviceAccount:x@other.iam.gserviceaccount.com",
                "x@other.iam.gserviceaccount.com",
            ),
            ("allUsers", "allUsers"),
            (
                "serviceAccount:other.svc.id.goog[n/k]",
                "other.svc.id.goog[n/k]",
            ),
        ];
        let of = |member: &str| disallowed(&json!({"bindings": [{"members": [member]}]}), &allowed);
        for member in ours {
            assert_eq!(of(member), Vec::<String>::new(), "{member}");
        }
        for (member, name) in theirs {
            assert_eq!(of(member), [name], "{member}");
        }
    }
}
