variable "kms_key" {
  description = "Cloud KMS key with which the bucket encrypts: projects/P/locations/L/keyRings/R/cryptoKeys/K. Without it: Google's own keys."
  type        = string
  default     = null

  validation {
    condition     = can(regex("^projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+$", coalesce(var.kms_key, "projects/p/locations/l/keyRings/r/cryptoKeys/k")))
    error_message = "kms_key: \"${coalesce(var.kms_key, "null")}\" is not the full name of a key: projects/P/locations/L/keyRings/R/cryptoKeys/K, without a version."
  }
}

variable "keep_versions" {
  description = "How many replaced versions of each state are always kept, and for how many days all of them."
  type        = object({ count = optional(number, 50), days = optional(number, 90) })
  default     = {}

  validation {
    condition     = var.keep_versions.count >= 10 && var.keep_versions.days >= 7
    error_message = "keep_versions: ${var.keep_versions.count} versions and ${var.keep_versions.days} days: keep at least 10 versions and 7 days, or a mistake is noticed too late to restore what was before."
  }
}

variable "soft_delete_days" {
  description = "For how many days deleted objects, also deleted versions, can be restored: 7 to 90."
  type        = number
  default     = 30

  validation {
    condition     = var.soft_delete_days >= 7 && var.soft_delete_days <= 90
    error_message = "soft_delete_days: ${var.soft_delete_days} must be 7 to 90, which is what Cloud Storage accepts."
  }
}
