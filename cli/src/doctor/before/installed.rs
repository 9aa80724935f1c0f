//! What is installed already: by another program, or in a newer version.

use futures::future::join;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::PartialObjectMeta;
use kube::{Api, Resource, ResourceExt};
use namesake_api::{Identity, names};

use crate::check::{Read, Unreadable, unreadable};
use crate::cluster::connect::Session;
use crate::cluster::versions::{OWN, is_newer};
use crate::doctor::checks::{Check, Finding};

/// What there is before the install.
pub(super) struct Installed {
    pub(super) definition: Read<Option<CustomResourceDefinition>>,
    pub(super) webhook: Read<Option<PartialObjectMeta<Deployment>>>,
}

impl Installed {
    pub(super) async fn read(session: &Session) -> Self {
        let definitions: Api<CustomResourceDefinition> = Api::all(session.client.clone());
        let deployments = session.at_home::<Deployment>();
        let (definition, webhook) = join(
            definitions.get_opt(names::IDENTITY_DEFINITION),
            deployments.get_metadata_opt(names::WEBHOOK_SERVICE_ACCOUNT),
        )
        .await;
        Self {
            definition: definition.map_err(unreadable("whether the kind Identity exists already")),
            webhook: webhook.map_err(unreadable("whether a webhook is installed already")),
        }
    }

    fn definition(&self) -> Option<&CustomResourceDefinition> {
        self.definition.as_ref().ok()?.as_ref()
    }

    /// What must not be replaced: a kind of another program, and a newer version.
    pub(super) fn findings(&self, home: &str) -> Vec<Finding> {
        let definition = self.definition();
        let webhook = self.webhook.as_ref().ok().and_then(Option::as_ref);
        let place = format!("CustomResourceDefinition {}", names::IDENTITY_DEFINITION);
        let mut findings = Vec::new();
        if definition.is_some_and(|definition| !is_ours(definition)) {
            findings.push(foreign(home, &place));
        }
        let deployment = format!("Deployment {home}/{}", names::WEBHOOK_SERVICE_ACCOUNT);
        findings.extend(definition.and_then(|one| newer(home, &place, one)));
        findings.extend(webhook.and_then(|one| newer(home, &deployment, one)));
        findings
    }

    /// What is installed already and may be replaced, as the end of a sentence.
    pub(super) fn detail(&self) -> String {
        let Some(definition) = self.definition() else {
            return String::new();
        };
        let exists = "; the kind Identity exists already";
        match definition.annotations().get(names::HELM_RELEASE_ANNOTATION) {
            None => exists.to_owned(),
            Some(release) => format!("{exists}, of Helm's release {release}: upgrade it with Helm"),
        }
    }

    /// The first part that could not be read.
    pub(super) fn unreadable(&self) -> Option<&Unreadable> {
        self.definition
            .as_ref()
            .err()
            .or(self.webhook.as_ref().err())
    }
}

fn foreign(home: &str, place: &str) -> Finding {
    let what = "it exists, and is not the kind of Namesake: another program may use it";
    let finding = Check::MayInstall.finding(home, place, what.to_owned());
    let command = format!(
        "kubectl get crd {} -o yaml; delete it only if nobody needs it",
        names::IDENTITY_DEFINITION
    );
    Finding { command, ..finding }
}

/// The manifests label every object of theirs.
fn is_ours(definition: &CustomResourceDefinition) -> bool {
    let spec = &definition.spec;
    let part_of = definition.labels().get(names::PART_OF_LABEL);
    spec.group == names::GROUP
        && spec.names.kind == Identity::kind(&())
        && spec.versions.iter().any(|one| one.name == names::VERSION)
        && part_of.is_some_and(|value| value == names::PART_OF_VALUE)
}

fn newer(home: &str, place: &str, object: &impl Resource) -> Option<Finding> {
    let version = object.labels().get(names::VERSION_LABEL)?;
    if !is_newer(version) {
        return None;
    }
    let what = format!(
        "version {version} is installed, and this is {OWN}: kubectl would replace the newer version without a question"
    );
    let finding = Check::MayInstall.finding(home, place, what);
    let command = format!("install {version} or newer; to go back: docs/upgrade.md, \"Roll back\"");
    Some(Finding { command, ..finding })
}

#[cfg(test)]
mod tests {
    use kube::CustomResourceExt as _;
    use semver::Version;

    use super::*;

    fn ours() -> CustomResourceDefinition {
        let mut ours = Identity::crd();
        let part_of = (
            names::PART_OF_LABEL.to_owned(),
            names::PART_OF_VALUE.to_owned(),
        );
        ours.labels_mut().extend([part_of]);
        ours
    }

    fn with(definition: CustomResourceDefinition) -> Installed {
        Installed {
            definition: Ok(Some(definition)),
            webhook: Ok(None),
        }
    }

    fn found(installed: &Installed) -> Vec<String> {
        let findings = installed.findings("namesake-system");
        findings.into_iter().map(|one| one.what).collect()
    }

    #[test]
    fn a_kind_of_the_same_name_that_is_not_ours_is_found() {
        assert!(found(&with(ours())).is_empty());
        let mut other_version = ours();
        other_version.spec.versions.clear();
        for foreign in [Identity::crd(), other_version] {
            let found = found(&with(foreign));
            assert!(found[0].starts_with("it exists, and is not"), "{found:?}");
        }
    }

    #[test]
    fn a_newer_version_is_found_and_this_one_and_an_older_one_are_not() {
        let own = Version::parse(OWN).unwrap();
        let newer = Version::new(own.major, own.minor + 1, 0).to_string();
        for (version, number) in [("0.0.9", 0), (OWN, 0), ("main", 0), (newer.as_str(), 1)] {
            let mut definition = ours();
            let label = (names::VERSION_LABEL.to_owned(), version.to_owned());
            definition.labels_mut().extend([label.clone()]);
            assert_eq!(found(&with(definition)).len(), number, "{version}");
            let mut webhook = PartialObjectMeta::<Deployment>::default();
            webhook.labels_mut().extend([label]);
            let installed = Installed {
                definition: Ok(None),
                webhook: Ok(Some(webhook)),
            };
            assert_eq!(found(&installed).len(), number, "{version}");
        }
    }

    #[test]
    fn the_release_of_helm_is_named() {
        let mut ours = ours();
        let release = (
            names::HELM_RELEASE_ANNOTATION.to_owned(),
            "cluster".to_owned(),
        );
        ours.annotations_mut().extend([release]);
        let detail = with(ours).detail();
        assert!(detail.contains("of Helm's release cluster"), "{detail}");
    }
}
