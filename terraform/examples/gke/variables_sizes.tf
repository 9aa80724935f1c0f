variable "ranges" {
  description = "Address ranges of the stack's own network. Two stacks may have the same, unless their networks are connected."
  type = object({
    nodes         = optional(string, "10.2.0.0/20")
    pods          = optional(string, "10.4.0.0/14")
    services      = optional(string, "10.8.0.0/20")
    proxies       = optional(string, "10.2.16.0/23")
    control_plane = optional(string, "172.16.0.0/28")
  })
  default = {}

  validation {
    condition     = alltrue([for range in values(var.ranges) : can(cidrnetmask(range))])
    error_message = "ranges: ${join(", ", values(var.ranges))}: each must be a range such as 10.2.0.0/20."
  }
  validation {
    condition     = endswith(var.ranges.control_plane, "/28")
    error_message = "ranges: control_plane ${var.ranges.control_plane} must be a /28, which is what GKE accepts."
  }
}

variable "admin_networks" {
  description = "Networks from which admins reach the control plane by its address: { office = \"203.0.113.0/24\" }. Without any, only by its DNS name, which IAM protects."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for range in values(var.admin_networks) : can(cidrnetmask(range)) && !endswith(range, "/0")])
    error_message = "admin_networks: ${join(", ", values(var.admin_networks))}: each must be a range such as 203.0.113.0/24, and not the whole internet."
  }
}

variable "nodes" {
  description = "Nodes of the cluster, in each of its zones."
  type = object({
    machine_type = optional(string, "e2-standard-4")
    disk_size_gb = optional(number, 100)
    min          = optional(number, 1)
    max          = optional(number, 5)
  })
  default = {}

  validation {
    condition     = var.nodes.min >= 1 && var.nodes.min <= var.nodes.max && floor(var.nodes.min) == var.nodes.min && floor(var.nodes.max) == var.nodes.max
    error_message = "nodes: min ${var.nodes.min} and max ${var.nodes.max} must be whole numbers of at least 1, min not above max: Namesake itself needs a node."
  }
  validation {
    condition     = var.nodes.disk_size_gb >= 30
    error_message = "nodes: disk_size_gb ${var.nodes.disk_size_gb} must be at least 30, for the images of tasks."
  }
}

variable "database" {
  description = "The database of the metadata service."
  type = object({
    version          = optional(string, "POSTGRES_16")
    tier             = optional(string, "db-custom-1-3840")
    highly_available = optional(bool, false)
  })
  default = {}

  validation {
    condition     = can(regex("^POSTGRES_(1[5-9])$", var.database.version))
    error_message = "database: version ${var.database.version} must be POSTGRES_15 to POSTGRES_19: older ones are, or will soon be, without support."
  }
  validation {
    condition     = startswith(var.database.tier, "db-")
    error_message = "database: tier ${var.database.tier} must be one of `gcloud sql tiers list`, such as db-custom-1-3840."
  }
}
