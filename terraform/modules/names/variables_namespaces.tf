variable "namespaces" {
  description = "Namespaces in which people run flows, without the stack: `research` becomes research-STACK."
  type        = set(string)
  default     = ["research"]

  validation {
    condition     = alltrue([for name in var.namespaces : can(regex("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", name))])
    error_message = "namespaces: ${join(", ", var.namespaces)}: each must be lower-case letters, digits and hyphens, and not begin or end with a hyphen."
  }
}

variable "kept_namespaces" {
  description = "Namespaces of an existing cluster, by their full names, which carry no stack. Only to move a running installation."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for name in var.kept_namespaces : can(regex("^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$", name))])
    error_message = "kept_namespaces: ${join(", ", var.kept_namespaces)}: each must be the name of a namespace, at most 63 lower-case letters, digits and hyphens."
  }
  validation {
    condition     = length(setintersection(var.kept_namespaces, ["kube-system", "kube-public", "kube-node-lease", "gke-managed-system"])) == 0
    error_message = "kept_namespaces: ${join(", ", var.kept_namespaces)}: the namespaces of Kubernetes itself cannot be opted in: remove them from the list."
  }
}

variable "cluster" {
  description = "Name of an existing cluster, to install into. Without it: metaflow-STACK."
  type        = string
  default     = null

  validation {
    condition     = can(regex("^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$", coalesce(var.cluster, "none")))
    error_message = "cluster: \"${coalesce(var.cluster, "null")}\" is not the name of a cluster (at most 40 lower-case letters, digits and hyphens): write the name alone, without project and location."
  }
}

variable "bucket" {
  description = "Name of an existing bucket, to use. Without it: ORG-metaflow-STACK."
  type        = string
  default     = null

  validation {
    condition     = can(regex("^[a-z0-9][-_.a-z0-9]{1,61}[a-z0-9]$", coalesce(var.bucket, "none")))
    error_message = "bucket: \"${coalesce(var.bucket, "null")}\" is not the name of a bucket (3 to 63 characters): write the name alone, without gs:// and without a folder."
  }
}

variable "other_stacks" {
  description = "The other stacks of the company, by name (the output `stacks` of bootstrap; the entry of this stack is ignored)."
  type = map(object({
    project            = string
    identities_project = optional(string)
    bucket             = optional(string)
    namespaces         = optional(set(string), [])
    kept               = optional(set(string), [])
  }))
  default = {}
}

variable "stock_stacks" {
  description = "Stacks of Outerbounds' templates (metaflow-tools, gcp/terraform) that run in the same project: workspace and its org_prefix."
  type        = map(object({ org_prefix = string }))
  default     = {}
}
