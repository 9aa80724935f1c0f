# Written by bootstrap into stacks.auto.tfvars.json, the same file for all stacks.

variable "org_prefix" {
  description = "Short name of the company."
  type        = string
}

variable "stacks" {
  description = "All stacks, of which the workspace is one."
  type = map(object({
    project            = string
    region             = string
    zone               = optional(string)
    identities_project = optional(string)
    namespaces         = optional(set(string), ["research"])
    kept               = optional(set(string), [])
    cluster            = optional(string)
    bucket             = optional(string)
    generation         = optional(number, 1)
  }))
}

variable "stock_stacks" {
  description = "Stacks of Outerbounds' templates that run already, by their workspace."
  type        = map(object({ project = string, org_prefix = string }))
  default     = {}
}

variable "stack" {
  description = "The stack that the values of this file are for, in STACK.tfvars: another workspace refuses them."
  type        = string
}
