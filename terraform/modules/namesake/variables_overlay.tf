# What only the overlay needs.

variable "domain" {
  description = "Domain of the users' addresses: everybody in it may have an identity. The rules can say it more exactly afterwards."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)+$", var.domain)) && !contains(["gmail.com", "googlemail.com"], var.domain)
    error_message = "domain: \"${var.domain}\" must be your company's domain in lower case, such as acme.com, and none in which anybody can have an address."
  }
}

variable "admins" {
  description = "Users who administer Metaflow's services through the gateway, by their addresses."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for user in var.admins : can(regex("^[^@ ,\"*]+@[^@ ,\"*]+$", user))])
    error_message = "admins: ${join(", ", var.admins)}: write addresses such as root@acme.com."
  }
}

variable "manifests" {
  description = "Folder `manifests` of this project, seen from the overlay; or an address that kustomize reads, such as https://…//manifests?ref=TAG."
  type        = string
  default     = "../.."
}

variable "registry" {
  description = "Where the images webhook, broker, gateway and cli are. Without it: REGION-docker.pkg.dev/PROJECT/namesake-STACK."
  type        = string
  default     = null

  validation {
    condition     = can(regex("^[a-z0-9][-.a-z0-9]*(:[0-9]+)?(/[-._a-z0-9]+)+$", coalesce(var.registry, "host/path")))
    error_message = "registry: \"${coalesce(var.registry, "null")}\" is not the address of a repository: write HOST/PATH, without https:// and without an image."
  }
}

variable "tag" {
  description = "Tag of the images."
  type        = string
  default     = "0.1.0"

  validation {
    condition     = can(regex("^[a-zA-Z0-9_][-.a-zA-Z0-9_]{0,127}$", var.tag)) && var.tag != "latest"
    error_message = "tag: \"${var.tag}\" must be the tag of one build, and not `latest`, which changes by itself."
  }
}

variable "control_plane" {
  description = "Address ranges of the control plane: who may call the webhook, and where it may reach the API server."
  type        = set(string)

  validation {
    condition     = length(var.control_plane) > 0 && alltrue([for cidr in var.control_plane : can(cidrnetmask(cidr)) && !endswith(cidr, "/0")])
    error_message = "control_plane: ${join(", ", var.control_plane)}: write at least one range such as 172.16.0.0/28 (`gcloud container clusters describe` shows masterIpv4CidrBlock and privateEndpoint). Whoever can call the webhook gets things signed, so 0.0.0.0/0 is not accepted."
  }
}

variable "opted_in" {
  description = "Namespaces in which pods get identities. The others get Namesake's rights only, which is the step before. Without it: all new ones."
  type        = set(string)
  default     = null
}

variable "components" {
  description = "Optional parts of the overlay: `doctor` checks the installation every night, `metrics` lets monitoring scrape the metrics, and `metrics/gke` or `metrics/prometheus-operator` tells it what to scrape and when to alert."
  type        = set(string)
  default     = []

  validation {
    condition     = length(setsubtract(var.components, ["doctor", "metrics", "metrics/gke", "metrics/prometheus-operator"])) == 0
    error_message = "components: ${join(", ", var.components)}: write doctor, metrics, metrics/gke or metrics/prometheus-operator."
  }
  validation {
    condition     = contains(var.components, "metrics") || !anytrue([for name in var.components : startswith(name, "metrics/")])
    error_message = "components: ${join(", ", var.components)}: add metrics, which lets monitoring reach what the others tell it to scrape."
  }
}

variable "gateway" {
  description = "Authenticated endpoints: host names of the UI and the API, the client id of the web login, those of programs, and whether the load balancer is regional. Without it, none."
  type = object({
    ui_host            = string
    api_host           = string
    web_client_id      = string
    program_client_ids = optional(list(string), [])
    regional           = optional(bool, false)
  })
  default = null

  validation {
    condition     = var.gateway == null || try(alltrue([for host in [var.gateway.ui_host, var.gateway.api_host] : can(regex("^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)+$", host))]) && var.gateway.ui_host != var.gateway.api_host, false)
    error_message = "gateway: ui_host and api_host must be two different DNS names, without https:// and port."
  }
  validation {
    condition     = var.gateway == null || try(alltrue([for id in concat([var.gateway.web_client_id], var.gateway.program_client_ids) : can(regex("^[-._a-zA-Z0-9]+$", id))]), false)
    error_message = "gateway: write client ids as the provider shows them, 1234-abc.apps.googleusercontent.com. A client secret belongs into a Kubernetes Secret (docs/endpoints.md), never here."
  }
}
