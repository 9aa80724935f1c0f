//! What the rules say about one class, about all of them, and about every pod with an identity.

use std::collections::BTreeSet;

use super::{
    Rules,
    classes::{Class, Grant, Life, Mode, WhenFull},
    pods::{Hygiene, Sidecar},
};

impl Rules {
    /// What becomes of a new identity of a class when its project is full; nothing when there is no such class.
    #[must_use]
    pub fn when_full(&self, class: &str) -> Option<WhenFull> {
        self.class(class).map(|class| class.when_full)
    }

    /// How long identities of a class live, and what becomes of others in their policies; nothing when there is no such class.
    #[must_use]
    pub fn life(&self, class: &str) -> Option<Life> {
        self.class(class).map(|class| class.life)
    }

    /// Every grant of every class, as an identity of this key would have it.
    #[must_use]
    pub fn grants_of_key(&self, key: &str) -> Vec<Grant> {
        let classes = self.model.identities.iter();
        let grants = classes.flat_map(|class| &class.grants);
        grants.map(|grant| grant.filled(key)).collect()
    }

    /// Whether identities of some class may act at Google as the KSA itself.
    #[must_use]
    pub fn have_direct(&self) -> bool {
        let mut classes = self.model.identities.iter();
        classes.any(|class| class.mode == Mode::Direct || class.when_full == WhenFull::Direct)
    }

    /// Every project that the rules name for identities.
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

    /// Whether another webhook may add a container of this name with this image to a pod with an identity.
    #[must_use]
    pub fn is_sidecar(&self, name: &str, image: &str) -> bool {
        let fits = |sidecar: &Sidecar| sidecar.name.matches(name) && sidecar.image.matches(image);
        self.model.pods.sidecars.iter().any(fits)
    }

    /// Whether a pod with an identity must ask for a node with GKE's metadata server.
    #[must_use]
    pub fn requires_metadata_server(&self) -> bool {
        self.model.pods.require_metadata_server
    }

    /// What is put right in the environment of a parent's pod templates.
    #[must_use]
    pub fn hygiene(&self) -> Hygiene {
        self.model.pods.hygiene
    }
}
