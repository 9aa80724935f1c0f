output "overlay" {
  description = "manifests/overlays/STACK/kustomization.yaml."
  value       = local.overlay_yaml
}

output "namespaces" {
  description = "manifests/overlays/STACK/namespaces.yaml."
  value       = join("---\n", [for object in local.namespaces : yamlencode(object)])

  precondition {
    condition     = length(setsubtract(local.opted_in, var.names.user_namespaces)) == 0
    error_message = "opted_in: ${join(", ", setsubtract(local.opted_in, var.names.user_namespaces))} is no namespace of stack ${var.names.stack}, which has ${join(", ", var.names.user_namespaces)}: add it to namespaces or kept_namespaces first."
  }
}

output "rules" {
  description = "manifests/overlays/STACK/rules/rules.yaml, to begin with."
  value       = local.rules_yaml
}

output "bucket" {
  description = "The bucket of the flows, once it exists. What is expensive waits for it, because its name is the one that somebody else may have."
  value       = local.bucket
}

output "broker" {
  description = "E-mail address of the broker's account."
  value       = google_service_account.broker.email
}

output "audited" {
  description = "Services whose data access the audit log has."
  value       = sort(keys(google_project_iam_audit_config.identities))
}
