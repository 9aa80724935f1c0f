//! Argo Workflows' kinds. What they run, and whose that is, `argo` knows: here is by what their pods are known.

use namesake_core::Launcher;

use super::{Kind, Parent, Role, Runs, SUSPEND, Scope, nothing_else};

const GROUP: &str = "argoproj.io";
const VERSION: &str = "v1alpha1";

const fn parent(makes: Option<&'static str>) -> Parent {
    Parent {
        launcher: Launcher::Workflow,
        makes,
        adopts_by: &[],
        stops: &[],
        also: nothing_else,
        templates: |_| Ok(Vec::new()),
        runs: Runs::Elsewhere,
    }
}

/// What runs: its pods are made by Argo's controller.
pub(super) const WORKFLOW: Kind = Kind {
    group: GROUP,
    kind: "Workflow",
    name: "argoproj.io/Workflow",
    plural: "workflows",
    version: VERSION,
    scope: Scope::Namespaced,
    role: Role::Parent(Parent {
        adopts_by: &[
            "workflows.argoproj.io/workflow",
            "workflows.argoproj.io/node-id",
            "workflows.argoproj.io/node-name",
        ],
        stops: &[SUSPEND],
        ..parent(Some("Pod"))
    }),
};

/// What Workflows refer to. Who redeploys it is its user from then on.
pub(super) const WORKFLOW_TEMPLATE: Kind = Kind {
    group: GROUP,
    kind: "WorkflowTemplate",
    name: "argoproj.io/WorkflowTemplate",
    plural: "workflowtemplates",
    version: VERSION,
    scope: Scope::Namespaced,
    role: Role::Parent(Parent { ..parent(None) }),
};

/// The same, for every namespace.
pub(super) const CLUSTER_WORKFLOW_TEMPLATE: Kind = Kind {
    group: GROUP,
    kind: "ClusterWorkflowTemplate",
    name: "argoproj.io/ClusterWorkflowTemplate",
    plural: "clusterworkflowtemplates",
    version: VERSION,
    scope: Scope::Cluster,
    role: Role::Parent(Parent { ..parent(None) }),
};

/// Makes Workflows on a schedule.
pub(super) const CRON_WORKFLOW: Kind = Kind {
    group: GROUP,
    kind: "CronWorkflow",
    name: "argoproj.io/CronWorkflow",
    plural: "cronworkflows",
    version: VERSION,
    scope: Scope::Namespaced,
    role: Role::Parent(Parent {
        stops: &[SUSPEND],
        ..parent(Some("argoproj.io/Workflow"))
    }),
};
