//! `doctor --pre`: whether the manifests can be applied.

use futures::future::join_all;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};

use super::checks::{Check, Checked, Outcome};
use super::judge::api_server;
use crate::answer::failure::Failure;
use crate::answer::text::some;

/// What the manifests create in the whole cluster: group and resource.
const CREATED: [(&str, &str); 8] = [
    ("", "namespaces"),
    ("apiextensions.k8s.io", "customresourcedefinitions"),
    ("rbac.authorization.k8s.io", "clusterroles"),
    ("rbac.authorization.k8s.io", "clusterrolebindings"),
    ("scheduling.k8s.io", "priorityclasses"),
    (
        "admissionregistration.k8s.io",
        "validatingadmissionpolicies",
    ),
    (
        "admissionregistration.k8s.io",
        "validatingadmissionpolicybindings",
    ),
    (
        "admissionregistration.k8s.io",
        "mutatingwebhookconfigurations",
    ),
];

/// What is known before the install.
pub(super) struct Before {
    version: String,
    /// What the caller is not allowed to create.
    missing: Vec<String>,
}

/// Asks the API server. Creates reviews, which nothing stores.
pub(super) async fn read(client: &Client) -> Result<Before, Failure> {
    let version = client.apiserver_version().await;
    let version = version.map_err(Failure::to("read the version of the API server"))?;
    let asked = CREATED.map(|(group, resource)| may_create(client, group, resource));
    let mut missing = Vec::new();
    for answer in join_all(asked).await {
        missing.extend(answer?);
    }
    Ok(Before {
        version: version.git_version,
        missing,
    })
}

/// The resource, if the caller may not create it.
async fn may_create(
    client: &Client,
    group: &str,
    resource: &str,
) -> Result<Option<String>, Failure> {
    let attributes = ResourceAttributes {
        group: Some(group.to_owned()),
        resource: Some(resource.to_owned()),
        verb: Some("create".to_owned()),
        ..ResourceAttributes::default()
    };
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(attributes),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let answer = reviews.create(&PostParams::default(), &review).await;
    let answer = answer.map_err(Failure::to("ask what you may do"))?;
    let allowed = answer.status.is_some_and(|status| status.allowed);
    Ok((!allowed).then(|| resource.to_owned()))
}

/// The outcome of each selected check.
pub(super) fn checked(before: &Before, selected: &[Check]) -> Vec<Checked> {
    let outcome = |check| match check {
        Check::MayInstall => may_install(&before.missing),
        _ => api_server("", &before.version),
    };
    let each = selected.iter().map(|&check| Checked {
        check,
        outcome: outcome(check),
    });
    each.collect()
}

fn may_install(missing: &[String]) -> Outcome {
    let what = format!("you may not create {}", some(missing));
    let findings: Vec<_> = (!missing.is_empty())
        .then(|| Check::MayInstall.finding("", "cluster", what))
        .into_iter()
        .collect();
    Outcome::of(findings, "you may create all of it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_api_server_and_each_missing_right_are_found_before_the_install() {
        let before = |version: &str, missing: &[&str]| Before {
            version: version.to_owned(),
            missing: missing.iter().map(|&one| one.to_owned()).collect(),
        };
        let all = Check::all(true);
        let is_fine = |checked: &Checked| matches!(checked.outcome, Outcome::Fine(_));
        assert!(checked(&before("v1.36.3", &[]), &all).iter().all(is_fine));
        let found = checked(&before("v1.29.0", &["namespaces"]), &all);
        assert!(!found.iter().any(is_fine), "{found:?}");
        let Outcome::Found(rights) = &found[1].outcome else {
            panic!("{found:?}");
        };
        assert_eq!(rights[0].what, "you may not create namespaces");
    }
}
