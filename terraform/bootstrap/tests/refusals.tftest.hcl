# What the plan refuses before anything is made.
mock_provider "google" {}

variables {
  project    = "acme-admin"
  org_prefix = "acme"
  location   = "EU"
  admins     = ["group:platform@acme.com"]
  stacks     = { prod = { project = "acme-ml", region = "us-central1" } }
}

run "public_members_are_refused" {
  command = plan
  variables { admins = ["allUsers"] }
  expect_failures = [var.admins]
}

run "no_admin_is_refused" {
  command = plan
  variables { admins = [] }
  expect_failures = [var.admins]
}

run "public_admins_of_a_stack_are_refused" {
  command = plan
  variables { stacks = { prod = { project = "acme-ml", region = "us-central1", admins = ["domain:acme.com"] } } }
  expect_failures = [var.stacks]
}

run "no_stack_is_refused" {
  command = plan
  variables { stacks = {} }
  expect_failures = [var.stacks]
}

run "a_zone_is_no_location_of_a_bucket" {
  command = plan
  variables { location = "us-central1-a" }
  expect_failures = [var.location]
}

run "a_version_of_a_key_is_refused" {
  command = plan
  variables { kms_key = "projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1" }
  expect_failures = [var.kms_key]
}

run "too_few_versions_are_refused" {
  command = plan
  variables { keep_versions = { count = 1 } }
  expect_failures = [var.keep_versions]
}

run "a_soft_delete_that_storage_does_not_accept_is_refused" {
  command = plan
  variables { soft_delete_days = 120 }
  expect_failures = [var.soft_delete_days]
}

run "a_project_number_is_refused" {
  command = plan
  variables { project = "123456789012" }
  expect_failures = [var.project]
}

run "a_bucket_as_a_url_is_refused" {
  command = plan
  variables { bucket = "gs://acme-tfstate" }
  expect_failures = [var.bucket]
}

run "google_in_the_name_of_a_bucket_is_refused" {
  command = plan
  variables { org_prefix = "google" }
  expect_failures = [var.org_prefix]
}

run "a_stack_does_not_keep_its_flows_among_the_states" {
  command = plan
  variables { stacks = { tfstate = { project = "acme-ml", region = "us-central1" } } }
  expect_failures = [output.stacks_tfvars]
}

run "a_bucket_that_the_stock_account_may_write_is_refused" {
  command = plan
  variables {
    bucket       = "storage-acme-metaflow-main-state"
    stock_stacks = { main = { project = "acme-ml", org_prefix = "acme" } }
  }
  expect_failures = [output.stacks_tfvars]
}
