//! Labels, annotations, scheduling gate and finalizer.

/// Label on a Namespace that opts in; its value is the stack.
pub const OPT_IN_LABEL: &str = "namesake.dev/stack";
/// Label on an opted-in Namespace: `enforce` (also without the label), `shadow` or `off`.
pub const MODE_LABEL: &str = "namesake.dev/mode";
/// Annotation on an opted-in Namespace: its epoch, a random text that is new each time it is opted in. What was signed in another
/// epoch is not valid.
pub const EPOCH_ANNOTATION: &str = "namesake.dev/epoch";
/// Label on a Namespace that is or was opted in: it may have managed service accounts, also after it opted out.
pub const WAS_OPTED_IN_LABEL: &str = "namesake.dev/was-opted-in";
/// Value of [`WAS_OPTED_IN_LABEL`].
pub const WAS_OPTED_IN_VALUE: &str = "true";
/// Annotation on pods of a namespace in shadow mode: what would have been decided. Never evidence.
pub const SHADOW_ANNOTATION: &str = "namesake.dev/shadow";
/// Annotation by which an admin assigns a parent to the user that it names. The webhook removes it when it does so.
pub const ADOPT_ANNOTATION: &str = "namesake.dev/adopt-for";
/// Annotation on Jobs and the other parents: the signed stamp that names the proven requester.
pub const STAMP_ANNOTATION: &str = "namesake.dev/stamp";
/// Annotation on pods: the signed resolution that the final check verifies.
pub const RESOLUTION_ANNOTATION: &str = "namesake.dev/resolution";
/// Label on pods: the stack whose webhook decided about the pod in its only call of the request, so that the API server does not
/// call the final check. Who creates a pod cannot set it: [`super::LABELS_WEBHOOK`] removes it first.
pub const SKIP_FINAL_CHECK_LABEL: &str = "namesake.dev/skip-final-check";
/// Annotation on pods with a resolution: the id of the decision, for people to look up. Never evidence.
pub const DECISION_ANNOTATION: &str = "namesake.dev/decision";
/// Annotation on a WorkflowTaskResult of Argo: UID of the pod that created it. Only this pod may change it.
pub const RESULT_POD_ANNOTATION: &str = "namesake.dev/pod-uid";
/// Annotation on a dry run of a Job: signed texts that the webhook shall verify, see [`crate::SignedText`].
pub const VERIFY_ANNOTATION: &str = "namesake.dev/verify";
/// Annotation that the webhook adds to such a dry run: which texts are valid, see [`crate::Validity`].
pub const VERIFIED_ANNOTATION: &str = "namesake.dev/verified";
/// Annotation on pods and KSAs: the user, for people to read. Never evidence.
pub const USER_ANNOTATION: &str = "namesake.dev/user";
/// Label on pods and KSAs: the identity's name.
pub const IDENTITY_LABEL: &str = "namesake.dev/identity";
/// Annotation on what the broker owns: the text of [`crate::Mark`].
pub const MARK_ANNOTATION: &str = "namesake.dev/mark";
/// Annotation with the same random text on an Identity and the KSA that was created together with it, before the Identity had a UID
/// for an owner reference.
pub const CREATION_ANNOTATION: &str = "namesake.dev/creation";
/// Annotation on an Identity: when an admin changes its value, what Google refused is tried again at once.
pub const RETRY_ANNOTATION: &str = "namesake.dev/retry";
/// Scheduling gate that holds a pod until its identity is verified.
pub const GATE: &str = "namesake.dev/identity";
/// Annotation on pods: why the gate is still there, for people to read.
pub const WAITING_ANNOTATION: &str = "namesake.dev/waiting";
/// First value of [`WAITING_ANNOTATION`], written by the webhook. The broker writes another one only if it takes long.
pub const WAITING_AT_FIRST: &str = "Pending: its identity is being created and verified at Google, which takes minutes for a new user";
/// Finalizer on Identities: the broker removes the Google side before an Identity is deleted.
pub const FINALIZER: &str = "namesake.dev/google";
/// GKE's annotation on a KSA: e-mail address of the GSA that it impersonates.
pub const GSA_ANNOTATION: &str = "iam.gke.io/gcp-service-account";
/// Kubernetes' label that says which program manages an object; see [`MANAGED_BY_VALUE`].
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Value of [`MANAGED_BY`] on what we manage.
pub const MANAGED_BY_VALUE: &str = "namesake";
/// Label with the name of a program, on its Deployment and pods.
pub const NAME_LABEL: &str = "app.kubernetes.io/name";
/// Kubernetes' label of each namespace with its name.
pub const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";
/// GKE's label of nodes on which pods reach a metadata server, and so have an identity of their own; its value is `true`.
pub const GKE_METADATA_SERVER_LABEL: &str = "iam.gke.io/gke-metadata-server-enabled";
/// Argo's label on pods and results: the Workflow that they belong to. Argo finds both by it.
pub const ARGO_WORKFLOW_LABEL: &str = "workflows.argoproj.io/workflow";
/// Argo's annotation on pods: the id of the node that they run.
pub const ARGO_NODE_ID_ANNOTATION: &str = "workflows.argoproj.io/node-id";
/// Argo's annotation on pods: the name of that node.
pub const ARGO_NODE_NAME_ANNOTATION: &str = "workflows.argoproj.io/node-name";
/// Prefix of Argo's annotations on pods that say by which command Argo stops a container.
pub const ARGO_KILL_COMMAND_PREFIX: &str = "workflows.argoproj.io/kill-cmd-";
/// Label of our objects with the name of the stack.
pub const INSTANCE_LABEL: &str = "app.kubernetes.io/instance";
/// Label of our objects, with the value [`PART_OF_VALUE`].
pub const PART_OF_LABEL: &str = "app.kubernetes.io/part-of";
/// The value of [`PART_OF_LABEL`].
pub const PART_OF_VALUE: &str = "namesake";
/// Label of our objects with the version of Namesake that they come from.
pub const VERSION_LABEL: &str = "app.kubernetes.io/version";
/// Helm's annotation on what it installed: the name of the release.
pub const HELM_RELEASE_ANNOTATION: &str = "meta.helm.sh/release-name";
/// Helm's annotation on what it installed: the namespace of the release.
pub const HELM_NAMESPACE_ANNOTATION: &str = "meta.helm.sh/release-namespace";
/// Annotation on the accepted rules: 12 hex digits of their revision.
pub const RULES_REVISION_ANNOTATION: &str = "namesake.dev/rules-revision";
/// Annotation on the ConfigMap [`super::QUOTA_CONFIG_MAP`]: when the broker wrote it, in RFC 3339.
pub const REPORTED_AT_ANNOTATION: &str = "namesake.dev/reported-at";
/// Prefix of the annotations of [`replica_annotation`].
const REPLICA_PREFIX: &str = "replica.namesake.dev/";
/// Prefix of the annotations of [`replica_status_annotation`].
const REPLICA_STATUS_PREFIX: &str = "replica-status.namesake.dev/";
/// Longest name in the key of an annotation.
const MAX_ANNOTATION_NAME: usize = 63;
/// Annotation on the Secret of stamp keys: the id of the key that signs. Every id in the Secret verifies.
pub const CURRENT_KEY_ANNOTATION: &str = "namesake.dev/current-key";

/// Annotation on the ConfigMaps [`super::UNPROVEN_CONFIG_MAP`] (webhooks) and [`super::QUOTA_CONFIG_MAP`] (brokers): the revision of
/// the rules that this replica uses. The key of a pod with a long name has its end, which distinguishes pods.
#[must_use]
pub fn replica_annotation(pod: &str) -> String {
    format!("{REPLICA_PREFIX}{}", end_of_name(pod))
}

/// Annotation on [`super::UNPROVEN_CONFIG_MAP`] of a replica of the webhook, and on [`super::QUOTA_CONFIG_MAP`] of one of the broker:
/// its [`crate::ReplicaStatus`].
#[must_use]
pub fn replica_status_annotation(pod: &str) -> String {
    format!("{REPLICA_STATUS_PREFIX}{}", end_of_name(pod))
}

fn end_of_name(pod: &str) -> &str {
    let end = pod.len().saturating_sub(MAX_ANNOTATION_NAME);
    let name = pod.get(end..).unwrap_or(pod);
    name.trim_start_matches(['-', '.'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_annotation_of_a_replica_ends_with_the_end_of_its_name() {
        let key = replica_annotation("namesake-webhook-7d9f-x2x4z");
        assert_eq!(key, "replica.namesake.dev/namesake-webhook-7d9f-x2x4z");
        let long = replica_annotation(&format!("{}-x2x4z", "a".repeat(300)));
        let name = long.strip_prefix("replica.namesake.dev/").unwrap();
        assert!(name.len() == 63 && name.ends_with("-x2x4z"), "{name}");
    }
}
