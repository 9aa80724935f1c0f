//! The one file of names. Whoever renames something renames it here (and in `manifests/`).

/// API group of our custom resources, and prefix of our labels and annotations.
pub const GROUP: &str = "namesake.dev";
/// Version of our custom resources and of the file of rules.
pub const VERSION: &str = "v1alpha1";
/// `apiVersion` of the file of rules.
pub const API_VERSION: &str = "namesake.dev/v1alpha1";

// Labels, annotations and gates.

/// Label on a Namespace that opts in; its value is the stack.
pub const OPT_IN_LABEL: &str = "namesake.dev/stack";
/// Label on an opted-in Namespace: `enforce` (also without the label), `shadow` or `off`.
pub const MODE_LABEL: &str = "namesake.dev/mode";
/// Annotation on an opted-in Namespace: a random text, another one each time that it is opted in. What was signed in another
/// epoch is void.
pub const EPOCH_ANNOTATION: &str = "namesake.dev/epoch";
/// Labels and annotations on a Namespace that decide who is checked there: only admins may write them.
pub const NAMESPACE_KEYS: [&str; 3] = [OPT_IN_LABEL, MODE_LABEL, EPOCH_ANNOTATION];
/// Annotation on pods of a namespace in shadow mode: what would have become of them. Never evidence.
pub const SHADOW_ANNOTATION: &str = "namesake.dev/shadow";
/// Annotation by which an admin gives a parent to the user that it names; it is taken off as it is obeyed.
pub const ADOPT_ANNOTATION: &str = "namesake.dev/adopt-for";
/// Annotation on Jobs and the other parents: the signed stamp that names the proven requester.
pub const STAMP_ANNOTATION: &str = "namesake.dev/stamp";
/// Annotation on pods: the signed resolution that the twin checks.
pub const RESOLUTION_ANNOTATION: &str = "namesake.dev/resolution";
/// Annotation on a WorkflowTaskResult of Argo: UID of the pod that created it, and that alone may change it.
pub const RESULT_POD_ANNOTATION: &str = "namesake.dev/pod-uid";
/// Annotation on pods and KSAs: the user, for people to read. Never evidence.
pub const USER_ANNOTATION: &str = "namesake.dev/user";
/// Label on pods and KSAs: the identity's name.
pub const IDENTITY_LABEL: &str = "namesake.dev/identity";
/// Annotation on what the broker owns: the text of [`crate::Mark`].
pub const MARK_ANNOTATION: &str = "namesake.dev/mark";
/// Annotation on an Identity and on the KSA that was made with it at the same time, when there was no UID yet to own it by.
pub const CREATION_ANNOTATION: &str = "namesake.dev/creation";
/// Annotation of an Identity: an admin writes another value, and what Google refused is tried again at once.
pub const RETRY_ANNOTATION: &str = "namesake.dev/retry";
/// Scheduling gate that holds a pod until its identity really works.
pub const GATE: &str = "namesake.dev/identity";
/// Annotation on pods: why the gate still holds, for people to read.
pub const WAITING_ANNOTATION: &str = "namesake.dev/waiting";
/// What it says from the first moment: the webhook writes it, and the broker something else only when that takes long.
pub const WAITING_AT_FIRST: &str =
    "Pending: its identity is being made and proven at Google, which takes minutes for a new user";
/// Finalizer on Identities: the Google side is taken down before the Identity goes.
pub const FINALIZER: &str = "namesake.dev/google";
/// GKE's annotation on a KSA: the e-mail of the GSA it acts as.
pub const GSA_ANNOTATION: &str = "iam.gke.io/gcp-service-account";
/// Kubernetes' label that says which program manages an object; see [`MANAGED_BY_VALUE`].
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Value of [`MANAGED_BY`] on what we manage.
pub const MANAGED_BY_VALUE: &str = "namesake";
/// Annotation on the accepted rules: 12 hex digits of their revision.
pub const RULES_REVISION_ANNOTATION: &str = "namesake.dev/rules-revision";
/// Annotation on the Secret of stamp keys: the id of the key that signs. Every id in the Secret verifies.
pub const CURRENT_KEY_ANNOTATION: &str = "namesake.dev/current-key";

// Objects of the system namespace.

/// Our own namespace; default of [`ENV_NAMESPACE`].
pub const SYSTEM_NAMESPACE: &str = "namesake-system";
/// ConfigMap with the rules: every key that ends in `.yaml` is a file of rules.
pub const RULES_CONFIG_MAP: &str = "namesake-rules";
/// Key of the main file in [`RULES_CONFIG_MAP`].
pub const RULES_KEY: &str = "rules.yaml";
/// Ending of the keys of [`RULES_CONFIG_MAP`] that are files of rules.
pub const RULES_KEY_SUFFIX: &str = ".yaml";
/// ConfigMap with the last accepted rules, same keys; only the broker writes it.
pub const ACCEPTED_RULES_CONFIG_MAP: &str = "namesake-accepted-rules";
/// ConfigMap in which the broker says how much of each quota is used, and when it will be used up.
pub const QUOTA_CONFIG_MAP: &str = "namesake-quota";
/// Secret of the certificate authority (`tls.crt`, `tls.key`, type `kubernetes.io/tls`).
pub const AUTHORITY_SECRET: &str = "namesake-authority";
/// Secret of the stamp keys: key id to 32 random bytes.
pub const STAMP_KEY_SECRET: &str = "namesake-stamp-key";
/// Name of both the Mutating- and the ValidatingWebhookConfiguration.
pub const WEBHOOK_CONFIGURATION: &str = "namesake";
/// Webhook that stamps parents and patches pods.
pub const MUTATE_WEBHOOK: &str = "mutate.namesake.dev";
/// Webhook that stamps ClusterWorkflowTemplates, which are in no namespace.
pub const TEMPLATES_WEBHOOK: &str = "templates.namesake.dev";
/// Webhook of the twin, which checks the final object.
pub const VALIDATE_WEBHOOK: &str = "validate.namesake.dev";
/// Webhook that writes an epoch onto a namespace as it is opted in.
pub const NAMESPACES_WEBHOOK: &str = "namespaces.namesake.dev";
/// The ValidatingAdmissionPolicies that protect names, accounts and ourselves, each with a binding of its name that denies.
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
    "namesake-priority",
    "namesake-role-bindings",
    "namesake-service-accounts",
    "namesake-service-proxy",
    "namesake-status",
    "namesake-system",
    "namesake-task-results",
    "namesake-token-secrets",
];
/// The one policy that warns until an admin lets it deny.
pub const TOKEN_GUARD: &str = "namesake-tokens";
/// Webhook that guards running pods and what feeds Argo's steps.
pub const GUARD_WEBHOOK: &str = "guard.namesake.dev";
/// Webhook that refuses a broken edit of the rules.
pub const RULES_WEBHOOK: &str = "rules.namesake.dev";
/// Name of the webhook's KSA, Deployment and Service.
pub const WEBHOOK_SERVICE_ACCOUNT: &str = "namesake-webhook";
/// Name of the broker's KSA, Deployment and Service.
pub const BROKER_SERVICE_ACCOUNT: &str = "namesake-broker";
/// The PriorityClass of our own pods.
pub const PRIORITY_CLASS: &str = "namesake";
/// Audience of the token that the webhook shows to the broker.
pub const BROKER_AUDIENCE: &str = "namesake-broker";
/// Name of the Lease that the broker's leader holds.
pub const BROKER_LEASE: &str = "namesake-broker";
/// Field manager of what the webhook applies.
pub const FIELD_MANAGER_WEBHOOK: &str = "namesake-webhook";
/// Field manager of what the broker applies.
pub const FIELD_MANAGER_BROKER: &str = "namesake-broker";

// Paths of the HTTP APIs.

/// Path of the mutating admission.
pub const MUTATE_PATH: &str = "/mutate";
/// Path of the mutating admission of Namespaces.
pub const MUTATE_NAMESPACES_PATH: &str = "/mutate-namespaces";
/// Path of the validating admission (the twin).
pub const VALIDATE_PATH: &str = "/validate";
/// Path of the validating admission of the ConfigMap of rules.
pub const VALIDATE_RULES_PATH: &str = "/validate-rules";
/// Path of the validating admission of what enters running pods and feeds Argo's steps.
pub const GUARD_PATH: &str = "/guard";
/// Path of the broker's API: `POST` makes sure that an identity is there.
pub const IDENTITIES_PATH: &str = "/v1/identities";
/// Path of the webhook that lists the parents without a proven person, as JSON.
pub const UNPROVEN_PATH: &str = "/v1/unproven";
/// Path that answers 200 while the process lives.
pub const HEALTH_PATH: &str = "/healthz";
/// Path that answers 200 when the process can serve.
pub const READY_PATH: &str = "/readyz";
/// Path of the metrics in the text format of OpenMetrics.
pub const METRICS_PATH: &str = "/metrics";

// Ports. 10250 is one that the control plane of a private GKE cluster reaches without a firewall rule.

/// TCP port of the webhook (HTTPS; admission and health).
pub const WEBHOOK_PORT: u16 = 10250;
/// TCP port of the broker (HTTPS; API and health).
pub const BROKER_PORT: u16 = 10251;
/// TCP port of the metrics of both programs (HTTP; nothing else). Whoever may scrape must not reach admission or the API.
pub const METRICS_PORT: u16 = 9402;

// Environment variables (each also a flag) and their defaults.

/// Our own namespace.
pub const ENV_NAMESPACE: &str = "NAMESAKE_NAMESPACE";
/// Address and port to listen on.
pub const ENV_LISTEN: &str = "NAMESAKE_LISTEN";
/// Default of [`ENV_LISTEN`] for the webhook.
pub const WEBHOOK_LISTEN: &str = "0.0.0.0:10250";
/// Default of [`ENV_LISTEN`] for the broker.
pub const BROKER_LISTEN: &str = "0.0.0.0:10251";
/// Address and port to serve metrics on.
pub const ENV_METRICS_LISTEN: &str = "NAMESAKE_METRICS_LISTEN";
/// Default of [`ENV_METRICS_LISTEN`].
pub const METRICS_LISTEN: &str = "0.0.0.0:9402";
/// URL of the broker, for the webhook.
pub const ENV_BROKER_URL: &str = "NAMESAKE_BROKER_URL";
/// Default of [`ENV_BROKER_URL`].
pub const BROKER_URL: &str = "https://namesake-broker.namesake-system.svc:10251";
/// File with the token that the webhook shows to the broker; re-read when it changes.
pub const ENV_BROKER_TOKEN_FILE: &str = "NAMESAKE_BROKER_TOKEN_FILE";
/// Default of [`ENV_BROKER_TOKEN_FILE`].
pub const BROKER_TOKEN_FILE: &str = "/var/run/secrets/namesake.dev/broker/token";
/// How long the webhook waits for the broker; below the webhook's own timeout.
pub const ENV_BROKER_DEADLINE: &str = "NAMESAKE_BROKER_DEADLINE";
/// Default of [`ENV_BROKER_DEADLINE`], a duration with its unit.
pub const BROKER_DEADLINE: &str = "6s";
/// How often to look for a new authority, new stamp keys, and a caBundle that somebody took away.
pub const ENV_UPKEEP: &str = "NAMESAKE_UPKEEP";
/// Default of [`ENV_UPKEEP`], a duration with its unit.
pub const UPKEEP: &str = "60s";
/// DNS names and IP addresses in the server's certificate, separated by commas.
pub const ENV_TLS_NAMES: &str = "NAMESAKE_TLS_NAMES";
/// Filter of the log, in the form of `tracing_subscriber::EnvFilter`.
pub const ENV_LOG: &str = "NAMESAKE_LOG";
/// Default of [`ENV_LOG`].
pub const LOG: &str = "info";
/// Form of the log: `json` or `text`.
pub const ENV_LOG_FORMAT: &str = "NAMESAKE_LOG_FORMAT";
/// Default of [`ENV_LOG_FORMAT`].
pub const LOG_FORMAT: &str = "json";
/// Name of this replica of the broker: its pod's.
pub const ENV_REPLICA: &str = "NAMESAKE_REPLICA";
/// How long to go on answering after the first signal to stop.
pub const ENV_DRAIN: &str = "NAMESAKE_DRAIN";
/// Default of [`ENV_DRAIN`].
pub const DRAIN: &str = "5s";
/// Header of a request to the broker: the revision of the rules that the webhook decided by.
pub const RULES_REVISION_HEADER: &str = "namesake-rules-revision";
/// New identities that one user may have in a minute.
pub const ENV_IDENTITIES_PER_MINUTE: &str = "NAMESAKE_IDENTITIES_PER_MINUTE";
/// Default of [`ENV_IDENTITIES_PER_MINUTE`].
pub const IDENTITIES_PER_MINUTE: u32 = 10;
/// Roles that the broker may give, separated by commas: anchored patterns, `*` for any characters; `self:` before one that it may
/// give on an identity's own GSA only.
pub const ENV_ALLOWED_ROLES: &str = "NAMESAKE_ALLOWED_ROLES";
/// Default of [`ENV_ALLOWED_ROLES`]: what a task needs to read, write and compute, and nothing that gives roles to others.
pub const ALLOWED_ROLES: &str = "roles/storage.objectUser,roles/storage.objectViewer,roles/storage.objectCreator,\
roles/bigquery.dataViewer,roles/bigquery.dataEditor,roles/bigquery.jobUser,roles/bigquery.user,\
roles/bigquery.readSessionUser,roles/aiplatform.user,roles/logging.logWriter,roles/monitoring.metricWriter,\
roles/artifactregistry.reader,self:roles/iam.serviceAccountTokenCreator";
/// Reads of IAM a minute that the project's quota allows.
pub const ENV_READS_PER_MINUTE: &str = "NAMESAKE_READS_PER_MINUTE";
/// Default of [`ENV_READS_PER_MINUTE`], as Google documents it.
pub const READS_PER_MINUTE: u32 = 6_000;
/// Writes to IAM a minute that the project's quota allows.
pub const ENV_WRITES_PER_MINUTE: &str = "NAMESAKE_WRITES_PER_MINUTE";
/// Default of [`ENV_WRITES_PER_MINUTE`], as Google documents it.
pub const WRITES_PER_MINUTE: u32 = 600;
/// Creations of Google service accounts a minute that the quota allows. Without it half of the writes, or fewer when Google refuses.
pub const ENV_CREATES_PER_MINUTE: &str = "NAMESAKE_CREATES_PER_MINUTE";
/// Google service accounts that a project may have: what its quota says. Without it, Google is asked until it refuses.
pub const ENV_ACCOUNTS_PER_PROJECT: &str = "NAMESAKE_ACCOUNTS_PER_PROJECT";
/// KSAs of a cluster from which on GKE's metadata server may run out of memory.
pub const SERVICE_ACCOUNTS_PER_CLUSTER: u64 = 3_000;
/// Members that a policy at Google holds, each occurrence counted, as documented.
pub const POLICY_PRINCIPALS: usize = 1_500;
/// Bytes that a policy at Google holds.
pub const ENV_POLICY_BYTES: &str = "NAMESAKE_POLICY_BYTES";
/// Default of [`ENV_POLICY_BYTES`]; documented as "a few tens of KB".
pub const POLICY_BYTES: usize = 64 * 1024;
/// Stack whose identities `namesake-broker clean` takes down.
pub const ENV_CLEAN_STACK: &str = "NAMESAKE_CLEAN_STACK";
/// Namespaces that it cleans, separated by commas.
pub const ENV_CLEAN_IN: &str = "NAMESAKE_CLEAN_IN";
/// Whether it only says what it would do.
pub const ENV_CLEAN_DRY_RUN: &str = "NAMESAKE_CLEAN_DRY_RUN";
/// Form of what it prints: `text` or `json`.
pub const ENV_CLEAN_OUTPUT: &str = "NAMESAKE_CLEAN_OUTPUT";
/// Whose rights `namesake-webhook check` is to take for meant, separated by commas.
pub const ENV_CHECK_TRUST: &str = "NAMESAKE_CHECK_TRUST";
/// Form of what it prints: `text` or `json`.
pub const ENV_CHECK_OUTPUT: &str = "NAMESAKE_CHECK_OUTPUT";
/// Reads of Google in a minute that looking for drift may cost; Google allows 6,000 of IAM's by default.
pub const LOOK_READS_PER_MINUTE: u32 = 600;
/// Proofs that run at the same time; each holds a token of its identity for some seconds.
pub const ENV_PROOFS_AT_ONCE: &str = "NAMESAKE_PROOFS_AT_ONCE";
/// Default of [`ENV_PROOFS_AT_ONCE`].
pub const PROOFS_AT_ONCE: u16 = 32;
/// How long the disabled GSA of a user who has left is kept before it is deleted.
pub const ENV_OFFBOARDING_GRACE: &str = "NAMESAKE_OFFBOARDING_GRACE";
/// Default of [`ENV_OFFBOARDING_GRACE`].
pub const OFFBOARDING_GRACE: &str = "30d";
/// How long after a user was put under `offboarded` taking the entry back undoes it.
pub const ENV_OFFBOARDING_UNDO: &str = "NAMESAKE_OFFBOARDING_UNDO";
/// Default of [`ENV_OFFBOARDING_UNDO`].
pub const OFFBOARDING_UNDO: &str = "10m";
/// Whether what carries our mark and belongs to no Identity is collected; otherwise it is only reported.
pub const ENV_COLLECT: &str = "NAMESAKE_COLLECT";
/// How long such a thing, or an Identity that the rules no longer make, is left alone first.
pub const ENV_COLLECT_AFTER: &str = "NAMESAKE_COLLECT_AFTER";
/// Default of [`ENV_COLLECT_AFTER`].
pub const COLLECT_AFTER: &str = "24h";
/// Base URL of Google's IAM API.
pub const ENV_IAM_ENDPOINT: &str = "NAMESAKE_IAM_ENDPOINT";
/// Default of [`ENV_IAM_ENDPOINT`].
pub const IAM_ENDPOINT: &str = "https://iam.googleapis.com";
/// Base URL of Google's IAM Service Account Credentials API.
pub const ENV_IAM_CREDENTIALS_ENDPOINT: &str = "NAMESAKE_IAM_CREDENTIALS_ENDPOINT";
/// Default of [`ENV_IAM_CREDENTIALS_ENDPOINT`].
pub const IAM_CREDENTIALS_ENDPOINT: &str = "https://iamcredentials.googleapis.com";
/// Base URL of Google's Security Token Service.
pub const ENV_STS_ENDPOINT: &str = "NAMESAKE_STS_ENDPOINT";
/// Default of [`ENV_STS_ENDPOINT`].
pub const STS_ENDPOINT: &str = "https://sts.googleapis.com";
/// Base URL of Google's Cloud Storage JSON API.
pub const ENV_STORAGE_ENDPOINT: &str = "NAMESAKE_STORAGE_ENDPOINT";
/// Default of [`ENV_STORAGE_ENDPOINT`].
pub const STORAGE_ENDPOINT: &str = "https://storage.googleapis.com";
/// Base URL of Google's Resource Manager API.
pub const ENV_RESOURCE_MANAGER_ENDPOINT: &str = "NAMESAKE_RESOURCE_MANAGER_ENDPOINT";
/// Default of [`ENV_RESOURCE_MANAGER_ENDPOINT`].
pub const RESOURCE_MANAGER_ENDPOINT: &str = "https://cloudresourcemanager.googleapis.com";

// Conditions of an Identity.

/// Condition: the KSA is there, is ours and is as it should be.
pub const SERVICE_ACCOUNT_READY: &str = "ServiceAccountReady";
/// Condition: the GSA is there, is ours, and Google shows it.
pub const GOOGLE_ACCOUNT_READY: &str = "GoogleAccountReady";
/// Condition: the binding and the grants are written.
pub const BINDING_READY: &str = "BindingReady";
/// Condition: the chain from the KSA's token to each grant has answered.
pub const VERIFIED: &str = "Verified";
/// Condition: all of the above; pods may run.
pub const READY: &str = "Ready";
/// Condition, not part of [`READY`]: nobody but its KSA has a role on the identity's GSA.
pub const EXCLUSIVE: &str = "Exclusive";
/// Condition: a pod waited in vain for a reason that does not pass by itself, so new Jobs are refused with that reason.
pub const STALLED: &str = "Stalled";
