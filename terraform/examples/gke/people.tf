# What people need themselves: their laptop packages code into the datastore, and finds the cluster. Not container.developer, which
# reaches every namespace: rights inside the cluster come from RBAC, in the namespaces where people work.

resource "google_project_iam_member" "users" {
  for_each = var.users

  project = local.names.project
  role    = "roles/container.clusterViewer"
  member  = each.key

  depends_on = [terraform_data.stack]
}

resource "google_storage_bucket_iam_member" "users" {
  for_each = var.users

  bucket = module.namesake.bucket
  role   = "roles/storage.objectUser"
  member = each.key
  condition {
    title       = "metaflow-folder-${local.names.stack}"
    description = "Metaflow's datastore."
    expression  = local.datastore
  }
}
