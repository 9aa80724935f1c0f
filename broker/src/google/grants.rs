//! Grants as Google has them: edits of policies, with conditions. Pure.

use std::collections::{BTreeMap, BTreeSet};

use namesake_api::{Grant, IdentitySpec};
use namesake_gcp::{Condition, Edit, MemberBinding, Resource};

use crate::identity::plan::{resource, roles_by_resource};

/// Title of our conditions. It also tells our bindings from those of others.
const TITLE: &str = "namesake";

/// The condition of a grant with a prefix: only objects whose names begin with it, and lists of those.
#[must_use]
pub fn condition(grant: &Grant) -> Option<Condition> {
    let (bucket, prefix) = (grant.bucket.as_ref()?, grant.prefix.as_ref()?);
    let name = quoted(&format!("projects/_/buckets/{bucket}/objects/{prefix}"));
    let listed = quoted(prefix);
    Some(Condition {
        title: TITLE.to_owned(),
        expression: format!(
            "resource.name.startsWith({name}) || api.getAttribute(\"storage.googleapis.com/objectListPrefix\", \"\").startsWith({listed})"
        ),
    })
}

/// The edits that grant an identity its roles in one policy. A pinned GSA gets none.
#[must_use]
pub fn edits(spec: &IdentitySpec, on: &Resource, member: &str) -> Vec<Edit> {
    let grants = spec.grants.iter().filter(|_| !spec.pinned);
    let here = grants.filter(|grant| resource(grant).as_ref() == Some(on));
    here.map(|grant| Edit::Add(entry(grant, member))).collect()
}

/// The roles that can be tested on their resource: a grant with a condition on objects does not show on the bucket.
#[must_use]
pub fn testable(spec: &IdentitySpec) -> BTreeMap<Resource, BTreeSet<String>> {
    roles_by_resource(spec, |grant| grant.prefix.is_none())
}

/// The entry of a grant in the policy of its resource.
pub(super) fn entry(grant: &Grant, member: &str) -> MemberBinding {
    MemberBinding {
        condition: condition(grant),
        ..MemberBinding::new(&grant.role, member)
    }
}

/// A string literal in CEL, which is the same as in JSON.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLE: &str = "roles/storage.objectUser";

    fn prefix() -> Grant {
        Grant {
            role: ROLE.into(),
            bucket: Some("acme-mf".into()),
            prefix: Some("users/a/".into()),
            ..Grant::default()
        }
    }

    fn spec(grants: Vec<Grant>) -> IdentitySpec {
        IdentitySpec {
            grants,
            ..crate::fixtures::identity().spec
        }
    }

    #[test]
    fn a_prefix_becomes_a_condition_on_objects_and_on_lists_of_them() {
        assert_eq!(
            condition(&prefix()).unwrap().expression,
            r#"resource.name.startsWith("projects/_/buckets/acme-mf/objects/users/a/") || api.getAttribute("storage.googleapis.com/objectListPrefix", "").startsWith("users/a/")"#
        );
        let folder = Grant {
            folder: Some("users/a/".into()),
            prefix: None,
            ..prefix()
        };
        assert_eq!(condition(&folder), None);
    }

    #[test]
    fn a_prefix_written_by_hand_cannot_break_out_of_its_condition() {
        let grant = Grant {
            prefix: Some(r#"x") || true || ("" == ""#.into()),
            ..prefix()
        };
        let expression = condition(&grant).unwrap().expression;
        assert!(
            expression.contains(r#"objects/x\") || true"#),
            "{expression}"
        );
    }

    #[test]
    fn a_grant_with_a_prefix_is_not_tested_on_its_bucket() {
        assert_eq!(testable(&spec(vec![prefix()])), BTreeMap::new());
        let mut pinned = spec(vec![Grant {
            prefix: None,
            ..prefix()
        }]);
        assert_eq!(testable(&pinned).len(), 1);
        pinned.pinned = true;
        assert!(testable(&pinned).is_empty());
    }
}
