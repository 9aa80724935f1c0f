# A stack beside Outerbounds' own. Needs no provider.
variables {
  stack        = "prod"
  org_prefix   = "acme"
  project      = "acme-ml"
  region       = "us-west2"
  zone         = "us-west2-a"
  stock_stacks = { main = { org_prefix = "acme" } }
}

run "a_new_stack_beside_the_stock_stack_is_accepted" {
  command = plan
}

run "a_bucket_on_which_the_stock_account_has_rights_is_refused" {
  command = plan
  variables { bucket = "storage-acme-metaflow-main-2" }
  expect_failures = [output.stock]
}

# acme's own bucket, to move the installation over.
run "the_bucket_of_the_stock_stack_itself_is_accepted" {
  command = plan
  variables { bucket = "storage-acme-metaflow-main" }
}

run "the_namespace_of_the_stock_stack_in_another_cluster_is_refused" {
  command = plan
  variables { kept_namespaces = ["default"] }
  expect_failures = [output.stock]
}

run "the_namespace_of_the_stock_stack_in_its_own_cluster_is_accepted" {
  command = plan
  variables {
    cluster         = "gke-metaflow-main"
    kept_namespaces = ["default"]
  }
}

run "the_workspace_of_the_stock_stack_is_refused_for_another_cluster" {
  command = plan
  variables { stack = "main" }
  expect_failures = [output.stock]
}
