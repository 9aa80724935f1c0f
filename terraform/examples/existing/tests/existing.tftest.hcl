# Namesake beside a stock stack. Run with TF_WORKSPACE=prod.
mock_provider "google" {
  mock_data "google_storage_bucket" {
    defaults = { uniform_bucket_level_access = true }
  }
  mock_data "google_container_cluster" {
    defaults = {
      workload_identity_config = [{ workload_pool = "acme-ml.svc.id.goog" }]
      datapath_provider        = "ADVANCED_DATAPATH"
      private_cluster_config = [{
        master_ipv4_cidr_block  = "172.16.0.0/28", private_endpoint = "10.2.0.2", public_endpoint = "203.0.113.5", peering_name = ""
        enable_private_endpoint = false, enable_private_nodes = true, private_endpoint_subnetwork = "", master_global_access_config = []
      }]
    }
  }
}

variables {
  org_prefix = "acme"
  stacks = {
    prod = { project = "acme-ml", region = "us-west2", zone = "us-west2-a", kept = ["default"], cluster = "gke-metaflow-main", bucket = "storage-acme-metaflow-main" }
  }
  stock_stacks = { main = { project = "acme-ml", org_prefix = "acme" } }
  stack        = "prod"
  domain       = "acme.com"
}

run "a_stock_stack_keeps_its_cluster_bucket_and_namespace" {
  command = plan
  assert {
    condition     = output.names.bucket == "storage-acme-metaflow-main" && output.names.cluster_path == "projects/acme-ml/locations/us-west2-a/clusters/gke-metaflow-main"
    error_message = "not the stock stack's: ${jsonencode(output.names)}"
  }
  assert {
    condition     = strcontains(output.namespaces, "\"namespace\": \"default\"") && !strcontains(output.namespaces, "\"kind\": \"Namespace\"")
    error_message = "default is opted in, or has no rights: ${output.namespaces}"
  }
}

run "the_control_plane_is_what_the_cluster_says" {
  command = plan
  assert {
    condition     = strcontains(output.overlay, "value: [{ipBlock: {cidr: 10.2.0.2/32}}, {ipBlock: {cidr: 172.16.0.0/28}}]")
    error_message = output.overlay
  }
}

run "a_cluster_without_workload_identity_is_refused" {
  command = plan
  override_data {
    target = data.google_container_cluster.existing
    values = { workload_identity_config = [], datapath_provider = "ADVANCED_DATAPATH" }
  }
  expect_failures = [data.google_container_cluster.existing]
}

run "the_namespace_is_opted_in_when_it_is_listed" {
  command = plan
  variables { opted_in = ["default"] }
  assert {
    condition     = strcontains(output.namespaces, "\"kind\": \"Namespace\"")
    error_message = output.namespaces
  }
}

run "a_stack_without_a_cluster_is_refused_here" {
  command = plan
  variables {
    stacks = { prod = { project = "acme-ml", region = "us-west2", namespaces = ["research"] } }
  }
  expect_failures = [terraform_data.stack]
}

run "the_values_of_another_stack_are_refused" {
  command = plan
  variables { stack = "test" }
  expect_failures = [terraform_data.stack]
}
