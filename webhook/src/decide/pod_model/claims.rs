//! Claims that Metaflow writes about a task. They can narrow a rule, and never prove who the requester is.

use namesake_core::Claims;

use crate::decide::kinds::Template;
use crate::decide::kinds::template::StringMap;
use crate::review::text::Pairs;
use crate::review::{Object, Spec};

/// Labels, in whatever form they are held.
pub trait Labels: Sync {
    /// Value of a label.
    fn label(&self, key: &str) -> Option<&str>;
}

impl Labels for Option<Pairs<'_>> {
    fn label(&self, key: &str) -> Option<&str> {
        self.as_ref()?.get(key)
    }
}

impl Labels for StringMap<'_> {
    fn label(&self, key: &str) -> Option<&str> {
        self.get(key).map(AsRef::as_ref)
    }
}

/// The claims of a pod or a pod template about itself.
#[derive(Clone, Copy)]
pub struct PodClaims<'m> {
    /// Name of the flow.
    pub flow: Option<&'m str>,
    /// Name of the step.
    pub step: Option<&'m str>,
    /// Name of the project.
    pub project: Option<&'m str>,
    /// Labels.
    pub labels: &'m dyn Labels,
    /// The KSA that it names.
    pub account: &'m str,
}

impl<'m> PodClaims<'m> {
    /// Reads the claims out of annotations.
    pub fn new(
        annotation: impl Fn(&str) -> Option<&'m str>,
        labels: &'m dyn Labels,
        account: &'m str,
    ) -> Self {
        Self {
            flow: annotation(Claims::FLOW),
            step: annotation(Claims::STEP),
            project: annotation(Claims::PROJECT),
            labels,
            account,
        }
    }

    /// The claims of a pod.
    pub fn of_pod(pod: &'m Object<'_>) -> Self {
        let account = pod.spec.as_ref().map_or("default", Spec::account);
        let metadata = &pod.metadata;
        Self::new(|key| metadata.annotation(key), &metadata.labels, account)
    }

    /// The claims of a pod template.
    pub fn of_template(template: &'m Template<'_>) -> Self {
        let annotation = |key: &str| template.annotations.get(key).map(AsRef::as_ref);
        Self::new(annotation, &template.labels, &template.account)
    }
}
