# A cluster with Workload Identity Federation, Dataplane V2 (which enforces network policies) and private nodes.

resource "google_container_cluster" "stack" {
  project  = local.names.project
  name     = local.names.cluster
  location = local.names.location

  network         = google_compute_network.stack.id
  subnetwork      = google_compute_subnetwork.nodes.id
  networking_mode = "VPC_NATIVE"
  # Node pools are resources of their own, below.
  remove_default_node_pool = true
  initial_node_count       = 1
  datapath_provider        = "ADVANCED_DATAPATH"
  deletion_protection      = var.deletion_protection

  # Of the default pool, for the minutes that it exists: not Compute Engine's default account, which can do much, or is disabled.
  node_config {
    service_account = google_service_account.nodes.email
  }

  ip_allocation_policy {
    cluster_secondary_range_name  = "pods"
    services_secondary_range_name = "services"
  }
  workload_identity_config {
    workload_pool = local.names.workload_pool
  }
  private_cluster_config {
    enable_private_nodes    = true
    enable_private_endpoint = false
    master_ipv4_cidr_block  = var.ranges.control_plane
  }
  # By address, only admins' networks; by name, whoever IAM lets (container.clusters.connect).
  master_authorized_networks_config {
    gcp_public_cidrs_access_enabled = false
    dynamic "cidr_blocks" {
      for_each = var.admin_networks
      content {
        display_name = cidr_blocks.key
        cidr_block   = cidr_blocks.value
      }
    }
  }
  control_plane_endpoints_config {
    dns_endpoint_config {
      allow_external_traffic = true
    }
  }
  # No certificate of a client, which would be a secret in the state.
  master_auth {
    client_certificate_config {
      issue_client_certificate = false
    }
  }
  gateway_api_config {
    channel = "CHANNEL_STANDARD"
  }
  release_channel {
    channel = "REGULAR"
  }

  lifecycle {
    ignore_changes = [initial_node_count, node_config]
  }
  depends_on = [google_project_iam_member.nodes]
}

resource "google_container_node_pool" "stack" {
  project            = local.names.project
  name               = local.names.node_pool
  location           = local.names.location
  cluster            = google_container_cluster.stack.name
  initial_node_count = var.nodes.min

  autoscaling {
    min_node_count = var.nodes.min
    max_node_count = var.nodes.max
  }
  node_config {
    machine_type    = var.nodes.machine_type
    disk_size_gb    = var.nodes.disk_size_gb
    service_account = google_service_account.nodes.email
    oauth_scopes    = ["https://www.googleapis.com/auth/cloud-platform"]

    # Pods ask GKE's metadata server, which knows who they are, and never the node's.
    workload_metadata_config {
      mode = "GKE_METADATA"
    }
    shielded_instance_config {
      enable_secure_boot          = true
      enable_integrity_monitoring = true
    }
  }
  lifecycle {
    ignore_changes = [initial_node_count]
  }
}

# The pool can be named in a policy only some time after its first cluster was made: once there are nodes.
resource "terraform_data" "workload_pool" {
  input = google_container_cluster.stack.workload_identity_config[0].workload_pool

  depends_on = [google_container_node_pool.stack]
}

# The nodes' own account: logs, metrics and images, nothing of the flows.

resource "google_service_account" "nodes" {
  project      = local.names.project
  account_id   = local.names.accounts.nodes
  display_name = "Nodes of ${local.names.cluster}"

  depends_on = [google_project_service.apis, module.namesake.bucket]
}

resource "google_project_iam_member" "nodes" {
  project = local.names.project
  role    = "roles/container.defaultNodeServiceAccount"
  member  = "serviceAccount:${google_service_account.nodes.email}"
}

resource "google_artifact_registry_repository" "images" {
  project       = local.names.project
  location      = local.names.region
  repository_id = local.names.repository
  format        = "DOCKER"
  description   = "Images of Namesake, stack ${local.names.stack}."

  depends_on = [google_project_service.apis, module.namesake.bucket]
}

resource "google_artifact_registry_repository_iam_member" "nodes" {
  project    = local.names.project
  location   = google_artifact_registry_repository.images.location
  repository = google_artifact_registry_repository.images.name
  role       = "roles/artifactregistry.reader"
  member     = "serviceAccount:${google_service_account.nodes.email}"
}
