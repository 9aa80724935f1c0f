# The broker's own Google account: it has no key, and acts by Workload Identity Federation only.

resource "google_service_account" "broker" {
  project      = local.identities_project
  account_id   = var.names.accounts.broker
  display_name = "Namesake's broker, stack ${var.names.stack}"
  description  = "Creates the identities of ${var.names.cluster_path}. Made by Terraform."

  depends_on = [google_project_service.identities]
}

# The namespace carries the stack: the same account of another stack's cluster is somebody else.
resource "google_service_account_iam_member" "broker" {
  service_account_id = google_service_account.broker.name
  role               = "roles/iam.workloadIdentityUser"
  member             = "serviceAccount:${coalesce(var.workload_pool, var.names.workload_pool)}[${var.names.system_namespace}/namesake-broker]"
}

locals {
  broker = "serviceAccount:${google_service_account.broker.email}"
}
