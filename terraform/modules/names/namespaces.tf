# Google gives one identity to a Kubernetes account in all clusters of a project: PROJECT.svc.id.goog[NAMESPACE/ACCOUNT]. So two
# stacks of one project must not have a namespace in common, whichever clusters they are in.

locals {
  system_namespace   = "namesake-system-${var.stack}"
  services_namespace = "metaflow-${var.stack}"
  user_namespaces    = concat([for name in var.namespaces : "${name}-${var.stack}"], tolist(var.kept_namespaces))
  all_namespaces     = concat([local.system_namespace, local.services_namespace], local.user_namespaces)

  # namespace => the stack that has it
  taken = merge([
    for stack, other in var.other_stacks : {
      for name in concat(
        ["namesake-system-${stack}", "metaflow-${stack}"],
        [for name in other.namespaces : "${name}-${stack}"],
        tolist(other.kept),
      ) : name => stack
    } if stack != var.stack && other.project == var.project
  ]...)
  shared = sort([for name in local.all_namespaces : name if contains(keys(local.taken), name)])
  twice  = sort([for name in distinct(local.all_namespaces) : name if length([for other in local.all_namespaces : other if other == name]) > 1])
  long   = sort([for name in local.all_namespaces : name if length(name) > 63])
}
