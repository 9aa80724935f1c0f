# The account of Metaflow's own services, which run nobody's code: metadata service and UI.

resource "google_service_account" "services" {
  project      = local.names.project
  account_id   = local.names.accounts.services
  display_name = "Metaflow's metadata service and UI, stack ${local.names.stack}"

  depends_on = [google_project_service.apis, module.namesake.bucket]
}

locals {
  services = "serviceAccount:${google_service_account.services.email}"
}

resource "google_service_account_iam_member" "services" {
  service_account_id = google_service_account.services.name
  role               = "roles/iam.workloadIdentityUser"
  member             = "serviceAccount:${terraform_data.workload_pool.output}[${local.names.services_namespace}/${local.names.services_account}]"
}

# Connect, and log in as its database user: to this instance only.
resource "google_project_iam_member" "services" {
  for_each = toset(["roles/cloudsql.client", "roles/cloudsql.instanceUser"])

  project = local.names.project
  role    = each.key
  member  = local.services
  condition {
    title       = "metaflow-database-${local.names.stack}"
    description = "The database of stack ${local.names.stack}."
    expression  = "resource.name == \"projects/${local.names.project}/instances/${google_sql_database_instance.metadata.name}\" && resource.service == \"sqladmin.googleapis.com\""
  }
}

# The UI shows logs and cards, which are in Metaflow's folder. Nobody's own folder.
resource "google_storage_bucket_iam_member" "services" {
  bucket = module.namesake.bucket
  role   = "roles/storage.objectViewer"
  member = local.services
  condition {
    title       = "metaflow-folder-${local.names.stack}"
    description = "Metaflow's datastore."
    expression  = local.datastore
  }
}

locals {
  datastore = join(" || ", [
    "resource.name.startsWith(\"projects/_/buckets/${local.names.bucket}/objects/${var.namesake.folder}/\")",
    "api.getAttribute(\"storage.googleapis.com/objectListPrefix\", \"\").startsWith(\"${var.namesake.folder}/\")",
  ])
  services_yaml = templatefile("${path.module}/templates/metaflow.yaml.tftpl", {
    names      = local.names
    connection = "${local.names.project}:${local.names.region}:${local.names.database_instance}"
    datastore  = "gs://${local.names.bucket}/${var.namesake.folder}"
    # This overlay is one folder deeper.
    manifests = "${startswith(var.namesake.manifests, ".") ? "../" : ""}${var.namesake.manifests}"
    images    = var.images
    closed    = var.closed
  })
}
