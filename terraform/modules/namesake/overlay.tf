# What the cluster's side needs to know, rendered: nobody types a value twice, and no provider for Kubernetes is needed.

locals {
  registry = var.registry == null ? "${var.names.region}-docker.pkg.dev/${var.names.project}/${var.names.repository}" : var.registry
  environment = { for name, value in {
    NAMESAKE_ALLOWED_ROLES        = join(",", var.allowed_roles)
    NAMESAKE_ACCOUNTS_PER_PROJECT = var.quotas.accounts
    NAMESAKE_CREATES_PER_MINUTE   = var.quotas.creates
    NAMESAKE_READS_PER_MINUTE     = var.quotas.reads
    NAMESAKE_WRITES_PER_MINUTE    = var.quotas.writes
  } : name => value if value != null && value != "" }

  rendered = { names = var.names, domain = var.domain, gateway = var.gateway }

  gateway_yaml = var.gateway == null ? "" : templatefile("${path.module}/templates/gateway.yaml.tftpl", local.rendered)
  rules_yaml   = templatefile("${path.module}/templates/rules.yaml.tftpl", merge(local.rendered, { folder = var.folder, admins = sort(var.admins) }))
  overlay_yaml = templatefile("${path.module}/templates/overlay.yaml.tftpl", merge(local.rendered, {
    manifests     = var.manifests
    registry      = local.registry
    tag           = var.tag
    environment   = local.environment
    components    = sort(var.components)
    control_plane = sort(var.control_plane)
    gateway_yaml  = local.gateway_yaml
  }))
}

# The namespaces of the stack as manifests/opt-in has them, once for each. The overlay's components name the stack in them.

locals {
  manifests = "${path.module}/../../../manifests"
  namespace = yamldecode(file("${local.manifests}/opt-in/namespace.yaml"))
  bindings = [
    for text in split("\n---\n", join("\n---\n", concat(
      [file("${local.manifests}/opt-in/role-bindings.yaml")],
      var.gateway == null ? [] : [file("${local.manifests}/gateway/namespace/role-binding.yaml")],
    ))) : yamldecode(text)
  ]
  opted_in = var.opted_in == null ? setsubtract(var.names.user_namespaces, var.names.kept_namespaces) : var.opted_in

  namespaces = concat(
    [for name in sort(local.opted_in) : merge(local.namespace, { metadata = merge(local.namespace.metadata, { name = name }) })],
    flatten([for name in var.names.user_namespaces : [
      for binding in local.bindings : merge(binding, { metadata = merge(binding.metadata, { namespace = name }) })
    ]]),
  )
}
