//! The resources of a namespace at Google, from the emulator's listing.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::ServiceAccount;
use kube::ResourceExt;
use namesake_api::Identity;
use namesake_tests::namespace::TestNamespace;

/// A member, a role and a resource.
pub(super) type Role = (String, String, String);

/// The resources of this namespace at Google: GSAs with our mark, and every role of its identities.
pub(super) struct Found {
    pub(super) accounts: BTreeSet<String>,
    pub(super) disabled: BTreeSet<String>,
    pub(super) roles: BTreeSet<Role>,
}

/// `deleted`: the policies of GSAs that somebody other than the broker deleted.
pub(super) fn found(
    ns: &TestNamespace,
    identities: &[(Identity, Option<ServiceAccount>)],
    deleted: &BTreeSet<String>,
) -> Found {
    let listing = ns.stack.google().state().listing();
    let mark = format!(
        "stack=prod cluster={} ksa={}/",
        namesake_sandbox::CLUSTER,
        ns.name
    );
    let mut found = Found {
        accounts: BTreeSet::new(),
        disabled: BTreeSet::new(),
        roles: BTreeSet::new(),
    };
    let mut gone = BTreeSet::new();
    for account in listing["serviceAccounts"].as_array().into_iter().flatten() {
        let text = |key: &str| account[key].as_str().unwrap_or_default();
        if !account["deleted"].is_null() {
            gone.insert(text("uniqueId").to_owned());
            continue;
        }
        if !text("description").contains(&mark) {
            continue;
        }
        found.accounts.insert(text("email").to_owned());
        if account["disabled"] == true {
            found.disabled.insert(text("email").to_owned());
        }
    }
    let uids = identities
        .iter()
        .filter_map(|(_, account)| account.as_ref()?.uid());
    let mut names: Vec<String> = uids.collect();
    names.extend([
        format!("[{}/mf-", ns.name),
        "serviceAccount:mf-".to_owned(),
        "service_account".to_owned(),
        "/subject/ns/".to_owned(),
        "serviceaccount.uid".to_owned(),
    ]);
    for (resource, policy) in listing["policies"].as_object().into_iter().flatten() {
        // Somebody deleted the GSA: nobody can act as it or change its policy.
        let id = resource.rsplit('/').next().unwrap_or_default();
        if gone.contains(id) && deleted.contains(resource) {
            continue;
        }
        for binding in policy["bindings"].as_array().into_iter().flatten() {
            let role = binding["role"].as_str().unwrap_or_default();
            for member in binding["members"].as_array().into_iter().flatten() {
                let member = member.as_str().unwrap_or_default();
                if names.iter().any(|name| member.contains(name.as_str())) {
                    found
                        .roles
                        .insert((resource.clone(), role.to_owned(), member.to_owned()));
                }
            }
        }
    }
    found
}
