# Roles that only some classes need. Bindings wait as in roles.tf.

locals {
  pinned = { for email in var.pinned_accounts : email => split(".", split("@", email)[1])[0] }
}

# For grants on whole buckets, in the project of each bucket.
resource "google_project_iam_custom_role" "buckets" {
  for_each = toset(values(var.bucket_grants))

  project     = each.key
  role_id     = var.names.roles.buckets
  title       = "Namesake buckets, stack ${var.names.stack}"
  description = "Writes the policies of buckets that classes grant."
  permissions = local.permissions.buckets
}

resource "google_storage_bucket_iam_member" "buckets" {
  for_each = var.bucket_grants

  bucket = each.key
  role   = google_project_iam_custom_role.buckets[each.value].name
  member = local.broker

  depends_on = [google_service_account_iam_member.broker]
}

# For grants on projects. Reading a policy modifies no grant, so the condition holds for it too.
resource "google_project_iam_custom_role" "projects" {
  for_each = var.project_grants

  project     = each.key
  role_id     = var.names.roles.projects
  title       = "Namesake projects, stack ${var.names.stack}"
  description = "Writes the policy of the project, as far as the condition of the binding allows."
  permissions = local.permissions.projects
}

resource "google_project_iam_member" "projects" {
  for_each = var.project_grants

  project = each.key
  role    = google_project_iam_custom_role.projects[each.key].name
  member  = local.broker
  condition {
    title       = "namesake-roles-${var.names.stack}"
    description = "The broker grants and revokes these roles only."
    expression  = "api.getAttribute(\"iam.googleapis.com/modifiedGrantsByRole\", []).hasOnly([${join(", ", [for role in sort(each.value) : "\"${role}\""])}])"
  }
  depends_on = [google_service_account_iam_member.broker]
}

# For `mode: direct` and `bindBy: uid`.
resource "google_project_iam_custom_role" "cluster_project" {
  count = var.direct_mode ? 1 : 0

  project     = var.names.project
  role_id     = var.names.roles.cluster_project
  title       = "Namesake project number, stack ${var.names.stack}"
  description = "Reads the number of the project."
  permissions = local.permissions.cluster_project

  depends_on = [google_project_service.cluster]
}

resource "google_project_iam_member" "cluster_project" {
  count = var.direct_mode ? 1 : 0

  project = var.names.project
  role    = google_project_iam_custom_role.cluster_project[0].name
  member  = local.broker

  depends_on = [google_service_account_iam_member.broker]
}

# For pins to accounts of other projects: on each account alone.
resource "google_project_iam_custom_role" "pinned_accounts" {
  for_each = setsubtract(values(local.pinned), [var.names.identities_project])

  project     = each.key
  role_id     = var.names.roles.pinned_accounts
  title       = "Namesake pinned accounts, stack ${var.names.stack}"
  description = "Writes the policies of accounts that the rules pin users to."
  permissions = local.permissions.pinned_accounts
}

resource "google_service_account_iam_member" "pinned_accounts" {
  for_each = { for email, project in local.pinned : email => project if project != var.names.identities_project }

  service_account_id = "projects/${each.value}/serviceAccounts/${each.key}"
  role               = google_project_iam_custom_role.pinned_accounts[each.value].name
  member             = local.broker

  depends_on = [google_service_account_iam_member.broker]
}
