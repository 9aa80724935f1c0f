# What each name may be at most, and how it may look, where Google or Kubernetes refuses it otherwise only in the middle of an apply.

locals {
  label = "^[a-z]([-a-z0-9]*[a-z0-9])?$"
  limited = {
    "cluster"                        = { name = local.cluster, max = 40, form = local.label }
    "network"                        = { name = local.names.network, max = 63, form = local.label }
    "subnet of the nodes"            = { name = local.names.nodes_subnet, max = 63, form = local.label }
    "node pool"                      = { name = local.names.node_pool, max = 40, form = local.label }
    "range of Google's services"     = { name = local.names.services_range, max = 63, form = local.label }
    "repository of images"           = { name = local.names.repository, max = 63, form = local.label }
    "bucket"                         = { name = local.names.bucket, max = 63, form = "^[a-z0-9][-_.a-z0-9]*[a-z0-9]$" }
    "identities project"             = { name = local.identities_project, max = 30, form = local.label }
    "account of the broker"          = { name = local.accounts.broker, max = 30, form = local.label }
    "account of Metaflow's services" = { name = local.accounts.services, max = 30, form = local.label }
    "account of the nodes"           = { name = local.accounts.nodes, max = 30, form = local.label }
    "custom role of the broker"      = { name = local.roles.cluster_project, max = 64, form = "^[_.a-zA-Z0-9]*$" }
    "database user"                  = { name = local.names.database_user, max = 63, form = ".*" }
    # With its project, as PROJECT:INSTANCE.
    "database instance" = { name = "${var.project}:${local.names.database_instance}", max = 98, form = ".*" }
    # Both are part of the mark of each Google account that the broker creates, which has room for 133 bytes.
    "stack with the path of its cluster" = { name = "${var.stack}${local.names.cluster_path}", max = 133, form = ".*" }
  }

  too_long = [
    for what, it in local.limited : "${what}: ${it.name} has ${length(it.name)} characters, ${length(it.name) - it.max} more than the ${it.max} that are allowed"
    if length(it.name) > it.max
  ]
  illegal = [
    for what, it in local.limited : "${what}: ${it.name} is not a legal name" if !can(regex(it.form, it.name))
  ]
}
