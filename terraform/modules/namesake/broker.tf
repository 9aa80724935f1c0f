# The broker's own Google account: it has no key, and acts by Workload Identity Federation only.

resource "google_service_account" "broker" {
  project      = local.identities_project
  account_id   = var.names.accounts.broker
  display_name = "Namesake's broker, stack ${var.names.stack}"
  description  = "Creates the identities of ${var.names.cluster_path}. Made by Terraform."

  depends_on = [google_project_service.identities]
}

# By name: the namespace carries the stack, so the broker of another stack is somebody else. By UID: also whoever makes an account of
# the same name in another cluster of the project.
resource "google_service_account_iam_member" "broker" {
  service_account_id = google_service_account.broker.name
  role               = "roles/iam.workloadIdentityUser"
  member = (var.broker_uid == null
    ? "serviceAccount:${local.workload_pool}[${var.names.system_namespace}/namesake-broker]"
    : "principal://iam.googleapis.com/projects/${data.google_project.cluster[0].number}/locations/global/workloadIdentityPools/${local.workload_pool}/kubernetes.serviceaccount.uid/${coalesce(var.broker_uid, "none")}"
  )
}

data "google_project" "cluster" {
  count      = var.broker_uid == null ? 0 : 1
  project_id = var.names.project
}

locals {
  workload_pool = coalesce(var.workload_pool, var.names.workload_pool)
  broker        = "serviceAccount:${google_service_account.broker.email}"
}
