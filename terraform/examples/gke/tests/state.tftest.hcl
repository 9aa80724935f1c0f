# A state says for which stack it was made. Run with TF_WORKSPACE=prod.
mock_provider "google" {}

variables {
  org_prefix = "acme"
  stack      = "prod"
  domain     = "acme.com"
}

run "the_state_of_one_project" {
  command = apply
  plan_options { target = [terraform_data.stack] }
  variables { stacks = { prod = { project = "acme-ml", region = "us-central1" } } }
}

run "is_refused_for_another" {
  command = plan
  plan_options { target = [terraform_data.stack] }
  variables { stacks = { prod = { project = "acme-other", region = "us-central1" } } }
  expect_failures = [terraform_data.stack]
}
