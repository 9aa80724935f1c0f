# A network for each stack, with private nodes: they reach Google's APIs inside, and other hosts through one gateway (NAT).

resource "google_compute_network" "stack" {
  project                 = local.names.project
  name                    = local.names.network
  auto_create_subnetworks = false

  # The bucket's name is the one that somebody else may have: nothing expensive is made before it is ours.
  depends_on = [google_project_service.apis, module.namesake.bucket]
}

resource "google_compute_subnetwork" "nodes" {
  project                  = local.names.project
  name                     = local.names.nodes_subnet
  region                   = local.names.region
  network                  = google_compute_network.stack.id
  ip_cidr_range            = var.ranges.nodes
  private_ip_google_access = true

  secondary_ip_range {
    range_name    = "pods"
    ip_cidr_range = var.ranges.pods
  }
  secondary_ip_range {
    range_name    = "services"
    ip_cidr_range = var.ranges.services
  }
}

resource "google_compute_router" "stack" {
  project = local.names.project
  name    = local.names.router
  region  = local.names.region
  network = google_compute_network.stack.id
}

resource "google_compute_router_nat" "stack" {
  project                            = local.names.project
  name                               = local.names.router
  region                             = local.names.region
  router                             = google_compute_router.stack.name
  nat_ip_allocate_option             = "AUTO_ONLY"
  source_subnetwork_ip_ranges_to_nat = "ALL_SUBNETWORKS_ALL_IP_RANGES"

  log_config {
    enable = true
    filter = "ERRORS_ONLY"
  }
}

# Where Google's own services, here the database, have their private addresses.
resource "google_compute_global_address" "services" {
  project       = local.names.project
  name          = local.names.services_range
  purpose       = "VPC_PEERING"
  address_type  = "INTERNAL"
  prefix_length = 20
  network       = google_compute_network.stack.id
}

resource "google_service_networking_connection" "services" {
  network                 = google_compute_network.stack.id
  service                 = "servicenetworking.googleapis.com"
  reserved_peering_ranges = [google_compute_global_address.services.name]
  # Google keeps a deleted database on the connection for days; the network of a removed stack does not wait for that.
  deletion_policy = var.deletion_protection ? "PREVENT" : "REMOVE_PEERING"
}

# The address of the gateway, which outlives the load balancer: DNS is set once.

locals {
  regional = try(var.namesake.gateway.regional, false)
}

resource "google_compute_global_address" "gateway" {
  count = var.namesake.gateway != null && !local.regional ? 1 : 0

  project = local.names.project
  name    = local.names.gateway_address

  depends_on = [google_project_service.apis, module.namesake.bucket]
}

resource "google_compute_address" "gateway" {
  count = local.regional ? 1 : 0

  project      = local.names.project
  name         = local.names.gateway_address
  region       = local.names.region
  network_tier = "STANDARD"

  depends_on = [google_project_service.apis, module.namesake.bucket]
}

# A regional load balancer connects from here.
resource "google_compute_subnetwork" "proxy" {
  count = local.regional ? 1 : 0

  project       = local.names.project
  name          = local.names.proxy_subnet
  region        = local.names.region
  network       = google_compute_network.stack.id
  ip_cidr_range = var.ranges.proxies
  purpose       = "REGIONAL_MANAGED_PROXY"
  role          = "ACTIVE"
}
