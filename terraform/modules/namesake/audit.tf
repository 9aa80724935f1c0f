# Who got a token of which identity (iam.googleapis.com has the calls of iamcredentials.googleapis.com too), and the exchange before it.
# Replaces what the project had for these two services: one more reason why it is for identities only.
resource "google_project_iam_audit_config" "identities" {
  for_each = toset(var.audit_logs ? ["iam.googleapis.com", "sts.googleapis.com"] : [])

  project = local.identities_project
  service = each.key

  dynamic "audit_log_config" {
    for_each = ["ADMIN_READ", "DATA_READ", "DATA_WRITE"]
    content {
      log_type = audit_log_config.value
    }
  }
  depends_on = [google_project_service.identities]
}
