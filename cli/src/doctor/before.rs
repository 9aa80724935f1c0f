//! `doctor --pre`: whether the manifests can be applied.

mod installed;

use futures::future::{join, join_all};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};

use self::installed::Installed;
use super::checks::{Check, Checked, Finding, Outcome};
use super::judge::{api_server, unseen};
use crate::answer::failure::Failure;
use crate::cluster::connect::Session;

/// A kind: group, name, and name in URLs.
type Kind = (&'static str, &'static str, &'static str);
/// What the manifests create in the whole cluster.
const IN_CLUSTER: [Kind; 8] = [
    ("", "Namespace", "namespaces"),
    (
        APIEXTENSIONS,
        "CustomResourceDefinition",
        "customresourcedefinitions",
    ),
    (ADMISSION, "ValidatingAdmissionPolicy", POLICIES),
    (
        ADMISSION,
        "ValidatingAdmissionPolicyBinding",
        "validatingadmissionpolicybindings",
    ),
    (
        ADMISSION,
        "MutatingWebhookConfiguration",
        "mutatingwebhookconfigurations",
    ),
    (
        ADMISSION,
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
    ),
    (RBAC, "ClusterRole", "clusterroles"),
    (RBAC, "ClusterRoleBinding", "clusterrolebindings"),
];
/// What the manifests create in the stack's namespace.
const IN_NAMESPACE: [Kind; 9] = [
    (RBAC, "Role", "roles"),
    (RBAC, "RoleBinding", "rolebindings"),
    ("", "ConfigMap", "configmaps"),
    ("", "ResourceQuota", "resourcequotas"),
    ("", "Service", "services"),
    ("", "ServiceAccount", "serviceaccounts"),
    ("apps", "Deployment", "deployments"),
    ("networking.k8s.io", "NetworkPolicy", "networkpolicies"),
    ("policy", "PodDisruptionBudget", "poddisruptionbudgets"),
];
/// Verbs of `kubectl apply --server-side`.
const VERBS: [&str; 2] = ["create", "patch"];
/// Without these, the API server accepts a role or a binding only from who has every right in it.
const GIVE_RIGHTS: [(&str, &str); 4] = [
    ("escalate", "clusterroles"),
    ("bind", "clusterroles"),
    ("escalate", "roles"),
    ("bind", "roles"),
];
const APIEXTENSIONS: &str = "apiextensions.k8s.io";
const ADMISSION: &str = "admissionregistration.k8s.io";
const RBAC: &str = "rbac.authorization.k8s.io";
const POLICIES: &str = "validatingadmissionpolicies";

/// What is known before the install.
pub(super) struct Before {
    home: String,
    version: String,
    /// Whether the API server has the kind ValidatingAdmissionPolicy in v1.
    has_policies: bool,
    /// Verb and resource of what the caller is not allowed to do.
    missing: Vec<(&'static str, &'static str)>,
    installed: Installed,
}

/// Asks the API server. Creates reviews, which nothing stores.
pub(super) async fn read(session: &Session) -> Result<Before, Failure> {
    let client = &session.client;
    let version = client.apiserver_version().await;
    let version = version.map_err(Failure::to("read the version of the API server"))?;
    let (has_policies, installed) = join(has_policies(client), Installed::read(session)).await;
    let wanted = VERBS
        .iter()
        .flat_map(|verb| created().map(move |(group, _, resource)| (*verb, group, resource)));
    let give_rights = GIVE_RIGHTS.map(|(verb, resource)| (verb, RBAC, resource));
    let asked = wanted.chain(give_rights);
    let asked = asked.map(|wanted| may_not(client, &session.home, wanted));
    let mut missing = Vec::new();
    for answer in join_all(asked).await {
        missing.extend(answer?);
    }
    Ok(Before {
        home: session.home.clone(),
        version: version.git_version,
        has_policies: has_policies?,
        missing,
        installed,
    })
}

async fn has_policies(client: &Client) -> Result<bool, Failure> {
    let served = client
        .list_api_group_resources(&format!("{ADMISSION}/v1"))
        .await;
    let served = served.map_err(Failure::to("read which kinds the API server has"))?;
    Ok(served.resources.iter().any(|one| one.name == POLICIES))
}

/// Verb and resource, if the caller may not do it in the stack's namespace, or in the cluster if the resource is in none.
async fn may_not(
    client: &Client,
    home: &str,
    (verb, group, resource): (&'static str, &str, &'static str),
) -> Result<Option<(&'static str, &'static str)>, Failure> {
    let is_namespaced = IN_NAMESPACE.iter().any(|(_, _, one)| *one == resource);
    let attributes = ResourceAttributes {
        group: Some(group.to_owned()),
        resource: Some(resource.to_owned()),
        verb: Some(verb.to_owned()),
        namespace: is_namespaced.then(|| home.to_owned()),
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
    Ok((!allowed).then_some((verb, resource)))
}

fn created() -> impl Iterator<Item = Kind> {
    IN_CLUSTER.into_iter().chain(IN_NAMESPACE)
}

/// The outcome of each selected check.
pub(super) fn checked(before: &Before, selected: &[Check]) -> Vec<Checked> {
    let outcome = |check| match check {
        Check::MayInstall => may_install(before),
        _ if before.has_policies => api_server("", &before.version),
        _ => {
            let what = format!("{} does not serve {POLICIES} in v1", before.version);
            Outcome::Found(vec![Check::ApiServer.finding("", "API server", what)])
        }
    };
    let each = selected.iter().map(|&check| Checked {
        check,
        outcome: outcome(check),
    });
    each.collect()
}

fn may_install(before: &Before) -> Outcome {
    let home = before.home.as_str();
    let finding = |place: &str, what| Check::MayInstall.finding(home, place, what);
    let mut findings: Vec<Finding> = Vec::new();
    for verb in VERBS {
        let resources = before.missing.iter().filter(|(one, _)| *one == verb);
        let resources: Vec<_> = resources.map(|(_, resource)| *resource).collect();
        if !resources.is_empty() {
            let what = format!("you may not {verb} {}", resources.join(", "));
            findings.push(finding("cluster", what));
        }
    }
    let give_rights = before
        .missing
        .iter()
        .filter(|one| GIVE_RIGHTS.contains(one));
    let give_rights: Vec<_> = give_rights
        .map(|(verb, what)| format!("{verb} {what}"))
        .collect();
    if !give_rights.is_empty() {
        let what = format!(
            "you may not {}: then the API server accepts a role only if you have every right in it yourself",
            give_rights.join(", ")
        );
        findings.push(finding("cluster", what));
    }
    findings.extend(before.installed.findings(home));
    let unseen = before.installed.unreadable().map(unseen);
    let detail = format!("you may create all of it{}", before.installed.detail());
    Outcome::of(findings, detail).and_unseen(unseen)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use crate::check::Unreadable;

    fn nothing() -> Installed {
        Installed {
            definition: Ok(None),
            webhook: Ok(None),
        }
    }

    fn before(version: &str, missing: &[(&'static str, &'static str)]) -> Before {
        Before {
            home: "namesake-system".to_owned(),
            version: version.to_owned(),
            has_policies: true,
            missing: missing.to_vec(),
            installed: nothing(),
        }
    }

    /// What each finding of `may-install` says.
    fn found(before: &Before) -> Vec<String> {
        match may_install(before) {
            Outcome::Found(findings) => findings.into_iter().map(|one| one.what).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn an_old_api_server_and_each_missing_right_are_found_before_the_install() {
        let all = Check::all(true);
        let is_fine = |checked: &Checked| matches!(checked.outcome, Outcome::Fine(_));
        let fine = before("v1.36.3", &[]);
        assert!(checked(&fine, &all).iter().all(is_fine));
        let old = before("v1.29.0", &[("create", "namespaces")]);
        assert!(!checked(&old, &all).iter().any(is_fine));
        let without = Before {
            has_policies: false,
            ..before("v1.36.3", &[])
        };
        assert!(!is_fine(&checked(&without, &all)[0]));
        let missing = [
            ("create", "namespaces"),
            ("create", "roles"),
            ("patch", "roles"),
            ("escalate", "clusterroles"),
        ];
        let found = found(&before("v1.36.3", &missing));
        assert_eq!(found.len(), 3, "{found:?}");
        assert_eq!(found[0], "you may not create namespaces, roles");
        assert_eq!(found[1], "you may not patch roles");
        assert!(
            found[2].starts_with("you may not escalate clusterroles: "),
            "{found:?}"
        );
    }

    #[test]
    fn a_kind_that_may_not_be_read_is_not_fine() {
        let (what, why) = ("whether it exists", "no right".to_owned());
        let hidden = Installed {
            definition: Err(Unreadable { what, why }),
            ..nothing()
        };
        let outcome = may_install(&Before {
            installed: hidden,
            ..before("v1.36.3", &[])
        });
        assert!(matches!(outcome, Outcome::Unseen(_)), "{outcome:?}");
    }

    /// Group and kind of each object in the manifests of a folder.
    fn kinds(folder: &Path, found: &mut BTreeSet<(String, String)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                kinds(&path, found);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let objects: Vec<serde_json::Value> = serde_saphyr::from_multiple(&text).unwrap();
            for object in objects {
                if object.get("configMapGenerator").is_some() {
                    found.insert((String::new(), "ConfigMap".to_owned()));
                }
                let version = object["apiVersion"].as_str().unwrap_or_default();
                let group = version.split_once('/').map_or("", |(group, _)| group);
                let kind = object["kind"].as_str().unwrap_or_default();
                // Files that kustomize and Namesake read, and patches.
                let is_object =
                    !kind.is_empty() && !group.starts_with("kustomize.") && group != "namesake.dev";
                if is_object {
                    found.insert((group.to_owned(), kind.to_owned()));
                }
            }
        }
    }

    #[test]
    fn every_kind_of_the_manifests_is_asked_for_and_no_other() {
        let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests");
        let mut found = BTreeSet::new();
        for folder in ["cluster", "token-guard", "base", "opt-in"] {
            kinds(&manifests.join(folder), &mut found);
        }
        let asked = created().map(|(group, kind, _)| (group.to_owned(), kind.to_owned()));
        let asked: BTreeSet<_> = asked.collect();
        assert_eq!(found, asked);
    }
}
