# What classes of the rules need beyond folders of the bucket. Each gives the broker one more role, and nothing else does.

variable "bucket_grants" {
  description = "Buckets that classes grant as a whole, or by prefix, and their projects: { acme-data = \"acme-lake\" }."
  type        = map(string)
  default     = {}
}

variable "project_grants" {
  description = "Projects on which classes grant roles, and which roles: { acme-bq = [\"roles/bigquery.user\"] }. The broker can grant and revoke these only."
  type        = map(set(string))
  default     = {}

  validation {
    condition     = alltrue([for roles in values(var.project_grants) : length(roles) >= 1 && length(roles) <= 10])
    error_message = "project_grants: list 1 to 10 roles for each project: Google accepts no longer list in the condition that limits the broker."
  }
  validation {
    condition = alltrue(flatten([
      for roles in values(var.project_grants) : [for role in roles : can(regex("^(roles/[.a-zA-Z0-9]+|(projects|organizations)/[-a-z0-9]+/roles/[._a-zA-Z0-9]+)$", role))]
    ]))
    error_message = "project_grants: each must be the full name of a role, roles/NAME or projects/P/roles/NAME, without wildcards: ${join(", ", flatten([for roles in values(var.project_grants) : tolist(roles)]))}."
  }
  # With any of these an identity could give itself everything.
  validation {
    condition = alltrue(flatten([
      for roles in values(var.project_grants) : [for role in roles : !can(regex("^roles/(owner|editor|(iam|resourcemanager|container|cloudbuild)[.].*)$", role))]
    ]))
    error_message = "project_grants: a role that lets people act as others, or grant roles, would undo per-user identity: name the roles that tasks use their data with instead."
  }
}

variable "direct_mode" {
  description = "Whether classes use `mode: direct`, `whenFull: direct` or `bindBy: uid`, for which the broker reads the number of the cluster's project."
  type        = bool
  default     = false
}

variable "pinned_accounts" {
  description = "Google accounts outside the identities project that the rules pin users to: NAME@PROJECT.iam.gserviceaccount.com."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for email in var.pinned_accounts : can(regex("^[a-z][-a-z0-9]{4,28}[a-z0-9]@[a-z][-a-z0-9]{4,28}[a-z0-9][.]iam[.]gserviceaccount[.]com$", email))])
    error_message = "pinned_accounts: ${join(", ", var.pinned_accounts)}: write each as NAME@PROJECT.iam.gserviceaccount.com. Accounts that Google made (…@developer.gserviceaccount.com) cannot be pinned."
  }
}

variable "allowed_roles" {
  description = "Roles that the broker may grant, whatever the rules say (NAMESAKE_ALLOWED_ROLES); empty for the broker's default."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for role in var.allowed_roles : can(regex("^(self:)?(roles|projects|organizations)/[-._/a-zA-Z0-9*]+$", role))])
    error_message = "allowed_roles: ${join(", ", var.allowed_roles)}: write roles/NAME, a pattern such as roles/storage.object*, or self:roles/NAME for a role on the account itself."
  }
}

variable "quotas" {
  description = "Google's quotas of the identities project, to which the broker keeps: service accounts, and calls a minute. Look them up: they vary. Without a value, the broker's default."
  type = object({
    accounts = optional(number)
    creates  = optional(number)
    reads    = optional(number)
    writes   = optional(number)
  })
  default = {}

  validation {
    condition     = alltrue([for value in values(var.quotas) : value == null || try(value >= 1 && floor(value) == value, false)])
    error_message = "quotas: each must be a whole number of at least 1: `gcloud alpha services quota list --service=iam.googleapis.com` shows them."
  }
}
