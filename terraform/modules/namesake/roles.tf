# The permissions that the broker calls, and no other: permissions.json, which a test compares with its calls. Custom roles, because
# each of Google's own that has these also has more.

locals {
  permissions = jsondecode(file("${path.module}/permissions.json"))
}

resource "google_project_iam_custom_role" "identities" {
  project     = local.identities_project
  role_id     = var.names.roles.identities
  title       = "Namesake broker, stack ${var.names.stack}"
  description = "Creates service accounts and writes the policies on them."
  permissions = local.permissions.identities

  depends_on = [google_project_service.identities]
}

# A new role can be bound only after up to a minute. The binding of the broker's account waits for the cluster, and this for it.
resource "google_project_iam_member" "identities" {
  project = local.identities_project
  role    = google_project_iam_custom_role.identities.name
  member  = local.broker

  depends_on = [google_service_account_iam_member.broker]
}

resource "google_project_iam_custom_role" "folders" {
  project     = var.names.project
  role_id     = var.names.roles.folders
  title       = "Namesake managed folders, stack ${var.names.stack}"
  description = "Creates managed folders and writes the policies on them."
  permissions = local.permissions.folders

  depends_on = [google_project_service.cluster]
}

resource "google_storage_bucket_iam_member" "folders" {
  bucket = local.bucket
  role   = google_project_iam_custom_role.folders.name
  member = local.broker

  depends_on = [google_service_account_iam_member.broker]
}
