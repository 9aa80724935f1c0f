# PostgreSQL for the metadata service, by IAM authentication: there is no password, neither in the state nor in the cluster.

resource "google_sql_database_instance" "metadata" {
  project          = local.names.project
  name             = local.names.database_instance
  region           = local.names.region
  database_version = var.database.version
  # Asked by Terraform, and below by Google, also when somebody uses the console.
  deletion_protection = var.deletion_protection

  settings {
    tier                        = var.database.tier
    edition                     = "ENTERPRISE"
    availability_type           = var.database.highly_available ? "REGIONAL" : "ZONAL"
    deletion_protection_enabled = var.deletion_protection
    retain_backups_on_delete    = true
    # Only by the Auth Proxy, which authenticates with certificates and IAM.
    connector_enforcement = "REQUIRED"

    database_flags {
      name  = "cloudsql.iam_authentication"
      value = "on"
    }
    ip_configuration {
      ipv4_enabled    = false
      private_network = google_compute_network.stack.id
      ssl_mode        = "TRUSTED_CLIENT_CERTIFICATE_REQUIRED"
    }
    backup_configuration {
      enabled                        = true
      point_in_time_recovery_enabled = true
      transaction_log_retention_days = 7
      backup_retention_settings {
        retained_backups = 14
      }
    }
  }

  lifecycle {
    prevent_destroy = true
  }
  depends_on = [google_service_networking_connection.services]
}

resource "google_sql_database" "metadata" {
  project  = local.names.project
  name     = local.names.database
  instance = google_sql_database_instance.metadata.name

  lifecycle {
    prevent_destroy = true
  }
}

# The database knows the services' account by its name without `.gserviceaccount.com`. It owns the tables that it makes; the role lets
# it make them, because since PostgreSQL 15 only the owner of a database may, and Cloud SQL owns it by this role.
resource "google_sql_user" "services" {
  project        = local.names.project
  name           = local.names.database_user
  instance       = google_sql_database_instance.metadata.name
  type           = "CLOUD_IAM_SERVICE_ACCOUNT"
  database_roles = ["cloudsqlsuperuser"]
  # It owns tables, so the database would refuse to delete it. It goes with the instance.
  deletion_policy = "ABANDON"

  depends_on = [google_service_account.services]
}
