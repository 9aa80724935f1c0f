//! What Metaflow writes about a task. Claims: they narrow a rule, and never prove who asks.

use namesake_core::Claims;

use crate::review::Metadata;

/// Annotation with the flow's name.
pub(crate) const FLOW: &str = "metaflow/flow_name";
/// Annotation with the step's name.
pub(crate) const STEP: &str = "metaflow/step_name";
/// Annotation with the project's name, if the flow has one.
pub(crate) const PROJECT: &str = "metaflow/project_name";

/// The claims in this metadata (of a pod, or of a parent's pod template); `labels` reads its labels.
pub(crate) fn of<'m>(
    metadata: Option<&'m Metadata<'_>>,
    labels: &'m dyn Fn(&str) -> Option<&'m str>,
) -> Claims<'m> {
    let annotation = |key| metadata.and_then(|m| m.annotation(key));
    Claims {
        flow: annotation(FLOW),
        step: annotation(STEP),
        project: annotation(PROJECT),
        labels,
    }
}
