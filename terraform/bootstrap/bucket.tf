# The states of all stacks: PREFIX/STACK.tfstate and, while somebody works, PREFIX/STACK.tflock. One prefix for all, so that a workspace
# finds its own state whatever was initialized before; which admins reach which objects is iam.tf's concern.

locals {
  bucket = coalesce(var.bucket, "${var.org_prefix}-metaflow-tfstate")
  prefix = "stacks"
}

resource "google_project_service" "storage" {
  for_each = toset(concat(["storage.googleapis.com", "cloudresourcemanager.googleapis.com"], var.kms_key == null ? [] : ["cloudkms.googleapis.com"]))

  project            = var.project
  service            = each.key
  disable_on_destroy = false
}

resource "google_storage_bucket" "state" {
  name     = local.bucket
  project  = var.project
  location = var.location

  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false

  versioning {
    enabled = true
  }
  soft_delete_policy {
    retention_duration_seconds = var.soft_delete_days * 24 * 60 * 60
  }
  # A replaced version goes when both are true.
  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      num_newer_versions         = var.keep_versions.count
      days_since_noncurrent_time = var.keep_versions.days
      with_state                 = "ARCHIVED"
    }
  }
  dynamic "encryption" {
    for_each = var.kms_key == null ? [] : [var.kms_key]
    content {
      default_kms_key_name = encryption.value
    }
  }

  lifecycle {
    prevent_destroy = true
  }
  depends_on = [google_project_service.storage, google_kms_crypto_key_iam_member.storage]
}

# Cloud Storage encrypts with the key as its own agent. The agent exists from its first use on, and this makes it exist.
data "google_storage_project_service_account" "agent" {
  count   = var.kms_key == null ? 0 : 1
  project = var.project

  depends_on = [google_project_service.storage]
}

resource "google_kms_crypto_key_iam_member" "storage" {
  for_each = { for key in compact([var.kms_key]) : key => data.google_storage_project_service_account.agent[0].email_address }

  crypto_key_id = each.key
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = "serviceAccount:${each.value}"
}
