//! Argo Workflows' kinds. What they run and as whom is the business of the module `argo`; here is how their pods are recognized.

use namesake_api::names::{
    ARGO_NODE_ID_ANNOTATION, ARGO_NODE_NAME_ANNOTATION, ARGO_WORKFLOW_LABEL,
};
use namesake_core::Launcher;

use super::{Kind, ParentKind, Role, Scope};

const fn kind(
    kind: &'static str,
    name: &'static str,
    plural: &'static str,
    parent: ParentKind,
) -> Kind {
    Kind {
        group: "argoproj.io",
        kind,
        name,
        plural,
        version: "v1alpha1",
        scope: Scope::Namespaced,
        role: Role::Parent(parent),
    }
}

const fn parent(creates: Option<&'static str>) -> ParentKind {
    ParentKind {
        launcher: Launcher::Workflow,
        creates,
        adopts_by: &[],
        pods: None,
    }
}

/// A run: Argo's controller creates its pods.
pub(super) const WORKFLOW: Kind = kind(
    "Workflow",
    "argoproj.io/Workflow",
    "workflows",
    ParentKind {
        adopts_by: &[
            ARGO_WORKFLOW_LABEL,
            ARGO_NODE_ID_ANNOTATION,
            ARGO_NODE_NAME_ANNOTATION,
        ],
        ..parent(Some("Pod"))
    },
);

/// A template that Workflows refer to. Its user is whoever deployed it last.
pub(super) const WORKFLOW_TEMPLATE: Kind = kind(
    "WorkflowTemplate",
    "argoproj.io/WorkflowTemplate",
    "workflowtemplates",
    parent(None),
);

/// A template for all namespaces.
pub(super) const CLUSTER_WORKFLOW_TEMPLATE: Kind = Kind {
    scope: Scope::Cluster,
    ..kind(
        "ClusterWorkflowTemplate",
        "argoproj.io/ClusterWorkflowTemplate",
        "clusterworkflowtemplates",
        parent(None),
    )
};

/// Creates Workflows on a schedule.
pub(super) const CRON_WORKFLOW: Kind = kind(
    "CronWorkflow",
    "argoproj.io/CronWorkflow",
    "cronworkflows",
    parent(Some("argoproj.io/Workflow")),
);
