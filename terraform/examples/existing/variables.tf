# Written by bootstrap into stacks.auto.tfvars.json, the same file for all stacks.

variable "org_prefix" {
  description = "Short name of the company."
  type        = string
}

variable "stacks" {
  description = "All stacks, of which the workspace is one. This one names its cluster, and the bucket and namespaces that it keeps."
  type = map(object({
    project            = string
    region             = string
    zone               = optional(string)
    identities_project = optional(string)
    namespaces         = optional(set(string), [])
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

# In STACK.tfvars.

variable "stack" {
  description = "The stack that the values of this file are for: another workspace refuses them."
  type        = string
}

variable "domain" {
  description = "Domain of the users' addresses, such as acme.com."
  type        = string
}

variable "control_plane" {
  description = "Address ranges of the cluster's control plane. Without any: what the cluster says (masterIpv4CidrBlock, privateEndpoint)."
  type        = set(string)
  default     = []
}

variable "opted_in" {
  description = "Namespaces in which pods get identities; begin with none, then add one after the other."
  type        = set(string)
  default     = []
}

variable "namesake" {
  description = "Further inputs of modules/namesake, which checks them."
  type = object({
    folder                 = optional(string, "metaflow")
    new_identities_project = optional(object({ billing_account = string, folder_id = optional(string), org_id = optional(string) }))
    audit_logs             = optional(bool, true)
    quotas                 = optional(object({ accounts = optional(number), creates = optional(number), reads = optional(number), writes = optional(number) }), {})
    allowed_roles          = optional(list(string), [])
    bucket_grants          = optional(map(string), {})
    project_grants         = optional(map(set(string)), {})
    direct_mode            = optional(bool, false)
    pinned_accounts        = optional(set(string), [])
    components             = optional(set(string), [])
    registry               = optional(string)
    tag                    = optional(string, "0.1.0")
  })
  default = {}
}
