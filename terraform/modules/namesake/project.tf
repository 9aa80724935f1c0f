# The project of the identities has nothing else in it: whoever may write policies on its accounts acts as any of them.

resource "google_project" "identities" {
  count = var.new_identities_project == null ? 0 : 1

  name                = var.names.identities_project
  project_id          = var.names.identities_project
  billing_account     = var.new_identities_project.billing_account
  folder_id           = var.new_identities_project.folder_id
  org_id              = var.new_identities_project.org_id
  auto_create_network = false
  # With the project, everyone's identity would be gone, and its id can never be used again.
  deletion_policy = "PREVENT"

  lifecycle {
    prevent_destroy = true
  }
}

# A project that does not exist, or not for this admin, fails in the plan.
data "google_project" "given" {
  count      = var.new_identities_project == null ? 1 : 0
  project_id = var.names.identities_project
}

locals {
  identities_project = var.new_identities_project == null ? data.google_project.given[0].project_id : google_project.identities[0].project_id
  # One API in the other project too, because federated tokens carry the project of the pool.
  apis = ["iam.googleapis.com", "iamcredentials.googleapis.com", "sts.googleapis.com", "cloudresourcemanager.googleapis.com", "storage.googleapis.com"]
}

# Never disabled again: others may use them.
resource "google_project_service" "identities" {
  for_each = toset(local.apis)

  project            = local.identities_project
  service            = each.key
  disable_on_destroy = false
}

resource "google_project_service" "cluster" {
  for_each = toset(local.apis)

  project            = var.names.project
  service            = each.key
  disable_on_destroy = false
}
