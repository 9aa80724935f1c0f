# Namesake beside a stock stack. Run with TF_WORKSPACE=prod.
mock_provider "google" {}

variables {
  org_prefix = "acme"
  stacks = {
    prod = { project = "acme-ml", region = "us-west2", zone = "us-west2-a", kept = ["default"], cluster = "gke-metaflow-main", bucket = "storage-acme-metaflow-main" }
  }
  stock_stacks  = { main = { project = "acme-ml", org_prefix = "acme" } }
  stack         = "prod"
  domain        = "acme.com"
  control_plane = ["172.16.0.0/28"]
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
