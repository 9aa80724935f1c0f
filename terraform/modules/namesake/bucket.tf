# The bucket of the flows. Uniform access, because managed folders have policies of their own only with it.

resource "google_storage_bucket" "flows" {
  count = var.create_bucket ? 1 : 0

  name     = var.names.bucket
  project  = var.names.project
  location = var.names.region

  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false

  soft_delete_policy {
    retention_duration_seconds = 7 * 24 * 60 * 60
  }

  lifecycle {
    prevent_destroy = true
  }
  depends_on = [google_project_service.cluster]
}

locals {
  bucket = var.create_bucket ? google_storage_bucket.flows[0].name : var.names.bucket
}
