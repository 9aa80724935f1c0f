//! How Google names a KSA: pool, issuer, members of policies. Pure.

use namesake_api::Identity;

use crate::cluster::requests::namespace_and_name;

/// The project in a cluster's name `projects/P/locations/L/clusters/C`.
#[must_use]
pub fn cluster_project(cluster: &str) -> &str {
    cluster.split('/').nth(1).unwrap_or_default()
}

/// The workload identity pool of a cluster.
#[must_use]
pub fn pool(cluster: &str) -> String {
    format!("{}.svc.id.goog", cluster_project(cluster))
}

/// The issuer of a GKE cluster's tokens.
#[must_use]
pub fn issuer(cluster: &str) -> String {
    format!("https://container.googleapis.com/v1/{cluster}")
}

/// The audience of the token exchange for a cluster's tokens.
#[must_use]
pub fn exchange_audience(cluster: &str) -> String {
    format!("identitynamespace:{}:{}", pool(cluster), issuer(cluster))
}

/// The member that lets the KSA act as its GSA: by name, as Google documents it. A policy of the API server keeps others from
/// creating the KSA again, and one that was created again is verified before pods may use it.
#[must_use]
pub fn member_by_name(identity: &Identity) -> String {
    let (namespace, name) = namespace_and_name(identity);
    format!(
        "serviceAccount:{}[{namespace}/{name}]",
        pool(&identity.spec.cluster)
    )
}

/// The member that is one KSA, and not a later one of the same name. `number` is the number of the cluster's project.
#[must_use]
pub fn member_by_uid(number: &str, project: &str, uid: &str) -> String {
    format!(
        "principal://iam.googleapis.com/projects/{number}/locations/global/workloadIdentityPools/{project}.svc.id.goog/kubernetes.serviceaccount.uid/{uid}"
    )
}

/// Whether a member is the KSA with this UID.
#[must_use]
pub fn has_uid(member: &str, uid: &str) -> bool {
    let tail = member
        .strip_prefix("principal://")
        .and_then(|rest| rest.rsplit_once("/kubernetes.serviceaccount.uid/"));
    tail.is_some_and(|(_, of)| of == uid)
}

#[cfg(test)]
mod tests {
    use kube::ResourceExt as _;

    use super::*;

    const CLUSTER: &str = "projects/acme/locations/us-central1/clusters/ml";

    #[test]
    fn names_are_as_google_writes_them() {
        assert_eq!(
            exchange_audience(CLUSTER),
            "identitynamespace:acme.svc.id.goog:https://container.googleapis.com/v1/projects/acme/locations/us-central1/clusters/ml"
        );
        let identity = crate::fixtures::identity();
        let name = identity.name_any();
        assert_eq!(
            member_by_name(&identity),
            format!("serviceAccount:acme.svc.id.goog[research/{name}]")
        );
        assert_eq!(
            member_by_uid("123", "acme", "u-1"),
            "principal://iam.googleapis.com/projects/123/locations/global/workloadIdentityPools/acme.svc.id.goog/kubernetes.serviceaccount.uid/u-1"
        );
    }
}
