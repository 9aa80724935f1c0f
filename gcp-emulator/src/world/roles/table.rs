//! Google's predefined roles, as far as they are needed here: name, title and a part of the permissions.

/// Role, title, permissions separated by spaces; `@NAME` is a group below.
pub(super) type Row = (&'static str, &'static str, &'static str);

/// Permissions that several roles share.
pub(super) const GROUPS: &[(&str, &str)] = &[
    (
        "@account.read",
        "iam.serviceAccounts.get iam.serviceAccounts.list",
    ),
    (
        "@account.admin",
        "iam.serviceAccounts.create iam.serviceAccounts.delete iam.serviceAccounts.disable \
         iam.serviceAccounts.enable iam.serviceAccounts.get iam.serviceAccounts.getIamPolicy \
         iam.serviceAccounts.list iam.serviceAccounts.setIamPolicy iam.serviceAccounts.undelete \
         iam.serviceAccounts.update",
    ),
    (
        "@tokens",
        "iam.serviceAccounts.getAccessToken iam.serviceAccounts.getOpenIdToken",
    ),
    (
        "@project.iam",
        "resourcemanager.projects.get resourcemanager.projects.getIamPolicy resourcemanager.projects.setIamPolicy",
    ),
    (
        "@project.edit",
        "resourcemanager.projects.createBillingAssignment resourcemanager.projects.delete resourcemanager.projects.update",
    ),
    (
        "@service.read",
        "serviceusage.services.get serviceusage.services.list",
    ),
    (
        "@service.write",
        "serviceusage.services.disable serviceusage.services.enable serviceusage.services.use",
    ),
    ("@role.read", "iam.roles.get iam.roles.list"),
    (
        "@role.write",
        "iam.roles.create iam.roles.delete iam.roles.undelete iam.roles.update",
    ),
    ("@object.read", "storage.objects.get storage.objects.list"),
    (
        "@object.write",
        "storage.objects.create storage.objects.delete storage.objects.update",
    ),
    (
        "@object.iam",
        "storage.objects.getIamPolicy storage.objects.setIamPolicy",
    ),
    (
        "@folder.read",
        "storage.managedFolders.get storage.managedFolders.list",
    ),
    (
        "@folder.write",
        "storage.managedFolders.create storage.managedFolders.delete",
    ),
    (
        "@folder.iam",
        "storage.managedFolders.getIamPolicy storage.managedFolders.setIamPolicy",
    ),
    (
        "@bucket.admin",
        "storage.buckets.create storage.buckets.delete storage.buckets.get storage.buckets.getIamPolicy \
         storage.buckets.list storage.buckets.setIamPolicy storage.buckets.update",
    ),
    (
        "@bucket.create",
        "storage.buckets.create storage.buckets.delete storage.buckets.list",
    ),
];

/// The roles.
#[rustfmt::skip]
pub(super) const TABLE: &[Row] = &[
    ("roles/owner", "Owner",
        "@account.admin iam.serviceAccounts.actAs @project.iam @project.edit @role.read @role.write @bucket.create \
         @service.read @service.write"),
    ("roles/editor", "Editor",
        "@account.read iam.serviceAccounts.actAs iam.serviceAccounts.create iam.serviceAccounts.delete \
         iam.serviceAccounts.update iam.serviceAccounts.disable iam.serviceAccounts.enable \
         resourcemanager.projects.get @role.read @bucket.create @service.read @service.write"),
    ("roles/viewer", "Viewer",
        "@account.read iam.serviceAccounts.getIamPolicy resourcemanager.projects.get \
         resourcemanager.projects.getIamPolicy @role.read storage.buckets.list @service.read"),
    ("roles/browser", "Browser", "resourcemanager.projects.get resourcemanager.projects.getIamPolicy"),
    ("roles/iam.securityAdmin", "Security Admin",
        "@account.read iam.serviceAccounts.getIamPolicy iam.serviceAccounts.setIamPolicy @project.iam @role.read \
         storage.buckets.getIamPolicy storage.buckets.setIamPolicy storage.buckets.list \
         @folder.read @folder.iam storage.objects.list @object.iam"),
    ("roles/iam.securityReviewer", "Security Reviewer",
        "@account.read iam.serviceAccounts.getIamPolicy resourcemanager.projects.get \
         resourcemanager.projects.getIamPolicy @role.read storage.buckets.getIamPolicy storage.buckets.list \
         @folder.read storage.managedFolders.getIamPolicy storage.objects.list storage.objects.getIamPolicy"),
    ("roles/serviceusage.serviceUsageConsumer", "Service Usage Consumer",
        "serviceusage.services.use @service.read"),
    ("roles/serviceusage.serviceUsageAdmin", "Service Usage Admin", "@service.read @service.write"),
    ("roles/iam.roleAdmin", "Role Administrator", "@role.read @role.write resourcemanager.projects.get"),
    ("roles/iam.roleViewer", "Role Viewer", "@role.read resourcemanager.projects.get"),
    ("roles/iam.serviceAccountAdmin", "Service Account Admin", "@account.admin resourcemanager.projects.get"),
    ("roles/iam.serviceAccountCreator", "Create Service Accounts",
        "@account.read iam.serviceAccounts.create resourcemanager.projects.get"),
    ("roles/iam.serviceAccountDeleter", "Delete Service Accounts",
        "@account.read iam.serviceAccounts.delete resourcemanager.projects.get"),
    ("roles/iam.serviceAccountViewer", "View Service Accounts",
        "@account.read iam.serviceAccounts.getIamPolicy resourcemanager.projects.get"),
    ("roles/iam.serviceAccountUser", "Service Account User",
        "@account.read iam.serviceAccounts.actAs resourcemanager.projects.get"),
    ("roles/iam.serviceAccountTokenCreator", "Service Account Token Creator",
        "@account.read @tokens iam.serviceAccounts.implicitDelegation iam.serviceAccounts.signBlob \
         iam.serviceAccounts.signJwt"),
    ("roles/iam.serviceAccountOpenIdTokenCreator", "Service Account OpenID Connect Identity Token Creator",
        "iam.serviceAccounts.getOpenIdToken"),
    ("roles/iam.workloadIdentityUser", "Workload Identity User", "@account.read @tokens"),
    ("roles/resourcemanager.projectIamAdmin", "Project IAM Admin", "@project.iam"),
    ("roles/storage.admin", "Storage Admin",
        "@bucket.admin @object.read @object.write @object.iam @folder.read @folder.write @folder.iam \
         resourcemanager.projects.get"),
    ("roles/storage.objectAdmin", "Storage Object Admin",
        "@object.read @object.write @object.iam @folder.read @folder.write @folder.iam resourcemanager.projects.get"),
    ("roles/storage.objectUser", "Storage Object User",
        "@object.read @object.write @folder.read @folder.write resourcemanager.projects.get"),
    ("roles/storage.objectViewer", "Storage Object Viewer",
        "@object.read @folder.read resourcemanager.projects.get"),
    ("roles/storage.objectCreator", "Storage Object Creator",
        "storage.objects.create storage.managedFolders.create resourcemanager.projects.get"),
    ("roles/storage.bucketViewer", "Storage Bucket Viewer", "storage.buckets.get storage.buckets.list"),
    ("roles/storage.legacyBucketOwner", "Storage Legacy Bucket Owner",
        "storage.buckets.get storage.buckets.getIamPolicy storage.buckets.setIamPolicy storage.buckets.update \
         storage.objects.create storage.objects.delete storage.objects.list @folder.read @folder.write @folder.iam"),
    ("roles/storage.legacyBucketWriter", "Storage Legacy Bucket Writer",
        "storage.buckets.get storage.objects.create storage.objects.delete storage.objects.list @folder.read @folder.write"),
    ("roles/storage.legacyBucketReader", "Storage Legacy Bucket Reader",
        "storage.buckets.get storage.objects.list @folder.read"),
    ("roles/storage.legacyObjectOwner", "Storage Legacy Object Owner",
        "storage.objects.get storage.objects.update @object.iam"),
    ("roles/storage.legacyObjectReader", "Storage Legacy Object Reader", "storage.objects.get"),
    ("roles/bigquery.dataViewer", "BigQuery Data Viewer",
        "bigquery.datasets.get bigquery.tables.get bigquery.tables.getData bigquery.tables.list \
         resourcemanager.projects.get"),
    ("roles/bigquery.jobUser", "BigQuery Job User", "bigquery.jobs.create resourcemanager.projects.get"),
    ("roles/secretmanager.secretAccessor", "Secret Manager Secret Accessor",
        "secretmanager.versions.access resourcemanager.projects.get"),
    ("roles/artifactregistry.reader", "Artifact Registry Reader",
        "artifactregistry.repositories.get artifactregistry.repositories.downloadArtifacts"),
    ("roles/logging.logWriter", "Logs Writer", "logging.logEntries.create"),
    ("roles/monitoring.metricWriter", "Monitoring Metric Writer", "monitoring.timeSeries.create"),
    ("roles/aiplatform.user", "Vertex AI User", "aiplatform.endpoints.predict resourcemanager.projects.get"),
];
