//! Names of the objects that an installation consists of, in the system namespace and cluster-wide.

/// Namespace of webhook and broker; default of [`super::ENV_NAMESPACE`]. Another stack of the same cluster has its namespace
/// `namesake-system-STACK`.
pub const SYSTEM_NAMESPACE: &str = "namesake-system";
/// Name of the CustomResourceDefinition of Identities.
pub const IDENTITY_DEFINITION: &str = "identities.namesake.dev";
/// Regular expression of the namespaces of all stacks, the same as [`is_system_namespace`], for policies in the API server.
pub const SYSTEM_NAMESPACE_PATTERN: &str = "^namesake-system(-[-a-z0-9]+)?$";
/// ConfigMap with the rules: every key that ends in `.yaml` is a file of rules.
pub const RULES_CONFIG_MAP: &str = "namesake-rules";
/// Key of the main file in [`RULES_CONFIG_MAP`].
pub const RULES_KEY: &str = "rules.yaml";
/// Ending of the keys of [`RULES_CONFIG_MAP`] that are files of rules.
pub const RULES_KEY_SUFFIX: &str = ".yaml";
/// ConfigMap with the last accepted rules, same keys; only the broker writes it.
pub const ACCEPTED_RULES_CONFIG_MAP: &str = "namesake-accepted-rules";
/// ConfigMap in which the broker reports how much of each quota is used, and when it will be exhausted.
pub const QUOTA_CONFIG_MAP: &str = "namesake-quota";
/// First part of the keys of that ConfigMap under which the broker reports which permissions at Google it lacks.
pub const QUOTA_RIGHTS_KIND: &str = "rights";
/// First part of the keys of that ConfigMap under which the broker lists the Google service accounts of a project that have this
/// stack's mark and belong to no Identity: one e-mail address in each line, or [`NO_GARBAGE`].
pub const QUOTA_GARBAGE_KIND: &str = "garbage";
/// Value of such a key if there are none.
pub const NO_GARBAGE: &str = "none";
/// ConfigMap in which the webhook lists the parents without a proven requester.
pub const UNPROVEN_CONFIG_MAP: &str = "namesake-unproven";
/// Secret of the certificate authority (`tls.crt`, `tls.key`, type `kubernetes.io/tls`).
pub const AUTHORITY_SECRET: &str = "namesake-authority";
/// Secret of the stamp keys: key id to 32 random bytes.
pub const STAMP_KEY_SECRET: &str = "namesake-stamp-key";
/// Name of both the Mutating- and the ValidatingWebhookConfiguration of the stack in [`SYSTEM_NAMESPACE`]; see
/// [`webhook_configuration`]. The API server calls mutating configurations in the order of their names: ours decide last.
pub const WEBHOOK_CONFIGURATION: &str = "zz-namesake";
/// Webhook that removes the label [`super::SKIP_FINAL_CHECK_LABEL`] from new pods, before all others and in all namespaces.
pub const LABELS_WEBHOOK: &str = "labels.namesake.dev";
/// Webhook that patches new pods.
pub const PODS_WEBHOOK: &str = "pods.namesake.dev";
/// Webhook that stamps parents.
pub const MUTATE_WEBHOOK: &str = "mutate.namesake.dev";
/// Webhook that stamps ClusterWorkflowTemplates, which are in no namespace.
pub const TEMPLATES_WEBHOOK: &str = "templates.namesake.dev";
/// Webhook of the final check, which validates objects after all mutating webhooks.
pub const VALIDATE_WEBHOOK: &str = "validate.namesake.dev";
/// Webhook that writes an epoch onto a namespace as it is opted in.
pub const NAMESPACES_WEBHOOK: &str = "namespaces.namesake.dev";
/// The ValidatingAdmissionPolicies that protect names, accounts and the installation, each with a binding of the same name that
/// denies.
pub const GUARDS: [&str; 27] = [
    "namesake-adoption",
    "namesake-argo-pods",
    "namesake-bindings",
    "namesake-broker-pod-status",
    "namesake-broker-pods",
    "namesake-broker-role-bindings",
    "namesake-broker-service-accounts",
    "namesake-broker-tokens",
    "namesake-epochs",
    "namesake-guarded-pods",
    "namesake-identities",
    "namesake-installation",
    "namesake-keys",
    "namesake-managed-pods",
    "namesake-mode",
    "namesake-opt-in",
    "namesake-opt-in-role-bindings",
    "namesake-placement",
    "namesake-pods",
    "namesake-pods-after-opt-out",
    "namesake-role-bindings",
    "namesake-service-accounts",
    "namesake-service-proxy",
    "namesake-status",
    "namesake-system",
    "namesake-task-results",
    "namesake-token-secrets",
];
/// The one of [`GUARDS`] that each stack binds for its own namespace.
pub const SYSTEM_GUARD: &str = "namesake-system";
/// The only policy that warns until an admin sets its binding to deny.
pub const TOKEN_GUARD: &str = "namesake-tokens";
/// Webhook that guards running pods and the objects from which Argo's steps get results.
pub const GUARD_WEBHOOK: &str = "guard.namesake.dev";
/// Webhook that refuses invalid edits of the rules.
pub const RULES_WEBHOOK: &str = "rules.namesake.dev";
/// Name of the webhook's KSA, Deployment and Service.
pub const WEBHOOK_SERVICE_ACCOUNT: &str = "namesake-webhook";
/// Name of the broker's KSA, Deployment and Service.
pub const BROKER_SERVICE_ACCOUNT: &str = "namesake-broker";
/// Audience of the token that the webhook sends to the broker.
pub const BROKER_AUDIENCE: &str = "namesake-broker";
/// Name of the Lease that the broker's leader holds.
pub const BROKER_LEASE: &str = "namesake-broker";
/// Field manager of what the webhook applies.
pub const FIELD_MANAGER_WEBHOOK: &str = "namesake-webhook";
/// Field manager of what the broker applies.
pub const FIELD_MANAGER_BROKER: &str = "namesake-broker";

/// Whether a namespace belongs to a stack: only Namesake's admins create namespaces of this form.
#[must_use]
pub fn is_system_namespace(namespace: &str) -> bool {
    suffix(SYSTEM_NAMESPACE, namespace).is_some()
}

/// Name of the webhook configurations of the stack in this namespace: `zz-namesake`, or `zz-namesake-STACK` for
/// `namesake-system-STACK`.
#[must_use]
pub fn webhook_configuration(namespace: &str) -> String {
    let suffix = suffix(SYSTEM_NAMESPACE, namespace).unwrap_or_default();
    format!("{WEBHOOK_CONFIGURATION}{suffix}")
}

/// Namespace of the stack that has webhook configurations of this name; `None` if they are not Namesake's.
#[must_use]
pub fn namespace_of_configuration(name: &str) -> Option<String> {
    let suffix = suffix(WEBHOOK_CONFIGURATION, name)?;
    Some(format!("{SYSTEM_NAMESPACE}{suffix}"))
}

/// What follows a name: nothing, or a hyphen and more.
fn suffix<'a>(prefix: &str, name: &'a str) -> Option<&'a str> {
    let suffix = name.strip_prefix(prefix)?;
    (suffix.is_empty() || (suffix.len() > 1 && suffix.starts_with('-'))).then_some(suffix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_a_stacks_objects_follow_from_its_namespace() {
        for (namespace, configuration) in [
            ("namesake-system", "zz-namesake"),
            ("namesake-system-blue", "zz-namesake-blue"),
            ("namesake-system-my-namesake", "zz-namesake-my-namesake"),
        ] {
            assert!(is_system_namespace(namespace));
            assert_eq!(webhook_configuration(namespace), configuration);
            let back = namespace_of_configuration(configuration);
            assert_eq!(back.as_deref(), Some(namespace));
        }
        for other in [
            "namesake-systems",
            "namesake-system-",
            "x-namesake-system",
            "",
        ] {
            assert!(!is_system_namespace(other), "{other}");
        }
        for other in ["zz-namesakes", "zz-namesake-", "namesake", "istio", ""] {
            assert_eq!(namespace_of_configuration(other), None, "{other}");
        }
    }
}
