variable "project" {
  description = "Id of the project of the state bucket. One that admins of the stacks have no rights in, if there is one."
  type        = string

  validation {
    condition     = can(regex("^[a-z][-a-z0-9]{4,28}[a-z0-9]$", var.project))
    error_message = "project: \"${var.project}\" is not the id of a project (6 to 30 lower-case letters, digits and hyphens): `gcloud projects list` shows the ids."
  }
}

variable "org_prefix" {
  description = "Short name of the company; the same as for the stacks."
  type        = string

  validation {
    condition     = can(regex("^[a-z]([-a-z0-9]*[a-z0-9])?$", var.org_prefix)) && !can(regex("^goog|google", var.org_prefix))
    error_message = "org_prefix: \"${var.org_prefix}\" must be lower-case letters, digits and hyphens, begin with a letter, not end with a hyphen, and not contain `google`: write the short name of your company."
  }
}

variable "bucket" {
  description = "Name of the state bucket. Without it: ORG-metaflow-tfstate."
  type        = string
  default     = null

  validation {
    condition     = can(regex("^[a-z0-9][-_a-z0-9]{1,61}[a-z0-9]$", coalesce(var.bucket, "none")))
    error_message = "bucket: \"${coalesce(var.bucket, "null")}\" is not the name of a bucket (3 to 63 lower-case letters, digits, hyphens and underscores)."
  }
}

variable "location" {
  description = "Where the state bucket is: a region, or EU, US or ASIA."
  type        = string

  validation {
    condition     = can(regex("^([a-zA-Z]+-[a-zA-Z]+[0-9]+|EU|US|ASIA)$", var.location))
    error_message = "location: \"${var.location}\" is neither a region such as us-central1 nor EU, US or ASIA. A zone is not possible."
  }
}

variable "admins" {
  description = "Who administers all stacks, as in IAM: group:platform@acme.com. They read and write every state."
  type        = set(string)

  validation {
    condition     = length(var.admins) > 0 && alltrue([for member in var.admins : can(regex("^(group|user|serviceAccount):[^@ ]+@[^@ ]+$", member))])
    error_message = "admins: ${join(", ", var.admins)}: write at least one member as IAM does, group:NAME@DOMAIN, user:… or serviceAccount:…. allUsers and whole domains are not accepted: states say how to reach everything."
  }
}
