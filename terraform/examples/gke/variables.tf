variable "domain" {
  description = "Domain of the users' addresses, such as acme.com."
  type        = string
}

variable "users" {
  description = "Who runs flows from a laptop, as in IAM: group:data-science@acme.com. Rights inside the cluster are given there."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for member in var.users : can(regex("^(group|user):[^@ ]+@[^@ ]+$", member))])
    error_message = "users: ${join(", ", var.users)}: write members as IAM does, group:NAME@DOMAIN or user:NAME@DOMAIN."
  }
}

variable "namesake" {
  description = "Inputs of modules/namesake, which checks them."
  type = object({
    admins                 = optional(set(string), [])
    folder                 = optional(string, "metaflow")
    new_identities_project = optional(object({ billing_account = string, folder_id = optional(string), org_id = optional(string) }))
    broker_uid             = optional(string)
    audit_logs             = optional(bool, true)
    quotas                 = optional(object({ accounts = optional(number), creates = optional(number), reads = optional(number), writes = optional(number) }), {})
    allowed_roles          = optional(list(string), [])
    bucket_grants          = optional(map(string), {})
    project_grants         = optional(map(set(string)), {})
    direct_mode            = optional(bool, false)
    pinned_accounts        = optional(set(string), [])
    opted_in               = optional(set(string))
    components             = optional(set(string), [])
    manifests              = optional(string, "../..")
    registry               = optional(string)
    tag                    = optional(string, "0.1.0")
    gateway = optional(object({
      ui_host            = string
      api_host           = string
      web_client_id      = string
      program_client_ids = optional(list(string), [])
      regional           = optional(bool, false)
    }))
  })
  default = {}
}

variable "images" {
  description = "Images of Metaflow's services and of the Cloud SQL Auth Proxy, with their tags."
  type        = map(string)
  default = {
    metaflow-metadata-service = "public.ecr.aws/outerbounds/metaflow_metadata_service:2.3.6"
    metaflow-ui               = "public.ecr.aws/outerbounds/metaflow_ui:v1.2.4"
    cloud-sql-proxy           = "gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.18.3"
  }

  validation {
    condition     = toset(keys(var.images)) == toset(["metaflow-metadata-service", "metaflow-ui", "cloud-sql-proxy"]) && alltrue([for image in values(var.images) : can(regex("^[-._/a-zA-Z0-9]+:[-._a-zA-Z0-9]+$", image))])
    error_message = "images: name metaflow-metadata-service, metaflow-ui and cloud-sql-proxy, each as HOST/PATH:TAG (a port in HOST is not possible)."
  }
}

variable "closed" {
  description = "Whether only the gateway reaches Metaflow's services. Set it once everybody uses the gateway (docs/endpoints.md, step 6)."
  type        = bool
  default     = false

  validation {
    condition     = !var.closed || var.namesake.gateway != null
    error_message = "closed: without namesake.gateway nobody would reach Metaflow's services: set the gateway first."
  }
}

variable "deletion_protection" {
  description = "Refuses to delete cluster and database, here and at Google. Only to remove a stack: set it to false and apply, then destroy."
  type        = bool
  default     = true
}
