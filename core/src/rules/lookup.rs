//! Lookups of what the rules say about a class, about all classes, and about all pods with an identity.

use std::collections::BTreeSet;

use super::{
    Rules,
    classes::{Class, Grant, Lifecycle, Mode, WhenFull},
    pods::{Hygiene, Sidecar},
};

impl Rules {
    /// What happens to a new identity of a class when its project has no room for another GSA; `None` for an unknown class.
    #[must_use]
    pub fn when_full(&self, class: &str) -> Option<WhenFull> {
        self.class(class).map(|class| class.when_full)
    }

    /// The lifecycle of identities of a class; `None` for an unknown class.
    #[must_use]
    pub fn lifecycle(&self, class: &str) -> Option<Lifecycle> {
        self.class(class).map(|class| class.lifecycle)
    }

    /// Every grant of every class, as an identity with this key would have it.
    #[must_use]
    pub fn grants_of_key(&self, key: &str) -> Vec<Grant> {
        let classes = self.model.identities.iter();
        let grants = classes.flat_map(|class| &class.grants);
        grants.map(|grant| grant.with_key(key)).collect()
    }

    /// Whether identities of some class can be in [`Mode::Direct`].
    #[must_use]
    pub fn can_use_direct_mode(&self) -> bool {
        let mut classes = self.model.identities.iter();
        classes.any(|class| class.mode == Mode::Direct || class.when_full == WhenFull::Direct)
    }

    /// The projects of all classes.
    #[must_use]
    pub fn projects(&self) -> BTreeSet<&str> {
        let classes = self.model.identities.iter();
        classes.map(|class| class.project.as_str()).collect()
    }

    pub(crate) fn class(&self, name: &str) -> Option<&Class> {
        self.model
            .identities
            .iter()
            .find(|class| class.name == name)
    }

    /// Whether other webhooks may add a container with this name and image to a pod with an identity.
    #[must_use]
    pub fn is_sidecar(&self, name: &str, image: &str) -> bool {
        let matches =
            |sidecar: &Sidecar| sidecar.name.matches(name) && sidecar.image.matches(image);
        self.model.pods.sidecars.iter().any(matches)
    }

    /// Whether a pod with an identity must require a node with GKE's metadata server.
    #[must_use]
    pub fn requires_metadata_server(&self) -> bool {
        self.model.pods.require_metadata_server
    }

    /// Whether pods with an identity get a token for the gateway.
    #[must_use]
    pub fn mounts_gateway_token(&self) -> bool {
        let endpoints = self.model.endpoints.as_ref();
        endpoints.is_some_and(|endpoints| endpoints.pod_tokens)
    }

    /// What is corrected in the environment of pod templates.
    #[must_use]
    pub fn hygiene(&self) -> Hygiene {
        self.model.pods.hygiene
    }
}
