variable "stacks" {
  description = "All stacks by name, which is the workspace: where they are, their namespaces, and who administers this stack only."
  type = map(object({
    project            = string
    region             = string
    zone               = optional(string)
    identities_project = optional(string)
    # People run flows in NAMESPACE-STACK, and in namespaces that a running installation has already (`kept`).
    namespaces = optional(set(string), ["research"])
    kept       = optional(set(string), [])
    cluster    = optional(string)
    bucket     = optional(string)
    generation = optional(number, 1)
    admins     = optional(set(string), [])
  }))

  validation {
    condition     = length(var.stacks) > 0
    error_message = "stacks: name at least one stack, such as { prod = { project = \"acme-ml\", region = \"us-central1\" } }."
  }
  validation {
    condition     = alltrue(flatten([for stack in values(var.stacks) : [for member in stack.admins : can(regex("^(group|user|serviceAccount):[^@ ]+@[^@ ]+$", member))]]))
    error_message = "stacks: write admins as IAM does, group:NAME@DOMAIN, user:… or serviceAccount:…: ${join(", ", flatten([for stack in values(var.stacks) : tolist(stack.admins)]))}."
  }
}

variable "stock_stacks" {
  description = "Stacks of Outerbounds' templates (metaflow-tools, gcp/terraform) that run already, by their workspace."
  type        = map(object({ project = string, org_prefix = string }))
  default     = {}
}
