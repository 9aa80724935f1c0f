//! Comparison of the rights that the check computes from RBAC with the API server's own answers.

use anyhow::{Result, ensure};
use k8s_openapi::api::{
    authorization::v1::SubjectAccessReview,
    rbac::v1::{ClusterRole, RoleBinding},
};
use kube::{
    Api,
    api::{ListParams, PostParams},
};
use namesake_cli::check::{
    Subject,
    rbac::{Listing, Rbac, Right, checked_rights},
};
use namesake_tests::{
    cluster::manifests,
    eventually::eventually,
    namespace::{TestNamespace, with_namespace},
};
use serde_json::json;

use super::{binding, user};

/// Whether the API server allows somebody any part of a right here.
async fn allows(ns: &TestNamespace, who: &str, right: &Right) -> Result<bool> {
    let admin = ns.admin().await?;
    let reviews: Api<SubjectAccessReview> = Api::all(admin.client().clone());
    let names = if right.names.is_empty() {
        &["any"]
    } else {
        right.names
    };
    for (group, resource) in right.resources {
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        for verb in right.verbs {
            let nameless = subresource.is_empty() && ["create", "deletecollection"].contains(verb);
            for name in if nameless { &[""] } else { names } {
                let review: SubjectAccessReview = serde_json::from_value(
                    json!({"metadata": {}, "spec": {"user": who, "resourceAttributes": {
                        "namespace": ns.name, "group": group, "resource": resource, "subresource": subresource, "verb": verb, "name": name,
                    }}}),
                )?;
                let answer = reviews.create(&PostParams::default(), &review).await?;
                if answer.status.is_some_and(|status| status.allowed) {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}

/// The standard roles of every cluster, and ours.
const PROBED: [&str; 9] = [
    "view",
    "edit",
    "admin",
    "cluster-admin",
    "system:node-proxier",
    "system:controller:clusterrole-aggregation-controller",
    "namesake-identities-admin",
    "namesake-carrier",
    "namesake-broker-namespace",
];

#[test]
fn what_the_check_computes_from_roles_is_what_the_api_server_answers() -> Result<()> {
    with_namespace(|ns| async move {
        let admin = ns.admin().await?;
        for role in PROBED {
            let binding = binding(
                Some(&ns.name),
                &format!("probe-{role}"),
                role,
                &user(&format!("probe:{role}")),
            );
            manifests::apply(admin.client(), &binding, &ns.name, false).await?;
        }
        let all = ListParams::default();
        let bindings: Api<RoleBinding> = admin.all();
        let rbac = Rbac::of(Listing {
            cluster_roles: Api::<ClusterRole>::all(admin.client().clone())
                .list(&all)
                .await?
                .items,
            role_bindings: bindings.list(&all).await?.items,
            ..Listing::default()
        });
        eventually("the API server knows the bindings", async || {
            let last = format!("probe:{}", PROBED[PROBED.len() - 1]);
            ensure!(
                allows(
                    &ns,
                    &last,
                    &Right {
                        words: "",
                        verbs: &["list"],
                        resources: &[("", "pods")],
                        names: &[]
                    }
                )
                .await?
            );
            Ok(())
        })
        .await?;
        for role in PROBED {
            let who = format!("probe:{role}");
            for right in checked_rights() {
                let computed = rbac.holders_in(&ns.name, right).has(&Subject::user(&who));
                let answered = allows(&ns, &who, right).await?;
                ensure!(
                    computed == answered,
                    "{role}, {}: computed {computed}, answered {answered}",
                    right.words
                );
            }
        }
        Ok(())
    })
}
