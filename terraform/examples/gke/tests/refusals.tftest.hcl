# What the plan refuses before anything is made. Run with TF_WORKSPACE=prod.
mock_provider "google" {}

variables {
  org_prefix = "acme"
  stacks     = { prod = { project = "acme-ml", region = "us-central1" } }
  stack      = "prod"
  domain     = "acme.com"
}

run "the_values_of_another_stack_are_refused" {
  command = plan
  variables { stack = "test" }
  expect_failures = [terraform_data.stack]
}

run "a_workspace_that_is_no_stack_is_refused" {
  command = plan
  variables { stacks = { test = { project = "acme-ml", region = "us-central1" } } }
  expect_failures = [terraform_data.stack]
}

run "an_existing_cluster_is_refused_here" {
  command = plan
  variables { stacks = { prod = { project = "acme-ml", region = "us-central1", cluster = "ml" } } }
  expect_failures = [terraform_data.stack]
}

run "the_whole_internet_is_no_network_of_admins" {
  command = plan
  variables { admin_networks = { all = "0.0.0.0/0" } }
  expect_failures = [var.admin_networks]
}

run "everybody_is_no_user" {
  command = plan
  variables { users = ["allAuthenticatedUsers"] }
  expect_failures = [var.users]
}

run "closing_the_services_needs_the_gateway" {
  command = plan
  variables { closed = true }
  expect_failures = [var.closed]
}

run "a_control_plane_needs_a_28" {
  command = plan
  variables { ranges = { control_plane = "172.16.0.0/24" } }
  expect_failures = [var.ranges]
}

run "no_node_is_refused" {
  command = plan
  variables { nodes = { min = 0 } }
  expect_failures = [var.nodes]
}

run "a_database_without_support_is_refused" {
  command = plan
  variables { database = { version = "POSTGRES_14" } }
  expect_failures = [var.database]
}

run "an_image_without_a_tag_is_refused" {
  command = plan
  variables { images = { metaflow-metadata-service = "a/b", metaflow-ui = "a/c:1", cloud-sql-proxy = "a/d:1" } }
  expect_failures = [var.images]
}
