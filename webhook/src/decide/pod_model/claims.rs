//! What Metaflow writes about a task. Claims: they narrow a rule, and never prove who asks.

use namesake_core::Claims;

use crate::decide::kinds::Template;
use crate::review::{Object, Spec};

/// Annotation with the flow's name.
pub(crate) const FLOW: &str = "metaflow/flow_name";
/// Annotation with the step's name.
pub(crate) const STEP: &str = "metaflow/step_name";
/// Annotation with the project's name, if the flow has one.
pub(crate) const PROJECT: &str = "metaflow/project_name";

/// What a pod, or a pod template, says about itself.
pub struct Said<'m> {
    /// Reads its annotations.
    pub annotation: &'m dyn Fn(&str) -> Option<&'m str>,
    /// Reads its labels.
    pub label: &'m dyn Fn(&str) -> Option<&'m str>,
    /// The KSA that it names.
    pub account: &'m str,
}

/// Hands what a pod says to `with`.
pub(crate) fn of_pod<T>(pod: &Object<'_>, with: impl FnOnce(&Said<'_>) -> T) -> T {
    with(&Said {
        annotation: &|key| pod.metadata.annotation(key),
        label: &|key| pod.metadata.label(key),
        account: pod.spec.as_ref().map_or("default", Spec::account),
    })
}

/// Hands what a pod template says to `with`.
pub(crate) fn of_template<T>(template: &Template<'_>, with: impl FnOnce(&Said<'_>) -> T) -> T {
    with(&Said {
        annotation: &|key| template.annotations.get(key).map(|text| &**text),
        label: &|key| template.labels.get(key).map(|text| &**text),
        account: &template.account,
    })
}

/// The claims in it; `labels` reads its labels for as long as they are looked at.
pub(crate) fn of<'m>(
    said: &'m Said<'_>,
    labels: &'m dyn Fn(&str) -> Option<&'m str>,
) -> Claims<'m> {
    Claims {
        flow: (said.annotation)(FLOW),
        step: (said.annotation)(STEP),
        project: (said.annotation)(PROJECT),
        labels,
    }
}
