variable "names" {
  description = "Every name of the stack: output `names` of modules/names."
  type = object({
    stack              = string
    project            = string
    identities_project = string
    region             = string
    location           = string
    cluster            = string
    cluster_path       = string
    workload_pool      = string
    bucket             = string
    repository         = string
    gateway_address    = string
    accounts           = object({ broker = string })
    emails             = object({ broker = string })
    roles = object({
      identities      = string
      folders         = string
      buckets         = string
      projects        = string
      cluster_project = string
      pinned_accounts = string
    })
    system_namespace   = string
    services_namespace = string
    user_namespaces    = list(string)
    kept_namespaces    = list(string)
  })
}

variable "workload_pool" {
  description = "Workload pool of the cluster, from the cluster itself, so that it exists before it is used. Without it: names.workload_pool, of a cluster that exists."
  type        = string
  default     = null

  validation {
    condition     = can(regex("^[^.]+[.]svc[.]id[.]goog$", coalesce(var.workload_pool, "p.svc.id.goog")))
    error_message = "workload_pool: \"${coalesce(var.workload_pool, "null")}\" must be PROJECT.svc.id.goog: create the cluster with Workload Identity Federation (`workload_identity_config`)."
  }
}

variable "broker_uid" {
  description = "UID of the broker's Kubernetes account, to accept this one only, and no account of the same name in another cluster of the project: `kubectl -n namesake-system-STACK get serviceaccount namesake-broker -o jsonpath={.metadata.uid}`. Known after the first installation."
  type        = string
  default     = null

  validation {
    condition     = can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", coalesce(var.broker_uid, "00000000-0000-0000-0000-000000000000")))
    error_message = "broker_uid: \"${coalesce(var.broker_uid, "null")}\" is not a UID."
  }
}

variable "new_identities_project" {
  description = "Makes the project of the identities, in a folder or organization, and with a billing account. Without it, the project exists."
  type = object({
    billing_account = string
    folder_id       = optional(string)
    org_id          = optional(string)
  })
  default = null

  validation {
    condition     = var.new_identities_project == null || try((var.new_identities_project.folder_id == null) != (var.new_identities_project.org_id == null), false)
    error_message = "new_identities_project: give either folder_id or org_id, where the project is to be made."
  }
  validation {
    condition     = can(regex("^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", try(var.new_identities_project.billing_account, "000000-000000-000000")))
    error_message = "new_identities_project: billing_account must be as in `gcloud billing accounts list`: 0123AB-4567CD-89EF01."
  }
}

variable "create_bucket" {
  description = "Makes the bucket of the flows. If false, it exists, with uniform bucket-level access."
  type        = bool
  default     = true
}

variable "folder" {
  description = "Folder of the bucket in which Metaflow keeps what all users share: its datastore."
  type        = string
  default     = "metaflow"

  validation {
    condition     = can(regex("^[-_a-zA-Z0-9]+(/[-_a-zA-Z0-9]+)*$", var.folder))
    error_message = "folder: \"${var.folder}\" must be letters, digits, hyphens and underscores, without a slash at the beginning or end."
  }
}

variable "audit_logs" {
  description = "Writes into the audit log who got which token of an identity, and who read or changed one (data access logs of the identities project). Google bills for the volume."
  type        = bool
  default     = true
}
