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

# The broker of one stack could act as every user of another whose accounts, or folders, it may write policies on.

locals {
  others = { for stack, other in var.other_stacks : stack => {
    project            = other.project
    identities_project = coalesce(other.identities_project, "${var.org_prefix}-identities-${stack}")
    bucket             = coalesce(other.bucket, "${var.org_prefix}-metaflow-${stack}")
  } if stack != var.stack }
  mixed = concat(
    [for stack, other in local.others : "identities_project ${local.identities_project} is also that of stack ${stack}" if other.identities_project == local.identities_project],
    [for stack, other in local.others : "identities_project ${local.identities_project} is the project of the cluster of stack ${stack}" if other.project == local.identities_project],
    [for stack, other in local.others : "project ${var.project} is where the identities of stack ${stack} are" if other.identities_project == var.project],
    [for stack, other in local.others : "bucket ${local.names.bucket} is also that of stack ${stack}" if other.bucket == local.names.bucket],
  )
}
