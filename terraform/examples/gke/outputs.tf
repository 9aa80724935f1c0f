# Each is written to a file whose name carries the stack: terraform/README.md has the commands.

output "overlay" {
  description = "manifests/overlays/STACK/kustomization.yaml: Namesake."
  value       = module.namesake.overlay
}

output "namespaces" {
  description = "manifests/overlays/STACK/namespaces.yaml: where people run flows."
  value       = module.namesake.namespaces
}

output "rules" {
  description = "manifests/overlays/STACK/rules/rules.yaml, to begin with."
  value       = module.namesake.rules
}

output "metaflow" {
  description = "manifests/overlays/STACK/metaflow/kustomization.yaml: metadata service and UI."
  value       = local.services_yaml
}

output "kubeconfig" {
  description = "kubeconfig-STACK.yaml, with a context that carries the stack."
  value       = templatefile("${path.module}/templates/kubeconfig.yaml.tftpl", { names = local.names, endpoint = google_container_cluster.stack.control_plane_endpoints_config[0].dns_endpoint_config[0].endpoint })
}

locals {
  programs = try(var.namesake.gateway.program_client_ids, [])
}

output "metaflow_config" {
  description = "~/.metaflowconfig/config_STACK.json of everybody, who sets METAFLOW_PROFILE=STACK."
  value = jsonencode(merge(
    {
      METAFLOW_DEFAULT_DATASTORE        = "gs"
      METAFLOW_DATASTORE_SYSROOT_GS     = "gs://${local.names.bucket}/${var.namesake.folder}"
      METAFLOW_DEFAULT_METADATA         = "service"
      METAFLOW_KUBERNETES_NAMESPACE     = local.names.user_namespaces[0]
      METAFLOW_KUBERNETES_NODE_SELECTOR = "iam.gke.io/gke-metadata-server-enabled=true"
    },
    var.namesake.gateway == null ? {
      METAFLOW_SERVICE_URL          = "http://127.0.0.1:8080/"
      METAFLOW_SERVICE_INTERNAL_URL = "http://metadata-service.${local.names.services_namespace}:8080/"
    } : { METAFLOW_SERVICE_URL = "https://${var.namesake.gateway.api_host}" },
    # How `python -m metaflow_namesake login` finds the provider.
    length(local.programs) == 0 ? {} : { METAFLOW_NAMESAKE_ISSUER = "https://accounts.google.com", METAFLOW_NAMESAKE_CLIENT_ID = local.programs[0] },
  ))
}

output "gateway_address" {
  description = "What the DNS names of the gateway must point to."
  value       = one(concat(google_compute_global_address.gateway[*].address, google_compute_address.gateway[*].address))
}

output "registry" {
  description = "Where to push the images of Namesake."
  value       = "${google_artifact_registry_repository.images.location}-docker.pkg.dev/${local.names.project}/${google_artifact_registry_repository.images.name}"
}

output "names" {
  description = "Every name of the stack."
  value       = local.names
}
