//! Environment variables for what the broker does at Google, each of which is also a flag, and their defaults; and limits of
//! Google that cannot be set.

/// Roles that the broker may grant, separated by commas. `*` matches any characters; a role after `self:` may be granted only on an
/// identity's own GSA.
pub const ENV_ALLOWED_ROLES: &str = "NAMESAKE_ALLOWED_ROLES";
/// Default of [`ENV_ALLOWED_ROLES`]: what a task needs to read, write and compute, and no role that can grant roles.
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
/// Creations of Google service accounts a minute that the quota allows. By default half of the writes, and fewer when Google refuses.
pub const ENV_CREATES_PER_MINUTE: &str = "NAMESAKE_CREATES_PER_MINUTE";
/// Google service accounts that the quota of a project allows. By default the broker creates them until Google refuses.
pub const ENV_ACCOUNTS_PER_PROJECT: &str = "NAMESAKE_ACCOUNTS_PER_PROJECT";
/// Largest IAM policy, in bytes.
pub const ENV_POLICY_BYTES: &str = "NAMESAKE_POLICY_BYTES";
/// Default of [`ENV_POLICY_BYTES`]; documented as "a few tens of KB".
pub const POLICY_BYTES: usize = 64 * 1024;
/// Verifications that run at the same time; each holds a token of its identity for some seconds.
pub const ENV_VERIFICATIONS_AT_ONCE: &str = "NAMESAKE_VERIFICATIONS_AT_ONCE";
/// Default of [`ENV_VERIFICATIONS_AT_ONCE`].
pub const VERIFICATIONS_AT_ONCE: u16 = 32;
/// How long the disabled GSA of an offboarded user is kept before it is deleted.
pub const ENV_OFFBOARDING_GRACE: &str = "NAMESAKE_OFFBOARDING_GRACE";
/// Default of [`ENV_OFFBOARDING_GRACE`].
pub const OFFBOARDING_GRACE: &str = "30d";
/// How long after a user was added to `offboarded` removing the entry undoes it.
pub const ENV_OFFBOARDING_UNDO: &str = "NAMESAKE_OFFBOARDING_UNDO";
/// Default of [`ENV_OFFBOARDING_UNDO`].
pub const OFFBOARDING_UNDO: &str = "10m";
/// Whether what has our mark and belongs to no Identity is deleted; otherwise it is only reported.
pub const ENV_COLLECT: &str = "NAMESAKE_COLLECT";
/// How long what belongs to no Identity, or an Identity that the rules no longer derive, is kept first.
pub const ENV_COLLECT_AFTER: &str = "NAMESAKE_COLLECT_AFTER";
/// Default of [`ENV_COLLECT_AFTER`].
pub const COLLECT_AFTER: &str = "24h";
/// New identities of one user in a minute.
pub const ENV_IDENTITIES_PER_MINUTE: &str = "NAMESAKE_IDENTITIES_PER_MINUTE";
/// Default of [`ENV_IDENTITIES_PER_MINUTE`].
pub const IDENTITIES_PER_MINUTE: u32 = 10;
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
/// KSAs of a cluster above which GKE's metadata server may run out of memory.
pub const SERVICE_ACCOUNTS_PER_CLUSTER: u64 = 3_000;
/// Members that an IAM policy can have, each occurrence counted, as Google documents it.
pub const POLICY_PRINCIPALS: usize = 1_500;
/// Reads of Google in a minute for the detection of drift; Google allows 6,000 reads of IAM by default.
pub const DRIFT_READS_PER_MINUTE: u32 = 600;
