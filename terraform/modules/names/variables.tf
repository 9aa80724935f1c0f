variable "stack" {
  description = "Name of the stack: the workspace (terraform.workspace). Part of every name."
  type        = string

  validation {
    condition     = var.stack != "default"
    error_message = "stack: the workspace is `default`, which names no stack: `tofu workspace select -or-create prod`, or another name."
  }
  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.stack))
    error_message = "stack: \"${var.stack}\" must be lower-case letters, digits and single hyphens, begin with a letter and not end with a hyphen: `tofu workspace select -or-create prod`, or another name."
  }
}

variable "generation" {
  description = "Raise it to create a stack again whose custom roles (37 days) or database (7 days) were deleted too recently to reuse their names."
  type        = number
  default     = 1

  validation {
    condition     = var.generation >= 1 && var.generation <= 99 && floor(var.generation) == var.generation
    error_message = "generation: ${var.generation} must be a whole number from 1 to 99."
  }
}

variable "org_prefix" {
  description = "Short name of the company, the beginning of names that are unique in the world: buckets and projects."
  type        = string

  validation {
    condition     = can(regex("^[a-z]([-a-z0-9]*[a-z0-9])?$", var.org_prefix)) && !can(regex("^goog|google", var.org_prefix))
    error_message = "org_prefix: \"${var.org_prefix}\" must be lower-case letters, digits and hyphens, begin with a letter, not end with a hyphen, and not contain `google` (Cloud Storage refuses it): write the short name of your company."
  }
}

variable "project" {
  description = "Id of the project of the cluster, its workload pool, the bucket and the database."
  type        = string

  validation {
    condition     = can(regex("^[a-z][-a-z0-9]{4,28}[a-z0-9]$", var.project))
    error_message = "project: \"${var.project}\" is not the id of a project (6 to 30 lower-case letters, digits and hyphens): `gcloud projects list` shows the ids, which are neither names nor numbers."
  }
}

variable "identities_project" {
  description = "Id of the project of the identities, which has nothing else in it. Without it: ORG-identities-STACK."
  type        = string
  default     = null

  validation {
    condition     = can(regex("^[a-z][-a-z0-9]{4,28}[a-z0-9]$", coalesce(var.identities_project, "none-given")))
    error_message = "identities_project: \"${coalesce(var.identities_project, "null")}\" is not the id of a project (6 to 30 lower-case letters, digits and hyphens): `gcloud projects list` shows the ids."
  }
}

variable "region" {
  description = "Region of everything that is in a region, such as us-central1."
  type        = string

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region: \"${var.region}\" is not a region such as us-central1: `gcloud compute regions list`. A zone belongs into `zone`."
  }
}

variable "zone" {
  description = "Zone of the cluster, such as us-central1-a. Without it the cluster is in all zones of the region."
  type        = string
  default     = null

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+-[a-z]$", coalesce(var.zone, "any-zone1-a")))
    error_message = "zone: \"${coalesce(var.zone, "null")}\" is not a zone such as us-central1-a: `gcloud compute zones list`. A region belongs into `region`."
  }
}
