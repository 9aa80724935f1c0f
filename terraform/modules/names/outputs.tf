# Each output refuses what it would be wrong in, so that a plan fails before anything is made.

output "names" {
  description = "Every name of the stack: input `names` of the other modules."
  value       = local.names

  precondition {
    condition     = length(local.too_long) == 0
    error_message = "Names that are too long: ${join("; ", local.too_long)}. Choose a shorter stack (the workspace, \"${var.stack}\") or org_prefix (\"${var.org_prefix}\")."
  }
  precondition {
    condition     = length(local.illegal) == 0
    error_message = "Illegal names: ${join("; ", local.illegal)}. Choose another stack (the workspace, \"${var.stack}\") or org_prefix (\"${var.org_prefix}\")."
  }
  precondition {
    condition     = local.identities_project != var.project
    error_message = "identities_project: ${local.identities_project} is also the project of the cluster. Whoever may change accounts there could act as every user: give the identities a project of their own."
  }
}

output "apart" {
  description = "The other stacks, of which this stack shares neither identities nor bucket."
  value       = sort(keys(local.others))

  precondition {
    condition     = length(local.mixed) == 0
    error_message = "Two stacks would share what must be apart: ${join("; ", local.mixed)}. The broker of one could act as the users of the other: give each its own."
  }
}

output "location" {
  description = "Where the cluster is: its zone, or the region."
  value       = local.location

  precondition {
    condition     = var.zone == null || startswith(coalesce(var.zone, "none"), "${var.region}-")
    error_message = "zone: ${coalesce(var.zone, "null")} is not in region ${var.region}: write a zone of that region (`gcloud compute zones list --filter=region:${var.region}`), or another region."
  }
}

output "namespaces" {
  description = "All namespaces of the stack."
  value       = sort(local.all_namespaces)

  precondition {
    condition     = length(local.shared) == 0
    error_message = "Namespaces that another stack of project ${var.project} has too: ${join(", ", [for name in local.shared : "${name} (stack ${local.taken[name]})"])}. Google does not tell their accounts apart, in whichever clusters they are: rename them in namespaces or kept_namespaces, or use another project."
  }
  precondition {
    condition     = length(local.user_namespaces) > 0
    error_message = "namespaces: stack ${var.stack} has no namespace in which people run flows: name one in namespaces or kept_namespaces."
  }
  precondition {
    condition     = length(local.twice) == 0
    error_message = "Namespaces that the stack has twice: ${join(", ", local.twice)}: rename or remove one in namespaces or kept_namespaces."
  }
  precondition {
    condition     = length(local.long) == 0
    error_message = "Namespaces that are too long: ${join("; ", [for name in local.long : "${name} has ${length(name)} characters, ${length(name) - 63} more than the 63 that are allowed"])}. Choose a shorter stack (the workspace, \"${var.stack}\") or shorter namespaces."
  }
}

output "stock" {
  description = "The stock stacks of the project that this stack leaves alone."
  value       = keys(var.stock_stacks)

  precondition {
    condition     = length(local.disturbed) == 0
    error_message = "A stock stack would be disturbed: ${join("; ", local.disturbed)}."
  }
}
