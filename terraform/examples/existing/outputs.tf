output "overlay" {
  description = "manifests/overlays/STACK/kustomization.yaml: Namesake."
  value       = module.namesake.overlay
}

output "namespaces" {
  description = "manifests/overlays/STACK/namespaces.yaml: rights in every namespace, and the label in those of opted_in."
  value       = module.namesake.namespaces
}

output "rules" {
  description = "manifests/overlays/STACK/rules/rules.yaml, to begin with."
  value       = module.namesake.rules
}

output "names" {
  description = "Every name of the stack."
  value       = module.names.names
}
