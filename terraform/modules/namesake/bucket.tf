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

# A bucket that does not exist, or not for this admin, fails in the plan.
data "google_storage_bucket" "given" {
  count = var.create_bucket ? 0 : 1
  name  = var.names.bucket

  lifecycle {
    postcondition {
      condition     = self.uniform_bucket_level_access
      error_message = "bucket: ${var.names.bucket} has no uniform bucket-level access, without which folders have no policies of their own: look who has access by ACLs (gcloud storage objects list --format='value(acl)'), then `gcloud storage buckets update gs://${var.names.bucket} --uniform-bucket-level-access`."
    }
  }
}

locals {
  bucket = var.create_bucket ? google_storage_bucket.flows[0].name : data.google_storage_bucket.given[0].name
}
